import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text, update

from core.clock import utc_now
from core.errors import StreamUnavailableError
from core.events.facts import AccountsListed, FactBatch, encode
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from services.api.live.hub import Hub
from services.api.live.pace import Pace
from tests.services.api.conftest import Api, Start
from tests.services.api.gate import Gate
from tests.services.api.portfolio import USD, beat, changed, mark, position_id, publish, tick
from tests.services.api.test_auth import signed_in
from tests.waiting import SECONDS, eventually

KEY = str(position_id("aapl"))


@pytest.fixture
async def postgres_gate(postgres_url: str) -> AsyncIterator[Gate]:
    async with Gate(postgres_url) as gate:
        yield gate


@pytest.fixture
async def redis_gate(settings: Settings) -> AsyncIterator[Gate]:
    async with Gate(settings.require_redis_url()) as gate:
        yield gate


def through(settings: Settings, **urls: Gate) -> Settings:
    changes: dict[str, Any] = {name: SecretStr(gate.url) for name, gate in urls.items()}
    return settings.model_copy(update={"stream_conflate_ms": 0, **changes})


async def reason(api: Api) -> object:
    return (await api.get("/api/v1/positions"))["freshness"]["reason"]


async def ready(api: Api) -> int:
    return (await api.http.get("/readyz")).status_code


async def test_while_the_database_is_away_the_process_lives_and_says_so(
    start: Start, settings: Settings, postgres_gate: Gate, seeded: Database
) -> None:
    assert seeded
    api = await start(through(settings, database_url=postgres_gate))
    assert await ready(api) == 200
    postgres_gate.shut()
    assert await eventually(lambda: ready(api), lambda code: code == 503)
    began = time.perf_counter()
    assert (await api.http.get("/livez")).status_code == 200
    assert time.perf_counter() - began < 5
    for path in ("/api/v1/executions", "/api/v1/positions?status=closed", "/api/v1/sync"):
        answer = await api.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), path
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await api.http.post("/api/v1/sync/resync")).status_code == 503
    # What is held in memory is still served.
    assert len((await api.get("/api/v1/positions"))["items"]) == 3
    alone = await api.get(f"/api/v1/positions/{KEY}")
    assert (alone["symbol"], alone["quantity"], alone["average_cost"]) == ("AAPL", "100", "150.01")
    # What only the database knows is not known, and none of it is empty or zero.
    names = ("average_entry_price", "average_exit_price", "max_quantity", "cost_method")
    assert [alone[name] for name in (*names, "broker_average_cost", "differences")] == [None] * 6
    answer = await api.http.get(f"/api/v1/positions/{position_id('won')}")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    metrics = (await api.http.get("/metrics")).text
    assert "lotkeeper_database_up 0.0" in metrics
    postgres_gate.reopen()
    await eventually(lambda: ready(api), lambda code: code == 200)
    assert len((await api.get("/api/v1/executions"))["items"]) == 4


async def test_a_session_is_not_called_over_while_the_database_that_keeps_it_is_away(
    start: Start, settings: Settings, postgres_gate: Gate, seeded: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert seeded
    api = await start(through(settings, database_url=postgres_gate))
    client = await signed_in(api)
    name, secret = next(iter(client.cookies.items()))
    await client.aclose()
    postgres_gate.shut()
    await eventually(lambda: ready(api), lambda code: code == 503)
    headers = {"Cookie": f"{name}={secret}", "Origin": f"http://{api.address}"}
    async with api.socket(additional_headers=headers) as socket:
        assert (await socket.next("error"))["code"] == "database_unavailable"
        assert await socket.closed() == 1013
    assert "ASGI" not in caplog.text
    postgres_gate.reopen()
    await eventually(lambda: ready(api), lambda code: code == 200)
    async with api.socket(additional_headers=headers) as socket:
        await socket.next("hello")


async def test_an_api_that_starts_without_its_database_waits_for_it(
    start: Start, settings: Settings, postgres_gate: Gate, seeded: Database
) -> None:
    assert seeded
    postgres_gate.shut()
    api = await start(through(settings, database_url=postgres_gate), loaded=False)
    assert (await api.http.get("/livez")).status_code == 200
    assert await ready(api) == 503
    for path in (
        "/api/v1/positions",
        "/api/v1/accounts",
        "/api/v1/accounts/ALL/summary",
        f"/api/v1/positions/{KEY}",
    ):
        answer = await api.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), path
    async with api.socket() as socket:
        await socket.subscribe("positions")
        await socket.next("heartbeat")
        postgres_gate.reopen()
        assert len((await socket.next("snapshot"))["data"]) == 3
    assert await ready(api) == 200


async def test_a_database_that_is_not_migrated_is_not_ready(
    start: Start, settings: Settings, database: Database
) -> None:
    async with database.write() as writer:
        await writer.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    api = await start(settings, loaded=False)
    answer = await api.http.get("/readyz")
    assert answer.status_code == 503
    assert "lotkeeper migrate" in answer.json()["detail"]


async def test_without_redis_the_last_known_picture_stays_and_comes_back_to_life(
    start: Start, settings: Settings, redis_gate: Gate, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    api = await start(through(settings, redis_url=redis_gate))
    async with api.socket() as socket:
        await socket.subscribe("positions")
        await tick(streams, settings, beat(utc_now()), mark(utc_now()))
        await socket.next("status", where=lambda m: m["reason"] is None)
        redis_gate.shut()
        told = await socket.next("status", where=lambda m: m["reason"] == "stream_down")
        assert told["freshness"]["source"] == "last_known"
        assert told["links"] == {"gateway": "unknown", "ibkr": "unknown"}
        assert await reason(api) == "stream_down"
        row = (await api.get("/api/v1/positions", symbol="AAPL"))["items"][0]
        assert row["market_price"] == "161", "the numbers stay"
        answer = await api.http.post("/api/v1/sync/resync")
        assert (answer.status_code, answer.json()["code"]) == (503, "stream_unavailable")
        report = await api.get("/api/v1/sync")
        assert (report["streams"], report["jobs"][0]["status"]) == (None, "failed")
        assert "lotkeeper_redis_up 0.0" in (await api.http.get("/metrics")).text
        # What happens meanwhile reaches the database, and from there the page when Redis is back.
        async with seeded.write() as writer:
            await close_position(writer)
        redis_gate.reopen()

        async def alive() -> object:
            await tick(streams, settings, beat(utc_now()))
            return await reason(api)

        await eventually(alive, lambda told: told is None)
        gone = str(position_id("es"))
        await socket.next("delta", where=lambda m: {"op": "delete", "key": gone} in m["ops"])
        await publish(streams, settings, changed(quantity=Decimal(3)))
        await socket.next(
            "delta", where=lambda m: any(o.get("value", {}).get("quantity") == "3" for o in m["ops"])
        )


async def close_position(writer: Any) -> None:
    await writer.execute(
        update(t.positions)
        .where(t.positions.c.id == position_id("es"))
        .values(status="closed", quantity=0, closed_at=utc_now(), version=6)
    )


async def test_a_redis_that_lost_its_memory_is_noticed_and_the_database_read_again(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    api = await start(through(settings))
    await publish(streams, settings, changed(quantity=Decimal(3)))

    async def quantity() -> object:
        return (await api.get("/api/v1/positions", symbol="AAPL"))["items"][0]["quantity"]

    await eventually(quantity, lambda found: found == "3")
    async with seeded.write() as writer:
        await close_position(writer)
    # The change that told of it went with Redis' memory, long before the next reload is due.
    await streams._redis.delete(settings.changes_stream)

    async def held() -> int:
        return len((await api.get("/api/v1/positions"))["items"])

    await eventually(held, lambda count: count == 2)


async def test_an_api_that_starts_without_redis_shows_the_database(
    start: Start, settings: Settings, redis_gate: Gate, seeded: Database
) -> None:
    assert seeded
    redis_gate.shut()
    api = await start(through(settings, redis_url=redis_gate))
    page = await api.get("/api/v1/positions")
    assert len(page["items"]) == 3
    assert page["freshness"]["reason"] == "stream_down"
    assert await ready(api) == 200


async def test_facts_that_nobody_records_are_noticed(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    pace = Pace(watch_seconds=0.05, weigh_seconds=0.05, worker_seconds=0.3)
    api = await start(through(settings), pace=pace)
    batch = FactBatch(epoch=1, first_seq=1, facts=(AccountsListed(received_at=utc_now(), accounts=(USD,)),))
    await streams.ensure_group(settings.facts_stream, "position_sync")
    await streams.append(settings.facts_stream, [encode(batch)])

    async def told() -> object:
        await tick(streams, settings, beat(utc_now()))
        return await reason(api)

    await eventually(told, lambda found: found == "worker_down")
    entries = await streams.read_group(settings.facts_stream, "position_sync", "w", count=9, block_ms=100)
    await streams.acknowledge(settings.facts_stream, "position_sync", [entry.id for entry in entries])
    await eventually(told, lambda found: found is None)


async def test_a_change_that_was_never_published_is_found_by_the_next_reload(
    start: Start, settings: Settings, seeded: Database
) -> None:
    api = await start(through(settings), pace=Pace(reload_seconds=0.2, refresh_seconds=0.02))
    async with seeded.write() as writer:
        await close_position(writer)

    async def held() -> int:
        return len((await api.get("/api/v1/positions"))["items"])

    await eventually(held, lambda count: count == 2)


async def test_a_fault_of_our_own_is_told_and_the_picture_is_not_called_live(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seeded
    api = await start(through(settings))
    hub = api.context.hub

    async def told() -> object:
        await tick(streams, settings, beat(utc_now()))
        return await reason(api)

    await eventually(told, lambda found: found is None)

    def broken(*_: object) -> None:
        raise RuntimeError("account U1111111")

    with monkeypatch.context() as patched:
        patched.setattr(hub.following, "_take_ticks", broken)
        await hub.stop()
        hub.start()
        await eventually(told, lambda found: found == "stream_down")
    await eventually(told, lambda found: found is None)


async def stops(hub: Hub) -> bool:
    """Whether it ends by being asked once."""
    tasks = {*hub._tasks}
    stopping = asyncio.create_task(hub.stop())
    done, _ = await asyncio.wait({stopping}, timeout=SECONDS)
    if not done:
        for task in asyncio.all_tasks() - {asyncio.current_task(), stopping}:
            if task in tasks or ("Hub." in repr(task) or "Following." in repr(task)):
                task.cancel()
    await stopping
    return bool(done)


@pytest.mark.parametrize("turns", range(4))
async def test_it_ends_when_it_is_stopped_in_the_moment_in_which_figures_are_asked_for(
    api: Api, turns: int
) -> None:
    hub = api.context.hub
    await eventually(lambda: reason(api), lambda found: found != "stream_down")
    hub.following._refresh_asked.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    assert await stops(hub)


async def test_it_ends_when_it_is_stopped_in_the_moment_in_which_redis_goes_away(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = api.context.hub
    follows = asyncio.Event()

    async def fails_when_cancelled(*_: object) -> None:
        try:
            follows.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ExceptionGroup("the tasks", [StreamUnavailableError("gone")]) from None

    await hub.stop()
    monkeypatch.setattr(hub.following, "_follow", fails_when_cancelled)
    hub.start()
    await follows.wait()
    assert await stops(hub)
