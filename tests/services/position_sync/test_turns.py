"""Workers apply what a stream holds one after the other, and do not depend on it."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from core.errors import DatabaseUnavailableError
from core.settings import Settings
from core.streams.consumer import Consumer
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.session import Database, Writer
from models.stores.turns import go_on
from services.position_sync import turns as turns_module
from services.position_sync.relay import GROUP, Relay
from services.position_sync.turns import Turns
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, execution
from tests.services.position_sync.ledger_rows import count
from tests.services.position_sync.test_repetitions import waiting_for
from tests.waiting import comes, eventually


@pytest.fixture
def turns(database: Database) -> Turns:
    """Of one who waits longer than any test."""
    return Turns(database, "facts", patience_seconds=60)


async def _have(turns: Turns) -> None:
    async with turns.taken():
        pass


async def test_turns_come_in_the_order_in_which_they_were_asked_for(turns: Turns, database: Database) -> None:
    had: list[int] = []

    async def have(number: int) -> None:
        async with turns.taken():
            had.append(number)

    async with asyncio.TaskGroup() as tasks, turns.taken():
        for number in range(4):
            tasks.create_task(have(number))
            waits = waiting_for(database, "pg_advisory_xact_lock")
            await eventually(waits, lambda waiting, wanted=number + 1: waiting == wanted)
        assert had == []
    assert had == [0, 1, 2, 3]


async def test_another_stream_has_its_own_turns(turns: Turns, database: Database) -> None:
    other = Turns(database, "other facts", patience_seconds=60)
    async with asyncio.timeout(40), turns.taken(), other.taken():
        pass


async def test_who_waited_too_long_goes_on_without_and_leaves_nothing_behind(
    turns: Turns, database: Database
) -> None:
    impatient = Turns(database, "facts", patience_seconds=0.01)
    async with turns.taken(), asyncio.timeout(40):
        for _ in range(2):
            async with impatient.taken() as is_ours:
                assert not is_ours
    async with asyncio.timeout(40), impatient.taken() as is_ours:
        assert is_ours


async def test_the_turn_of_who_says_nothing_for_too_long_is_over(
    turns: Turns, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Turns(database, "facts", patience_seconds=0.05)

    async def say_nothing(writer: Writer, is_over: asyncio.Event) -> None: ...

    monkeypatch.setattr(silent, "_speak", say_nothing)
    async with silent.taken(), asyncio.timeout(40), turns.taken():
        pass


async def test_a_turn_that_ends_badly_is_over_and_says_why(turns: Turns) -> None:
    with pytest.raises(KeyError):
        async with turns.taken():
            raise KeyError
    async with asyncio.timeout(40), turns.taken():
        pass


async def test_a_lost_turn_harms_nothing(turns: Turns, database: Database) -> None:
    async with turns.taken(), database.write() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND pid <> pg_backend_pid() "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
    async with asyncio.timeout(40), turns.taken():
        pass


async def test_the_turn_of_who_is_still_at_it_is_not_over(
    turns: Turns, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[Writer] = []

    async def speak(writer: Writer) -> None:
        await go_on(writer)
        words.append(writer)

    monkeypatch.setattr(turns_module, "go_on", speak)
    slow = Turns(database, "facts", patience_seconds=0.05)
    async with slow.taken() as is_ours, asyncio.TaskGroup() as tasks:
        assert is_ours
        task = tasks.create_task(_have(turns))
        await eventually(waiting_for(database, "pg_advisory_xact_lock"))
        # Three to a silence that would be too long.
        await comes(lambda: len(words), lambda spoken: spoken > 9)
        assert not task.done()
        task.cancel()


async def test_nothing_is_taken_before_it_is_ones_turn_and_then_first_what_others_left(
    relay: Relay, turns: Turns, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    link = Link()
    first, second = link.entry(execution("a.01", "3")), link.entry(execution("b.01", "4", seconds=1))
    await streams.append(settings.facts_stream, [first.data])
    await streams.ensure_group(settings.facts_stream, GROUP)
    await streams.read_group(settings.facts_stream, GROUP, "killed", count=1, block_ms=1)
    await streams.append(settings.facts_stream, [second.data])
    handled: list[bytes] = []

    async def handle(entries: Sequence[Entry]) -> None:
        handled.extend(entry.data for entry in entries)
        await relay.handle(entries)

    consumer = Consumer(
        streams,
        stream=settings.facts_stream,
        group=GROUP,
        consumer="next",
        handle=handle,
        turn=turns.taken,
        idle_ms=60_000,
    )
    async with turns.taken():
        task = asyncio.create_task(consumer.run())
        await eventually(waiting_for(database, "pg_advisory_xact_lock"))
        (group,) = (await streams.info(settings.facts_stream)).groups
        assert group.pending_entries == group.lag_entries == 1
    await eventually(lambda: count(database, "executions"), lambda stored: stored == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert handled == [first.data, second.data]


async def test_a_turn_that_does_not_come_because_postgresql_goes_says_so(
    turns: Turns, database: Database
) -> None:
    async with turns.taken():
        task = asyncio.create_task(_have(turns))
        await eventually(waiting_for(database, "pg_advisory_xact_lock"))
        async with database.write() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                    "AND NOT granted "
                    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                )
            )
        with pytest.raises(DatabaseUnavailableError):
            await task


async def test_a_fill_that_comes_late_leaves_what_ended_before_it_as_it_is(relay: Relay, rows: Rows) -> None:
    link = Link()
    sizes = ("2", "-5", "7", "-9", "1")
    await relay.handle(
        [link.entry(*(execution(f"{n}.01", size, seconds=10 * n) for n, size in enumerate(sizes, 1)))]
    )
    positions = "SELECT ordinal, CAST(xmin AS text) AS written, quantity FROM positions ORDER BY ordinal"
    before = await rows(positions)
    assert [row["quantity"] for row in before] == [0, 0, 0, -4]
    await relay.handle([link.entry(execution("x.01", "-1", seconds=35))])
    after = await rows(positions)
    assert after[:2] == before[:2]
    assert [row["quantity"] for row in after] == [0, 0, 0, -5]
