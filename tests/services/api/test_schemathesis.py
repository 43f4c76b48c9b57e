"""Whatever the OpenAPI document allows, asked of the real API: nothing but what the document says comes back.

``SCHEMATHESIS_EXAMPLES=300`` asks more of each operation, each time something else.
"""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.settings import Settings
from models.session import Database
from services.api.openapi import document
from services.api.security import permissions
from tests.services.api.conftest import Api, Start
from tests.services.api.kept import seed_snapshots
from tests.services.api.portfolio import AAPL, TOKEN, USD, position_id, seed_comparisons
from tests.services.api.stated import seed_statements
from tests.services.api.test_events import PATH as EVENTS

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))
REPEATABLE = "SCHEMATHESIS_EXAMPLES" not in os.environ
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
KINDS = ("*/*", "application/json", "text/csv", "application/x-ndjson", "application/vnd.apache.parquet")
KNOWN: dict[str, Any] = {
    "account": USD,
    "position_id": str(position_id("aapl")),
    "job_id": str(position_id("job")),
    "conid": AAPL,
    "snapshot_id": 3,
    "import_id": 1,
    "issue_id": 1,
    "symbol": "AAPL",
}
PUBLIC = {tuple(route.split()) for route in permissions.PUBLIC}


@pytest.fixture
async def full(start: Start, settings: Settings, seeded: Database) -> Api:
    """An API with something in every list."""
    await seed_comparisons(seeded)
    await seed_statements(seeded)
    await seed_snapshots(seeded)
    return await start(settings)


def operations(told: Any) -> Iterator[Any]:
    for found in schemathesis.openapi.from_dict(told).get_all_operations():
        operation = found.ok()
        if operation.path != EVENTS:  # what has no end is read by tests of its own
            yield operation


def ask(api: Api, told: Any) -> list[str]:
    """Ask everything of each operation; returns what went wrong."""
    wrong: list[str] = []
    for operation in operations(told):
        try:
            _ask_one(api, operation)
        except (Exception, FailureGroup) as error:  # noqa: BLE001 - all of them are to be told, not the first
            wrong.append(f"{operation.label}: {error}")
    return wrong


def _ask_one(api: Api, operation: Any) -> None:
    base = f"http://{api.address}"

    @settings(
        max_examples=EXAMPLES,
        derandomize=REPEATABLE,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of(operation.as_strategy(generation_mode=mode) for mode in GenerationMode),
        kind=st.sampled_from(KINDS),
        known=st.booleans(),
    )
    def asked(case: Any, kind: str, known: bool) -> None:
        if known:  # of what there is: hardly anything that is made up finds an account or a position
            for part in (case.path_parameters, case.query):
                part.update({name: KNOWN[name] for name in part if name in KNOWN})
        case.headers["Accept"] = kind
        answer = case.call(base_url=base, headers={"Authorization": f"Bearer {TOKEN}"})
        case.validate_response(answer, checks=CHECKS)
        if (case.method, case.path) not in PUBLIC:
            stranger = case.call(base_url=base, headers={"Authorization": "Bearer wrong"})
            assert stranger.status_code in {401, 429}, f"{case.method} {case.path} needs nobody"

    asked()


async def test_nothing_comes_back_that_the_document_does_not_say(full: Api) -> None:
    wrong = await asyncio.to_thread(ask, full, document(full.server.config.app, "0"))  # type: ignore[arg-type]
    assert wrong == [], "\n\n".join(wrong)


@pytest.mark.parametrize(
    ("path", "part", "said"),
    [
        ("/api/v1/accounts", "200", "Undocumented status code"),
        ("/api/v1/positions/{position_id}/lots", "404", "Undocumented status code"),
    ],
)
async def test_what_the_document_does_not_say_would_be_found(
    full: Api, path: str, part: str, said: str
) -> None:
    told = document(full.server.config.app, "0")  # type: ignore[arg-type]
    told["paths"] = {path: {"get": told["paths"][path]["get"]}}
    told["paths"][path]["get"]["responses"].pop(part)
    wrong = await asyncio.to_thread(ask, full, told)
    assert len(wrong) == 1
    assert said in wrong[0]
