"""The contract on file: what was promised stays.

``UPDATE_CONTRACT=1`` writes what was added. What breaks is refused even so, until ``docs/reference/
api-changes.md`` names it.
"""

import copy
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.settings import load_settings
from services.api.app import create_app
from services.api.openapi import document
from tests.services.api.contract_changes import breaking_changes

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
ON_FILE, DECLARED = REFERENCE / "openapi.json", REFERENCE / "api-changes.md"
_LINE = re.compile(r"^- `(?P<change>.+)`$", re.MULTILINE)


def of_the_app() -> Any:
    app = create_app(
        load_settings(
            database_url="postgresql://nobody@127.0.0.1/none",
            redis_url="redis://127.0.0.1/0",
            api_token="x" * 32,
        )
    )
    return without_examples(json.loads(json.dumps(document(app, "0"))))


def without_examples(told: Any) -> Any:
    """Examples promise nothing, and are many."""
    if isinstance(told, dict):
        return {name: without_examples(value) for name, value in told.items() if name != "example"}
    return [without_examples(each) for each in told] if isinstance(told, list) else told


@pytest.fixture(scope="module")
def now() -> Any:
    return of_the_app()


def test_the_contract_is_the_one_on_file_and_takes_nothing_back(now: Any) -> None:
    declared = {match["change"] for match in _LINE.finditer(DECLARED.read_text(encoding="utf-8"))}
    if ON_FILE.exists():
        broken = breaking_changes(json.loads(ON_FILE.read_text(encoding="utf-8")), now)
        undeclared = [change for change in broken if change not in declared]
        assert undeclared == [], "these break clients; name each in docs/reference/api-changes.md, or undo it"
    text = json.dumps(now, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_CONTRACT"):
        ON_FILE.write_text(text, encoding="utf-8")
    assert ON_FILE.read_text(encoding="utf-8") == text, "UPDATE_CONTRACT=1 writes what was added"


LIST = "/api/v1/executions"


def _parameter(told: Any, name: str) -> Any:
    return next(one for one in told["paths"][LIST]["get"]["parameters"] if one["name"] == name)


def _properties(told: Any, name: str) -> Any:
    return told["components"]["schemas"][name]["properties"]


CHANGES: dict[str, Callable[[Any], Any]] = {
    f"{LIST}: path removed": lambda told: told["paths"].pop(LIST),
    f"GET {LIST}: method removed": lambda told: told["paths"][LIST].pop("get"),
    f"GET {LIST} query.symbol: parameter removed": lambda told: told["paths"][LIST]["get"][
        "parameters"
    ].remove(_parameter(told, "symbol")),
    f"GET {LIST} query.account: is required now": lambda told: _parameter(told, "account").update(
        required=True
    ),
    f"GET {LIST} query.side: new required parameter": lambda told: told["paths"][LIST]["get"][
        "parameters"
    ].append({"in": "query", "name": "side", "required": True, "schema": {"type": "string"}}),
    f"GET {LIST} query.limit: maximum is 10 and was 500": lambda told: _parameter(told, "limit")[
        "schema"
    ].update(maximum=10),
    f"GET {LIST} query.limit: takes no integer any more": lambda told: _parameter(told, "limit").update(
        schema={"type": "string"}
    ),
    "GET /api/v1/positions query.status: value open removed": lambda told: next(
        one for one in told["paths"]["/api/v1/positions"]["get"]["parameters"] if one["name"] == "status"
    )["schema"]["enum"].remove("open"),
    f"GET {LIST}: response 200 removed": lambda told: told["paths"][LIST]["get"]["responses"].pop("200"),
    f"GET {LIST}: response 200 is no longer text/csv": lambda told: told["paths"][LIST]["get"]["responses"][
        "200"
    ]["content"].pop("text/csv"),
    "Execution.symbol: property removed": lambda told: _properties(told, "Execution").pop("symbol"),
    "Execution.conid: can be string now": lambda told: _properties(told, "Execution").update(
        conid={"type": "string"}
    ),
    "Execution.price: can be null now": lambda told: _properties(told, "Execution").update(
        price={"anyOf": [_properties(told, "Execution")["price"], {"type": "null"}]}
    ),
    "Execution.symbol: can be missing now": lambda told: told["components"]["schemas"]["Execution"][
        "required"
    ].remove("symbol"),
    "Acknowledgement.by: is required now": lambda told: told["components"]["schemas"][
        "Acknowledgement"
    ].update(required=["by"]),
    "POST /api/v1/issues/{issue_id}/acknowledge: the body is required now": lambda told: told["paths"][
        "/api/v1/issues/{issue_id}/acknowledge"
    ]["post"]["requestBody"].update(required=True),
    "POST /api/v1/imports: takes no text/csv any more": lambda told: told["paths"]["/api/v1/imports"]["post"][
        "requestBody"
    ]["content"].pop("text/csv"),
}


@pytest.mark.parametrize("said", CHANGES)
def test_what_is_taken_back_is_found_and_named(now: Any, said: str) -> None:
    changed = copy.deepcopy(now)
    CHANGES[said](changed)
    assert said in breaking_changes(now, changed)


ADDITIONS: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda _: None,
    "a path": lambda told: told["paths"].update({"/api/v1/weather": told["paths"][LIST]}),
    "a method": lambda told: told["paths"][LIST].update(post={"responses": {}}),
    "a property": lambda told: _properties(told, "Execution").update(venue={"type": "string"}),
    "a parameter": lambda told: told["paths"][LIST]["get"]["parameters"].append(
        {"in": "query", "name": "side", "required": False, "schema": {"type": "string"}}
    ),
    "a value that may be asked for": lambda told: _parameter(told, "limit")["schema"].update(maximum=1000),
    "a status": lambda told: told["paths"][LIST]["get"]["responses"].update({"418": {}}),
}


@pytest.mark.parametrize("what", ADDITIONS)
def test_what_is_added_breaks_nothing(now: Any, what: str) -> None:
    changed = copy.deepcopy(now)
    ADDITIONS[what](changed)
    assert breaking_changes(now, changed) == []
