"""A heavy or stuck question holds up nobody but whoever asked it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.api import app, metrics
from services.api.coalesce import Coalesce
from services.api.routers import health
from tests.databases import waiting_for_locks
from tests.services.api.conftest import Api, Start
from tests.services.api.mirror import Mirror
from tests.services.api.people import client, make_token
from tests.services.api.portfolio import PAPER, USD, mark, position_id, tick
from tests.waiting import comes, eventually

KEY = str(position_id("aapl"))
STUCK = "/api/v1/reconciliations"


@asynccontextmanager
async def stuck(database: Database, table: str = "reconciliations") -> AsyncIterator[None]:
    """Meanwhile whoever asks for what is in the table waits."""
    async with database.write() as writer:
        await writer.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield


async def waiting(database: Database) -> int:
    return await waiting_for_locks(database, "lotkeeper-api")


def coalesced() -> float:
    return metrics.COALESCED._value.get()


async def test_the_same_question_asked_fifty_times_at_once_is_one_query(api: Api, database: Database) -> None:
    before = coalesced()
    async with stuck(database):
        asked = [asyncio.create_task(api.http.get(STUCK)) for _ in range(50)]
        other = asyncio.create_task(api.http.get(STUCK, params={"limit": 7}))
        (coalesce,) = [layer for layer in layers(api) if isinstance(layer, Coalesce)]
        await comes(lambda: len(coalesce._under_way), lambda count: count == 2)
        assert await eventually(lambda: waiting(database), lambda count: count == 2)
        await comes(
            lambda: sum(len(one.whole._callbacks or ()) for one in coalesce._under_way.values()),
            lambda count: count == 49,
        )
        assert await waiting(database) == 2
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert coalesced() - before == 49
    assert (await other).status_code == 200


def layers(api: Api) -> list[Any]:
    """The application and its middlewares, from the outside in."""
    found: list[Any] = []
    layer: Any = api.server.config.app.middleware_stack
    while layer is not None:
        found.append(layer)
        layer = getattr(layer, "_app", None) or getattr(layer, "app", None)
    return found


async def test_an_answer_goes_only_to_who_asked_the_same_as_the_same(api: Api, database: Database) -> None:
    async with stuck(database):
        mine = asyncio.create_task(api.http.get(STUCK))
        await eventually(lambda: waiting(database), lambda count: count == 1)
        async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as stranger:
            assert (await stranger.get(STUCK)).status_code == 401
    assert (await mine).status_code == 200


async def test_of_two_who_ask_the_same_at_once_each_is_told_of_their_own_accounts(
    api: Api, database: Database
) -> None:
    path, told = "/api/v1/executions", {}
    secrets = {name: (await make_token(database, accounts=frozenset({name})))[1] for name in (USD, PAPER)}
    for secret in secrets.values():  # so that nothing is looked up of who they are meanwhile
        async with client(api, secret) as one:
            assert (await one.get(path)).status_code == 200
    async with client(api, secrets[USD]) as one, client(api, secrets[PAPER]) as other:
        async with stuck(database, "executions"):
            asked = [asyncio.create_task(each.get(path)) for each in (one, other, one, other)]
            await eventually(lambda: waiting(database), lambda count: count == 2)
        for answer in await asyncio.gather(*asked):
            accounts = {row["account"] for row in answer.json()["items"]}
            told[answer.headers["x-request-id"]] = accounts
    assert list(told.values()) == [{USD}, {PAPER}] * 2


async def test_strangers_who_ask_whether_it_is_ready_take_one_connection(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READY_SECONDS", 20)
    async with client(api) as stranger:
        async with stuck(database, "alembic_version"):
            asked = [asyncio.create_task(stranger.get("/readyz")) for _ in range(20)]
            (coalesce,) = [layer for layer in layers(api) if isinstance(layer, Coalesce)]
            await comes(
                lambda: sum(len(one.whole._callbacks or ()) for one in coalesce._under_way.values()),
                lambda count: count == 19,
            )
            assert await eventually(lambda: waiting(database)) == 1
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}


async def test_whoever_changed_something_is_not_answered_from_before_it(api: Api, database: Database) -> None:
    async with stuck(database):
        before = asyncio.create_task(api.http.get(STUCK))
        await eventually(lambda: waiting(database), lambda count: count == 1)
        assert (await api.http.post("/api/v1/sync/resync")).status_code == 202
        after = asyncio.create_task(api.http.get(STUCK))
        await eventually(lambda: waiting(database), lambda count: count == 2)
    assert {(await before).status_code, (await after).status_code} == {200}


async def test_a_query_that_takes_too_long_is_stopped_and_says_so(
    start: Start, settings: Settings, seeded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "READ_SECONDS", 0.2)
    api = await start(settings)
    async with stuck(seeded):
        answer = await api.http.get(STUCK)
    assert (answer.status_code, answer.json()["code"]) == (503, "query_too_slow")
    assert answer.headers["retry-after"] == "10"
    assert (await api.http.get(STUCK)).status_code == 200


async def test_when_all_connections_are_taken_the_rest_goes_on(
    start: Start,
    settings: Settings,
    seeded: Database,
    streams: RedisStreams,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "POOL_SECONDS", 0.2)
    api = await start(settings.model_copy(update={"stream_conflate_ms": 0}))
    mirror = Mirror()
    async with stuck(seeded):
        taken = [asyncio.create_task(api.http.get(STUCK, params={"limit": n})) for n in range(1, 11)]
        await eventually(lambda: waiting(seeded), lambda count: count == 10)
        answer = await api.http.get("/api/v1/executions")
        assert (answer.status_code, answer.json()["code"]) == (503, "too_busy")
        assert (await api.http.get("/livez")).status_code == 200
        assert len((await api.get("/api/v1/positions"))["items"]) == 3
        async with api.socket() as socket:
            await mirror.follow(socket)
            await tick(streams, settings, mark(utc_now(), market_price=Decimal(200)))
            await mirror.until(socket, lambda rows: rows[KEY]["market_price"] == "200")
            # What the hub reads of the database it reads over connections of its own.
            await socket.subscribe("executions", "jobs")
            assert (
                len((await socket.next("snapshot", where=lambda m: m["topic"] == "executions"))["data"]) == 4
            )
    assert {answer.status_code for answer in await asyncio.gather(*taken)} == {200}
