"""The client against a running API: typed rows, pages, refusals, and being told to come again."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from lotkeeper_client import (
    Client,
    ConflictError,
    ForbiddenError,
    InsecureAddressError,
    InvalidRequestError,
    LotkeeperClientError,
    NotFoundError,
    ProblemError,
    TokenMissingError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
    rows,
)
from lotkeeper_client.transport import Transport
from services.stack.ports import free_port
from tests.services.api.conftest import Api
from tests.services.api.portfolio import AAPL, NOW, TOKEN, USD, position_id

Answer = Callable[[httpx.Request], httpx.Response]


async def test_positions_are_typed_rows_that_say_how_fresh_they_are(client: Client) -> None:
    frame = await asyncio.to_thread(client.positions, account=USD, symbol="AAPL")
    [held] = frame.rows
    assert (held.quantity, held.average_cost, held.opened_at.tzinfo) == (
        *(Decimal(100), Decimal("150.01"), UTC),
    )
    assert frame.freshness.stale
    assert held.freshness.reason == frame.freshness.reason


async def test_rows_come_page_by_page_as_they_are_looked_at(api: Api, client: Client) -> None:
    asked: list[str] = []
    api.server.config.loaded_app = _counting(api.server.config.loaded_app, asked)

    def look() -> tuple[str, int, int, int, list[str]]:
        frame = client.positions(status="all")
        shown, first = repr(frame), len(asked)
        looking = iter(frame)
        for _ in range(3):
            next(looking)
        second = len(asked)
        assert len(frame.head(4)) == 4
        return shown, first, second, len(frame), [row.id for row in frame]

    shown, first, second, count, ids = await asyncio.to_thread(look)
    assert shown.startswith("<Frame of 2+ Position>")
    assert (first, second, count, len(set(ids)), len(asked)) == (1, 2, 6, 6, 3)


def _counting(app: Any, asked: list[str]) -> Any:
    async def counting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked.append(scope["path"])
        await app(scope, receive, send)

    return counting


async def test_each_question_has_its_typed_answer(client: Client) -> None:
    def ask() -> None:
        assert client.meta().api_version == "v1"
        assert client.summary(account=[USD]).net_liquidation == Decimal("104230.75")
        assert client.account_summary("ALL").open_positions == 3
        assert [one.account for one in client.accounts()] == ["DU2222222", USD]
        assert client.executions(from_=NOW, to=datetime(2027, 1, 1, tzinfo=UTC)).rows == []
        assert len(client.executions()) == 4
        assert client.position(str(position_id("aapl"))).cost_method == "fifo"
        assert len(client.position_lots(str(position_id("aapl")))) == 2
        assert len(client.position_events(str(position_id("aapl")))) == 3
        assert {one.key for one in client.realized(group_by="symbol")} == {"MSFT"}
        assert client.instrument(AAPL).open_positions[0].symbol == "AAPL"
        assert client.calendar(2026).days == ()
        assert client.drawdowns().maximum.value is None
        assert client.allocation(by="account").items == ()
        assert client.measures(account=USD).span.points == 0
        assert client.sync().links.gateway == "unknown"
        assert not client.validation().ok
        assert client.valuation(as_of=NOW, account=USD).items[0].account == USD

    await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    "name",
    [
        *("realized", "realized_differences", "statistics", "performance", "snapshots", "snapshot_gaps"),
        *("cash_balances", "cash_flows", "currency_rates", "instruments", "statements"),
        *("statement_coverage", "statement_differences", "imports", "alerts", "issues", "reconciliations"),
        *("differences", "jobs"),
    ],
)
async def test_each_list_is_read_to_its_end_and_says_how_fresh_it_is(client: Client, name: str) -> None:
    frame = await asyncio.to_thread(getattr(client, name))
    found = await asyncio.to_thread(lambda: frame.rows)
    assert all(isinstance(row, frame.row_type) for row in found)
    assert frame.freshness.links.gateway == "unknown"


async def test_points_are_asked_for_as_one_answer(client: Client) -> None:
    frame = await asyncio.to_thread(lambda: client.performance(account=USD, points=200, from_=NOW))
    assert frame.rows == []


async def test_what_the_server_refuses_is_an_error_with_its_code_and_what_to_do(
    api: Api, client: Client
) -> None:
    with pytest.raises(NotFoundError, match="GET /api/v1/accounts lists them") as missing:
        await asyncio.to_thread(client.positions, account="U0")
    assert (missing.value.code, missing.value.status) == ("account_not_found", 404)
    with pytest.raises(InvalidRequestError, match="status") as wrong:
        await asyncio.to_thread(client.positions, status="lost")
    assert wrong.value.errors[0].location.endswith("status")
    with (
        Client(f"http://{api.address}", "not the token") as other,
        pytest.raises(UnauthorizedError, match="no token that is let in here"),
    ):
        await asyncio.to_thread(other.meta)
    with pytest.raises(ValueError, match="zone"):
        await asyncio.to_thread(client.executions, from_=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


async def test_jobs_are_asked_for_and_followed(client: Client) -> None:
    def ask() -> None:
        snapshot = client.save_snapshot(USD)
        assert (snapshot.kind, client.job(snapshot.id).status) == ("snapshot", "queued")
        with pytest.raises(LotkeeperClientError, match="has not ended"):
            client.wait(snapshot, seconds=0.02, every=0.01)
        done = client.jobs(status="succeeded").rows[0]
        assert client.wait(client.job(done.id)).status == "succeeded"
        assert client.resync().kind == "resync"

    await asyncio.to_thread(ask)


def test_nobody_at_the_address_is_said_so() -> None:
    with (
        Client(f"http://127.0.0.1:{free_port()}", TOKEN) as one,
        pytest.raises(UnreachableError, match="LOTKEEPER_URL"),
    ):
        one.meta()


# -- what a server seldom says, from one that says it at once ----------------------------------------------


def asking(answer: Answer, *, retries: int = 3) -> tuple[Transport, list[float]]:
    waits: list[float] = []
    transport = Transport(
        "http://localhost",
        TOKEN,
        timeout=1,
        retries=retries,
        transport=httpx.MockTransport(answer),
        sleep=waits.append,
    )
    return transport, waits


def problem(status: int, headers: dict[str, str] | None = None) -> httpx.Response:
    document = {"type": "", "title": "Away", "status": status, "detail": "Come again.", "code": "away"}
    return httpx.Response(status, json=document, headers=headers)


def test_a_server_that_cannot_answer_just_now_is_asked_again_when_it_says() -> None:
    answers = [problem(503, {"retry-after": "2"}), problem(503), httpx.Response(200, json={"id": 1})]
    transport, waits = asking(lambda _: answers.pop(0))
    assert transport.get("/x", dict[str, int]) == {"id": 1}
    assert waits == [2.0, 1.0]


def test_it_is_given_up_after_some_times_and_what_is_to_be_done_is_asked_once() -> None:
    asked: list[str] = []

    def away(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return problem(503, {"retry-after": "900"})

    transport, waits = asking(away, retries=2)
    with pytest.raises(UnavailableError, match=r"Come again. \[away\]"):
        transport.get("/x", dict[str, int])
    assert (asked, waits) == (["GET"] * 3, [30.0, 30.0])
    with pytest.raises(UnavailableError):
        transport.post("/x", dict[str, int])
    assert asked[3:] == ["POST"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, ForbiddenError),
        (409, ConflictError),
        (429, TooManyRequestsError),
        (500, ProblemError),
        (400, InvalidRequestError),
    ],
)
def test_each_refusal_has_its_type(status: int, kind: type[ProblemError]) -> None:
    transport, _ = asking(lambda _: problem(status, {"retry-after": "7"}))
    with pytest.raises(kind) as refused:
        transport.get("/x", dict[str, int])
    assert (type(refused.value), refused.value.retry_after) == (kind, 7.0)


def test_an_answer_of_something_else_is_said_to_be_that() -> None:
    page, _ = asking(lambda _: httpx.Response(HTTPStatus.BAD_GATEWAY, text="<html>"))
    with pytest.raises(UnexpectedAnswerError, match="502"):
        page.get("/x", dict[str, int])
    other, _ = asking(lambda _: httpx.Response(HTTPStatus.OK, json={"id": "one"}))
    with pytest.raises(UnexpectedAnswerError, match="/api/v1/x"):
        other.get("/x", dict[str, int])


def test_parameters_are_spelled_as_the_server_reads_them() -> None:
    seen: list[str] = []

    def echo(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url.params))
        return httpx.Response(200, json={})

    transport, _ = asking(echo)
    moment = datetime(2026, 11, 20, 10, tzinfo=UTC)
    transport.get(
        "/x",
        dict[str, int],
        {"account": ["U1", "U2"], "latest": True, "at": moment, "day": date(2026, 1, 2), "no": None, "n": 5},
    )
    assert seen == ["account=U1&account=U2&latest=true&at=2026-11-20T10%3A00%3A00Z&day=2026-01-02&n=5"]


# -- where the server is, and the token --------------------------------------------------------------------


def test_the_environment_says_where_and_with_which_token(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "demo").mkdir(parents=True)
    (home / "demo" / "api-token").write_text("of-the-demo\n")
    told = {"LOTKEEPER_HOME": str(home)}
    with Client.from_env(told) as one:
        assert repr(one) == "<lotkeeper_client.Client of http://127.0.0.1:8321>"
        assert one._transport.token == "of-the-demo"
    (home / "main").mkdir()
    (home / "main" / "api-token").write_text("of-the-real-one")
    assert Client.from_env(told)._transport.token == "of-the-real-one"
    assert Client.from_env({**told, "LOTKEEPER_PROFILE": "demo"})._transport.token == "of-the-demo"
    (tmp_path / "secret").write_text("of-a-file")
    by_file = {**told, "LOTKEEPER_API_TOKEN_FILE": str(tmp_path / "secret")}
    assert Client.from_env(by_file)._transport.token == "of-a-file"
    by_name = {**by_file, "LOTKEEPER_API_TOKEN": "itself", "LOTKEEPER_URL": "https://lots.example/"}
    assert Client.from_env(by_name)._transport.token == "itself"
    assert repr(Client.from_env(by_name)) == "<lotkeeper_client.Client of https://lots.example>"


def test_without_a_token_it_is_said_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(TokenMissingError, match="LOTKEEPER_API_TOKEN"):
        Client.from_env({"LOTKEEPER_HOME": str(tmp_path)})
    (tmp_path / "lotkeeper" / "main").mkdir(parents=True)
    (tmp_path / "lotkeeper" / "main" / "api-token").write_text("found")
    assert Client.from_env({"XDG_DATA_HOME": str(tmp_path)})._transport.token == "found"


def test_the_token_of_this_machine_goes_to_no_other(tmp_path: Path) -> None:
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "api-token").write_text("of-this-machine")
    told = {"LOTKEEPER_HOME": str(tmp_path)}
    assert (
        Client.from_env({**told, "LOTKEEPER_URL": "http://localhost:9"})._transport.token == "of-this-machine"
    )
    with pytest.raises(TokenMissingError, match="LOTKEEPER_API_TOKEN"):
        Client.from_env({**told, "LOTKEEPER_URL": "https://lots.example"})


def test_a_named_file_that_cannot_be_read_is_no_reason_to_take_another(tmp_path: Path) -> None:
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "api-token").write_text("of-the-home")
    missing = str(tmp_path / "missing")
    with pytest.raises(TokenMissingError, match=f"LOTKEEPER_API_TOKEN_FILE names {missing}"):
        Client.from_env({"LOTKEEPER_HOME": str(tmp_path), "LOTKEEPER_API_TOKEN_FILE": missing})


@pytest.mark.parametrize("url", ["http://lots.example", "http://10.0.0.5:8321", "http://localhost.example"])
def test_a_token_never_goes_to_another_machine_in_the_clear(url: str) -> None:
    with pytest.raises(InsecureAddressError, match="https://"):
        Client(url, TOKEN)
    Client(url, TOKEN, insecure=True).close()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://lots.example"]
)
def test_addresses_that_are_safe_are_taken(url: str) -> None:
    Client(url, TOKEN).close()


@pytest.mark.parametrize(
    "url", ["lots.example", "ftp://lots.example", "https://me:token@lots.example", "https://"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(LotkeeperClientError, match="address"):
        Client(url, TOKEN)


def test_rows_can_be_looked_at_without_a_client() -> None:
    assert rows.Links(gateway="up", ibkr="up").gateway == "up"
