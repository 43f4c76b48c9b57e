"""The WebSocket of whoever may see some accounts only."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, update

from core.events.changes import ExecutionRecorded, JobChanged
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from services.api.live import access
from services.api.schemas.stream import TOPICS
from tests.databases import run_sql
from tests.services.api.conftest import Api, Start
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD, VOD, changed, position_id, publish
from tests.services.api.restricted import SECRETS, asked, bearing, clock, let_in, seed_both
from tests.services.api.test_events import PATH as EVENTS
from tests.services.api.test_events import Reader
from tests.waiting import SECONDS, comes, eventually

VOD_CHANGE: dict[str, Any] = {
    "account": PAPER,
    "conid": VOD,
    "symbol": "VOD",
    "local_symbol": "VOD",
    "description": "VODAFONE GROUP PLC",
    "currency": "GBP",
    "quantity": Decimal(900),
    "opened_at": NOW - timedelta(days=5),
}


async def test_a_socket_tells_of_their_accounts_only_and_its_numbers_of_nobody_else(
    both: Api, settings: Settings, streams: RedisStreams
) -> None:
    async with both.socket(additional_headers=bearing("theirs")) as socket, both.socket() as whole:
        heard: list[str] = []
        recv = socket.connection.recv

        async def listening() -> Any:
            heard.append(str(await recv()))
            return heard[-1]

        socket.connection.recv = listening  # type: ignore[method-assign,assignment]
        assert (await socket.next("hello"))["topics"] == list(TOPICS)
        await whole.subscribe("positions", "summary")
        await socket.subscribe("positions", "summary")
        held = await socket.next("snapshot", where=lambda m: m["topic"] == "positions")
        assert {row["account"] for row in held["data"].values()} == {PAPER}
        sums = await socket.next("snapshot", where=lambda m: m["topic"] == "summary")
        assert sums["data"].keys() == {PAPER, "ALL"}
        own, every = sums["data"][PAPER], sums["data"]["ALL"]
        assert {**every, "account": PAPER} == own
        # Twenty changes of the other account, one of theirs.
        for version in range(6, 26):
            await publish(streams, settings, changed(version=version, quantity=Decimal(100 + version)))
        await whole.next("delta", where=lambda m: f'"{125}"' in json.dumps(m))
        await publish(streams, settings, changed("vod", **VOD_CHANGE))
        delta = await socket.next("delta", where=lambda m: m["topic"] == "positions")
        assert (delta["prev_seq"], delta["seq"], len(delta["ops"])) == (0, 1, 1)
        assert delta["ops"][0]["value"]["quantity"] == "900"
        await socket.next("heartbeat", where=lambda m: m["seqs"]["positions"] == 1)
        assert [secret for secret in SECRETS if any(secret in text for text in heard)] == []
        # What is gone of the other account goes without a word, too.
        await publish(streams, settings, changed(version=30, status="closed", quantity=Decimal(0)))
        await whole.next("delta", where=lambda m: m["ops"][0]["op"] == "delete")
        gone = {**VOD_CHANGE, "version": 8, "status": "closed", "quantity": Decimal(0)}
        await publish(streams, settings, changed("vod", **gone))
        last = await socket.next("delta", where=lambda m: m["topic"] == "positions")
        assert (last["seq"], last["ops"]) == (2, [{"op": "delete", "key": str(position_id("vod"))}])


async def test_who_comes_back_gets_what_was_missed_of_their_accounts(
    both: Api, settings: Settings, streams: RedisStreams
) -> None:
    async with both.socket(additional_headers=bearing("theirs")) as socket:
        await socket.subscribe("positions")
        first = await socket.next("snapshot")
    async with both.socket() as whole:
        await whole.subscribe("positions")
        await publish(streams, settings, changed("vod", **VOD_CHANGE), changed(version=7))
        await whole.next("delta")
        theirs = {"topic": "positions", "epoch": first["epoch"], "after_seq": first["seq"]}
        async with both.socket(additional_headers=bearing("theirs")) as socket:
            await socket.send({"type": "subscribe", "topics": [theirs]})
            assert (await socket.next("resumed"))["replayed"] == 1
            assert [one["key"] for one in (await socket.next("delta"))["ops"]] == [str(position_id("vod"))]
        # The place of somebody who sees other accounts is none.
        async with both.socket(additional_headers=bearing("others")) as socket:
            await socket.send({"type": "subscribe", "topics": [theirs]})
            assert (await socket.next("reset"))["reason"] == "epoch_changed"
            assert str(position_id("vod")) not in (await socket.next("snapshot"))["data"]


async def _fill(database: Database, exec_id: str, account: str, conid: int) -> ExecutionRecorded:
    """Another execution, newer than all."""
    async with database.write() as writer:
        await writer.execute(
            insert(t.executions).values(
                exec_id=exec_id,
                exec_base_id=exec_id.rpartition(".")[0],
                revision=1,
                account=account,
                conid=conid,
                executed_at=NOW,
                side="BOT",
                quantity=Decimal(10),
                price=Decimal("99.5"),
                order_id=7,
                perm_id=1,
                client_id=0,
                order_ref="",
                exchange="LSE",
                liquidity=1,
                model_code="",
                zone_assumed=False,
                source="live",
                received_at=NOW,
                epoch=1,
            )
        )
    return ExecutionRecorded(exec_id=exec_id, account=account, conid=conid)


async def test_executions_of_their_accounts_come_as_they_happen_and_of_others_nothing(
    both: Api, database: Database, settings: Settings, streams: RedisStreams
) -> None:
    async with both.socket(additional_headers=bearing("theirs")) as socket, both.socket() as whole:
        await whole.subscribe("executions")
        await socket.subscribe("executions")
        first = await socket.next("snapshot")
        listed = await asked(both, "/api/v1/executions", "theirs")
        assert {*first["data"]} == {row["exec_id"] for row in listed[1]["items"]} != set()
        for number in range(3):
            await publish(streams, settings, await _fill(database, f"0009.aa.0{number}.01", USD, AAPL))
            await whole.next("delta", where=lambda m: f"0009.aa.0{number}.01" in json.dumps(m))  # noqa: B023 - awaited in its turn
        await publish(streams, settings, await _fill(database, "0009.bb.01.01", PAPER, VOD))
        delta = await socket.next("delta")
        assert [(one["op"], one["key"]) for one in delta["ops"]] == [("upsert", "0009.bb.01.01")]
        assert (delta["prev_seq"], delta["seq"]) == (first["seq"], first["seq"] + 1)
        assert delta["ops"][0]["value"]["price"] == "99.5"
    # What came while they were away is told when they come back.
    async with both.socket() as whole:
        await whole.subscribe("executions")
        await publish(streams, settings, await _fill(database, "0009.bb.02.01", PAPER, VOD))
        view = both.context.hub.views[frozenset({PAPER})]
        await comes(lambda: view.topics["executions"].seq, lambda seq: seq == delta["seq"] + 1)
    async with both.socket(additional_headers=bearing("theirs")) as socket:
        left = {"topic": "executions", "epoch": delta["epoch"], "after_seq": delta["seq"]}
        await socket.send({"type": "subscribe", "topics": [left]})
        assert (await socket.next("resumed"))["replayed"] == 1
        assert [one["key"] for one in (await socket.next("delta"))["ops"]] == ["0009.bb.02.01"]


async def test_jobs_and_what_freshness_follows_from_are_those_of_their_accounts(
    both: Api, settings: Settings, streams: RedisStreams, database: Database
) -> None:
    async with both.socket(additional_headers=bearing("theirs")) as socket:
        await socket.subscribe("sync", "jobs")
        told = [await socket.next("snapshot"), await socket.next("snapshot")]
        data = {one["topic"]: one["data"] for one in told}
        assert {*data["jobs"]} == {str(position_id(PAPER)), str(position_id(f"import of {PAPER}"))}
        _, report = await asked(both, "/api/v1/sync", "theirs")
        datasets = {f"dataset/{one['account']}/{one['dataset']}" for one in report["datasets"]}
        assert {*data["sync"]} == {"links", "outbox", "jobs_due", *datasets}
        assert [secret for secret in SECRETS if secret in json.dumps(told)] == []
        async with database.write() as writer:
            for job, account in ((USD, USD), (PAPER, PAPER)):
                await writer.execute(
                    update(t.jobs).where(t.jobs.c.id == position_id(job)).values(status="running")
                )
                done = JobChanged(
                    id=str(position_id(account)), kind="snapshot", status="running", progress=None, error=None
                )
                await publish(streams, settings, done)
        delta = await socket.next("delta", where=lambda m: m["topic"] == "jobs")
        assert [(one["key"], one["value"]["status"]) for one in delta["ops"]] == [
            (str(position_id(PAPER)), "running")
        ]


async def test_a_topic_begins_once_the_database_can_be_read(both: Api, settings: Settings) -> None:
    url = settings.require_database_url().replace("+asyncpg", "")
    await run_sql(url, "ALTER TABLE executions RENAME TO gone")
    async with both.socket(additional_headers=bearing("theirs")) as socket:
        await socket.subscribe("executions", "nonsense", "sync")
        assert ((await socket.next("error"))["code"]) == "unknown_topic"
        assert (await socket.next("snapshot"))["topic"] == "sync"
        await run_sql(url, "ALTER TABLE gone RENAME TO executions")
        assert (await socket.next("snapshot", where=lambda m: m["topic"] == "executions"))["data"]


async def test_events_tell_of_their_accounts_only_and_end_when_they_may_see_others(
    both: Api, settings: Settings, streams: RedisStreams
) -> None:
    gatekeeper = let_in(both.context, theirs=[PAPER])
    async with both.http.stream("GET", EVENTS, headers=bearing("theirs")) as answer:
        reader = Reader(answer)
        assert (await reader.next("hello"))["topics"] == list(TOPICS)
        told = [await reader.next("snapshot", "positions"), await reader.next("snapshot", "summary")]
        await publish(streams, settings, changed(version=7), changed("vod", **VOD_CHANGE))
        told.append(await reader.next("delta", "positions"))
        assert [one["key"] for one in told[-1]["ops"]] == [str(position_id("vod"))]
        assert [secret for secret in SECRETS if secret in json.dumps(told)] == []
        gatekeeper.accounts_of["theirs"] = frozenset({USD})
        assert (await reader.next("error"))["code"] == "unauthorized"
        with pytest.raises(EOFError):
            await reader.next("hello")


async def test_who_comes_before_the_first_load_is_told_as_soon_as_there_is_something(
    start: Start, settings: Settings, database: Database
) -> None:
    await seed_both(database)
    api = await start(settings, loaded=False, clock=clock)
    let_in(api.context, theirs=[PAPER])
    async with asyncio.timeout(SECONDS):
        await api.context.hub.loaded.wait()
    # As it is before the first load.
    api.context.hub.loaded.clear()
    async with api.socket(additional_headers=bearing("theirs")) as socket:
        await socket.subscribe("positions")
        (view,) = api.context.hub.views.values()
        await comes(lambda: view.subscribers.follow("positions"))
        assert not view.topics["positions"].has_begun
        api.context.hub.loaded_again()
        assert {row["account"] for row in (await socket.next("snapshot"))["data"].values()} == {PAPER}


async def test_a_socket_ends_when_its_bearer_may_see_other_accounts(both: Api) -> None:
    gatekeeper = let_in(both.context, theirs=[PAPER])
    async with both.socket(additional_headers=bearing("theirs")) as socket:
        await socket.subscribe("positions")
        await socket.next("snapshot")
        gatekeeper.accounts_of["theirs"] = frozenset({USD})
        assert (await socket.next("error"))["code"] == "unauthorized"
        assert await socket.closed() == 4401
    async with both.socket(additional_headers=bearing("theirs")) as socket:
        await socket.subscribe("positions")
        held = (await socket.next("snapshot"))["data"].values()
        assert {row["account"] for row in held} == {USD}


async def test_a_view_lasts_as_long_as_it_is_used(
    both: Api, settings: Settings, streams: RedisStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = both.context.hub.views
    async with both.socket(additional_headers=bearing("theirs")) as socket, both.socket() as whole:
        await whole.subscribe("positions")
        await socket.subscribe("positions")
        await socket.next("snapshot")
        assert await asked(both, "/api/v1/positions", "others")
        assert views.keys() == {frozenset({PAPER}), frozenset({USD})}
        kept = views[frozenset({PAPER})]
        monkeypatch.setattr(access, "IDLE_SECONDS", 0.0)
        await publish(streams, settings, changed(version=7))
        await whole.next("delta")
        assert views == {frozenset({PAPER}): kept}, "it has a reader"
    monkeypatch.setattr(access, "IDLE_SECONDS", 60.0)
    assert await asked(both, "/api/v1/positions", "theirs")
    assert views == {frozenset({PAPER}): kept}, "and may have one again soon"
    await eventually(lambda: _is(not kept.clients))
    monkeypatch.setattr(access, "IDLE_SECONDS", 0.0)
    assert await asked(both, "/api/v1/positions", "others")
    assert views.keys() == {frozenset({USD})}


async def _is(true: bool) -> bool:
    return true
