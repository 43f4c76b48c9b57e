"""What a resync tells once more: what is stored as it is wants no lock and no fold, all else is taken in."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from core.events import changes
from core.events.facts import CommissionReported, ExecutionReported, Fact
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync import repetitions
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Another, Rows
from tests.services.position_sync.facts import ACME, Link, commission, execution
from tests.services.position_sync.ledger_rows import clear, count, ledger_rows
from tests.services.position_sync.test_replay import script
from tests.waiting import SECONDS, eventually

STORED = (execution("a.01", "3"), commission("a.01", "1"), execution("b.01", "-1", "12", seconds=5))
CHARGED = "SELECT commission FROM commission_reports WHERE exec_id = 'a.01'"


@pytest.fixture(autouse=True)
def _few_are_looked_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repetitions, "_WORTH_A_LOOK", 1)


@asynccontextmanager
async def locked_books(database: Database) -> AsyncIterator[None]:
    async with database.write() as connection:
        await connection.execute(text("SELECT 1 FROM ledger_books FOR UPDATE"))
        yield


def waiting_for(database: Database, words: str) -> Callable[[], Any]:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE :words "
        "AND datname = current_database()"
    )

    async def number() -> Any:
        async with database.read() as reader:
            return (await reader.execute(query, {"words": f"%{words}%"})).scalar_one()

    return number


async def test_what_is_stored_as_it_is_waits_for_no_lock_of_its_book(
    relay: Relay, database: Database
) -> None:
    await relay.handle([Link().entry(*STORED)])
    before = await ledger_rows(database)
    async with locked_books(database), asyncio.timeout(SECONDS):
        await relay.handle([Link().entry(*STORED)])
    assert await count(database, "inbox") == 2
    assert await ledger_rows(database) == before


@pytest.mark.parametrize(
    "news",
    [
        commission("a.01", "7", seconds=9),
        commission("a.01", "1", seconds=9, realized="2"),
        commission("b.01", "1", seconds=9),
        execution("a.02", "2"),
        execution("a.01", "4"),
    ],
    ids=["commission", "realized", "first commission", "correction", "contradiction"],
)
async def test_what_differs_from_what_is_stored_is_taken_in_among_what_does_not(
    news: ExecutionReported | CommissionReported,
    relay: Relay,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = {(type(one), one.exec_id): one for one in (*STORED, news)}.values()

    async def outcome() -> tuple[Any, ...]:
        await clear(database)
        await relay.handle([Link().entry(*STORED)])
        await relay.handle([Link().entry(*told)])
        async with database.read() as reader:
            dead = (await reader.execute(text("SELECT payload FROM dead_facts"))).all()
        return await ledger_rows(database), dead

    taken_in = await outcome()
    await clear(database)
    await relay.handle([Link().entry(*STORED)])
    unchanged = await ledger_rows(database), []
    monkeypatch.setattr(repetitions, "_WORTH_A_LOOK", 1_000)
    assert taken_in == await outcome()
    assert taken_in != unchanged


async def test_what_a_repeated_execution_says_anew_of_its_instrument_is_taken_in(
    relay: Relay, rows: Rows
) -> None:
    await relay.handle([Link().entry(*STORED)])
    renamed = replace(ACME, local_symbol="ACME N")
    await relay.handle([Link().entry(execution("a.01", "3", instrument=renamed))])
    assert await rows("SELECT local_symbol FROM instruments") == [{"local_symbol": "ACME N"}]


async def test_an_execution_is_announced_again_when_its_commission_changed_and_not_when_it_is_repeated(
    relay: Relay, streams: RedisStreams, settings: Settings
) -> None:
    async def announced(*facts: Fact) -> list[str]:
        before = await streams.last_id(settings.changes_stream)
        await relay.handle([Link().entry(*facts)])
        entries = await streams.tail(settings.changes_stream, before, count=100, block_ms=1)
        told = [change for entry in entries for change in changes.decode(entry.data).changes]
        return [one.exec_id for one in told if isinstance(one, changes.ExecutionRecorded)]

    assert sorted(await announced(*STORED)) == ["a.01", "b.01"]
    assert await announced(*STORED) == []
    assert await announced(STORED[0], commission("a.01", "7", seconds=9), STORED[2]) == ["a.01"]


async def test_a_commission_that_changed_waits_for_its_book(
    relay: Relay, database: Database, rows: Rows
) -> None:
    await relay.handle([Link().entry(*STORED)])
    changed = Link().entry(STORED[0], commission("a.01", "7", seconds=9))
    async with locked_books(database):
        task = asyncio.create_task(relay.handle([changed]))
        await eventually(waiting_for(database, "WITH RECURSIVE d(account, conid)"))
        assert not task.done()
    await task
    assert await rows(CHARGED) == [{"commission": 7}]
    assert (await rows("SELECT commission FROM positions"))[0]["commission"] == 7


async def test_what_a_newer_link_repeated_is_not_replaced_by_what_an_older_one_says_late(
    relay: Relay, rows: Rows
) -> None:
    first, older, newer = Link(), Link(), Link()
    await relay.handle([first.entry(*STORED)])
    await relay.handle([newer.entry(*STORED)])
    await relay.handle([older.entry(commission("a.01", "7", seconds=9))])
    assert await rows(CHARGED) == [{"commission": 1}]


async def test_a_commission_that_others_change_while_it_is_looked_up_is_stored_with_its_book(
    relay: Relay, another: Another, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, older, newer = Link(), Link(), Link()
    await relay.handle([first.entry(*STORED)])
    confirm = repetitions.confirm_commissions
    faster = another()

    async def overtaken(*arguments: Any) -> set[str]:
        await faster.handle([older.entry(commission("a.01", "7", seconds=9))])
        assert await rows(CHARGED) == [{"commission": 7}]
        return await confirm(*arguments)

    monkeypatch.setattr(repetitions, "confirm_commissions", overtaken)
    await relay.handle([newer.entry(*STORED)])
    assert await rows(CHARGED) == [{"commission": 1}]
    assert (await rows("SELECT commission FROM positions"))[0]["commission"] == 1


@pytest.mark.parametrize("seed", range(6))
async def test_a_replay_beside_what_is_new_gives_the_rows_of_one_after_the_other(
    seed: int, relay: Relay, another: Another, database: Database
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable script, not a secret
    facts = script(chance)
    half = len(facts) // 2
    await clear(database)
    await relay.handle([Link().entry(*facts)])
    expected = await ledger_rows(database)
    await clear(database)
    await relay.handle([Link().entry(*facts[:half])])
    replay, new = Link(), Link()
    replays = [replay.entry(*facts[start : start + 9]) for start in range(0, half, 9)]
    news = [new.entry(*facts[start : start + 7]) for start in range(half, len(facts), 7)]
    workers = another(), another()
    async with asyncio.TaskGroup() as tasks:
        for entry in replays:
            tasks.create_task(workers[0].handle([entry]))
        for entry in news:
            tasks.create_task(workers[1].handle([entry]))
    assert await ledger_rows(database) == expected


async def test_what_cannot_even_be_looked_up_is_set_aside_and_the_rest_booked(
    relay: Relay, database: Database
) -> None:
    await relay.handle([Link().entry(*STORED, execution("c\x00.01", "1", seconds=6))])
    assert await count(database, "executions") == 2
    assert await count(database, "dead_facts") == 1
