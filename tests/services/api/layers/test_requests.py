"""A name for each request."""

import json
import uuid
from pathlib import Path

import pytest
from fastapi import Request
from sqlalchemy import text
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from core import logs
from models.session import Database
from services.api.exchange import exchange_of
from services.api.layers.requests import REQUEST_ID
from tests.services.api.conftest import Api, Route
from tests.services.api.portfolio import PAPER


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/livez", 200),
        ("/", 200),
        ("/api/v1/executions", 200),
        ("/api/v1/executions.csv", 200),
        ("/api/v1/nothing", 404),
        ("/api/v1/executions?token=x", 400),
        ("/api/v1/executions?limit=0", 422),
    ],
)
async def test_each_answer_has_the_clients_own_id(api: Api, path: str, status: int, tmp_path: Path) -> None:
    assert tmp_path
    answer = await api.http.get(path, headers={REQUEST_ID: "mine.of-1_x"})
    assert answer.status_code in {status, 503}  # the page may not have been built
    assert answer.headers.get_list(REQUEST_ID) == ["mine.of-1_x"]
    if answer.headers["content-type"] == "application/problem+json":
        assert answer.json()["request_id"] == "mine.of-1_x"


@pytest.mark.parametrize("told", [None, "short", "x" * 65, "with blank", "line\\n\\nfeed", "ünïcödé-name"])
async def test_what_is_no_id_is_replaced_by_one_of_ours(api: Api, told: str | None) -> None:
    headers = {} if told is None else {REQUEST_ID: told.encode()}
    found = [(await api.http.get("/livez", headers=headers)).headers[REQUEST_ID] for _ in range(2)]
    assert found[0] != found[1]
    assert all(str(uuid.UUID(one)) == one for one in found)


async def test_a_refusal_at_the_gate_has_it_too(api: Api) -> None:
    api.http.headers.pop("authorization")
    answer = await api.http.get("/api/v1/executions", headers={REQUEST_ID: "mine-mine"})
    assert (answer.status_code, answer.headers[REQUEST_ID]) == (401, "mine-mine")
    assert answer.json()["request_id"] == "mine-mine"
    elsewhere = await api.http.get("/livez", headers={"host": "evil.example"})
    assert elsewhere.json()["request_id"] == elsewhere.headers[REQUEST_ID]


async def test_a_handshake_has_it(api: Api) -> None:
    headers = {"Authorization": "Bearer x", REQUEST_ID: "handshake-1"}
    async with api.socket(additional_headers=headers) as socket:
        response = socket.connection.response
        assert response is not None
        assert response.headers[REQUEST_ID] == "handshake-1"


@pytest.mark.parametrize("own", [None, "mine-mine"])
async def test_each_line_that_is_logged_meanwhile_has_it(
    api: Api, capsys: pytest.CaptureFixture[str], route: Route, own: str | None
) -> None:
    log = logs.get_logger("tests")

    async def tells(request: Request) -> dict[str, str]:
        log.warning("something_happened")
        exchange = exchange_of(request.scope)
        return {"id": exchange.request_id, "job": str(exchange.job_id)}

    route(api, "GET", "/api/v1/tells", tells)
    answer = await api.http.get("/api/v1/tells", headers={} if own is None else {REQUEST_ID: own})
    told = json.loads(answer.content)
    assert told["id"] == answer.headers[REQUEST_ID] == (own or told["job"])
    await api.http.get("/livez")
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "something_happened" in one]
    # Under that of the job that it might have begun, whatever the client calls it.
    assert f"correlation_id={told['job']}" in line
    assert ("request_id=mine-mine" in line) == (own is not None)


async def test_the_end_of_a_request_is_told_without_its_address(api: Api) -> None:
    with capture_logs([merge_contextvars]) as lines:
        read = await api.http.get(f"/api/v1/accounts/{PAPER}/cash")
        changed = await api.http.post("/api/v1/issues/check")
    told = {line["method"]: line for line in lines if line["event"] == "request_answered"}
    assert PAPER not in str(lines)
    assert (told["GET"]["log_level"], told["POST"]["log_level"]) == ("debug", "info")
    assert (told["GET"]["status"], told["POST"]["status"]) == (read.status_code, 202)
    assert told["POST"]["route"] == "/api/v1/issues/check"
    assert told["POST"]["correlation_id"] == changed.headers[REQUEST_ID] == changed.json()["job"]["id"]
    assert told["POST"]["duration_ms"] > 0


async def test_what_a_dead_attempt_began_goes_on_under_its_id(api: Api, seeded: Database) -> None:
    key = {"Idempotency-Key": "one-check"}
    first = await api.http.post("/api/v1/issues/check", headers=key)
    async with seeded.write() as writer:
        await writer.execute(
            text("UPDATE idempotency_keys SET status = NULL, body = NULL, heard_at = 'epoch'")
        )
    with capture_logs([merge_contextvars]) as lines:
        again = await api.http.post("/api/v1/issues/check", headers=key)
    job = first.json()["job"]["id"]
    assert again.json()["job"]["id"] == job
    (line,) = [one for one in lines if one["event"] == "request_answered"]
    assert (line["correlation_id"], line["request_id"]) == (job, again.headers[REQUEST_ID])
