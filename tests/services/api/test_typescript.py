"""The dashboard's types are those of the contract. ``UPDATE_CONTRACT=1`` writes them anew."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.settings import Settings
from services.api import asyncapi, openapi
from services.api.app import create_app
from services.api.schemas.common import encode
from services.api.typescript import declarations, type_of

FILE = Path(__file__).parents[3] / "services" / "api" / "web" / "src" / "lib" / "schema.ts"


def plain(document: dict[str, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(encode(document))
    return decoded


async def test_the_types_of_the_page_are_those_of_the_documents(settings: Settings) -> None:
    app = create_app(settings)
    text = declarations(plain(openapi.document(app, "0")), plain(asyncapi.document("0")))
    await app.state.context.database.close()
    if os.environ.get("UPDATE_CONTRACT"):
        FILE.write_text(text, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == text, "UPDATE_CONTRACT=1 writes it anew"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({}, "unknown"),
        ({"type": "integer"}, "number"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"$ref": "#/components/schemas/Links"}, "Links"),
        ({"enum": ["a", "b", 3]}, "'a' | 'b' | 3"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "string | null"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}, "[string, number]"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "Record<string, boolean>"),
        ({"type": "object"}, "Record<string, unknown>"),
    ],
)
def test_a_schema_reads_as_the_type_it_describes(schema: dict[str, Any], told: str) -> None:
    assert type_of(schema) == told


def test_a_name_that_means_two_things_is_refused() -> None:
    one = {"components": {"schemas": {"Links": {"type": "string"}}}}
    other = {"components": {"schemas": {"Links": {"type": "integer"}}}}
    with pytest.raises(ValueError, match="Links"):
        declarations(one, other)
