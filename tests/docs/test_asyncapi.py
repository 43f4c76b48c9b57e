"""The AsyncAPI document on file is what the message types say, and the recorded messages are as it says.

``UPDATE_DOCS=1`` writes it anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.api import asyncapi
from services.api.schemas.common import encode
from services.api.schemas.stream import TOPICS, decode_client

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "reference" / "asyncapi.json"
MESSAGES = sorted((ROOT / "tests" / "data" / "contract").glob("ws-*.json"))


def described() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


def schema_of(message: dict[str, Any]) -> dict[str, Any]:
    """The schema of the message that carries this type, and topic where rows depend on it."""
    document = described()
    schemas = document["components"]["schemas"]
    for kind in document["operations"]["tell"]["messages"]:
        name = kind["$ref"].rpartition("/")[2]
        fields = schemas[name]["properties"]
        topics = fields.get("topic", {}).get("enum")
        if message["type"] in fields["type"]["enum"] and (topics is None or message["topic"] in topics):
            return {**schemas[name], "components": document["components"]}
    raise AssertionError(f"no message like {message['type']} is described")


def test_the_document_on_file_is_what_the_types_say() -> None:
    made = json.loads(encode(asyncapi.document("0.1.0")))
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_DOCS"):
        FILE.write_text(text, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == text, "UPDATE_DOCS=1 writes it anew"


def test_every_reference_leads_somewhere() -> None:
    document = described()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                target = document
                for part in node["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for each in node.values():
                walk(each)
        elif isinstance(node, list):
            for each in node:
                walk(each)

    walk(document)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_a_recorded_message_is_as_described(path: Path) -> None:
    message = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(message, schema_of(message))
    extra = set(message) - set(schema_of(message)["properties"])
    assert not extra


def test_each_topic_has_a_recorded_snapshot() -> None:
    assert {f"ws-snapshot-{topic}" for topic in TOPICS} <= {path.stem for path in MESSAGES}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "auth", "token": "x"},
        {"type": "subscribe", "topics": [{"topic": "positions", "epoch": "e", "after_seq": 4}]},
        {"type": "unsubscribe", "topics": ["positions"]},
    ],
    ids=lambda message: message["type"],
)
def test_what_a_client_says_is_as_described_and_understood(message: dict[str, Any]) -> None:
    document = described()
    name = {"auth": "Authenticate"}.get(message["type"], message["type"].title())
    schema = {**document["components"]["schemas"][name], "components": document["components"]}
    jsonschema.validate(message, schema)
    decode_client(json.dumps(message))
