"""An entry has its effect once, whoever brings it and how often."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from core.events.facts import (
    AccountsListed,
    Fact,
    FrameUnreadable,
    InstrumentDescribed,
    LinkChanged,
    ResyncFenced,
)
from core.settings import Settings
from core.streams.consumer import Consumer
from core.streams.port import START as FIRST_ID
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.relay import GROUP, Relay
from services.position_sync.tidy import tidy
from tests.services.position_sync.conftest import Another, Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    GOLD,
    Link,
    at,
    commission,
    dataset,
    exchange_rate,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.ledger_rows import count, every_row, ledger_rows
from tests.waiting import eventually

Asked = list[tuple[str, str]]


def of_every_kind() -> list[Fact]:
    return [
        AccountsListed(received_at=at(0), accounts=(ACCOUNT, "DU2")),
        LinkChanged(received_at=at(0), gateway="up", ibkr="up", since=at(0)),
        InstrumentDescribed(received_at=at(1), instrument=GOLD),
        execution("a.01", "3"),
        commission("a.01"),
        execution("a.01", "4"),
        exchange_rate("EUR", "1.1"),
        position("3", "10.33", seconds=1, sweep="s"),
        positions_completed("s", 1, seconds=2),
        dataset("executions", seconds=2),
        ResyncFenced(received_at=at(3), trigger="connect", started_at=at(0), ok=True),
        FrameUnreadable(received_at=at(3), category="parsing", reason="?", frame='["999"]'),
        execution("z.01", "NaN"),
    ]


@pytest.mark.parametrize("epoch", [None, 0])
async def test_what_was_committed_and_not_acknowledged_changes_no_row_when_it_comes_again(
    epoch: int | None,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    asked: Asked,
) -> None:
    link = Link(epoch)
    batch = [
        link.entry(*of_every_kind()),
        Entry("7-1", b"\xff"),
        Entry("7-2", b'{"epoch":7,"first_seq":0,"facts":[{"type":"from_the_future"}]}'),
    ]
    await relay.handle(batch)
    before = await every_row(database)
    told = await streams.tail(settings.changes_stream, FIRST_ID, count=100, block_ms=1)
    asked.clear()
    assert len(before["sync_log"]) == 2
    assert len(before["dead_facts"]) == 5

    async def nobody(_account: str, _trigger: str) -> None: ...

    after_a_restart = Relay(database, streams, settings, ask_for_comparison=nobody)
    await relay.handle(batch)
    await after_a_restart.handle(batch[1:])
    await after_a_restart.handle([one._replace(deliveries=9) for one in batch])
    assert await every_row(database) == before
    assert await streams.tail(settings.changes_stream, FIRST_ID, count=100, block_ms=1) == told
    assert asked == []


async def test_an_entry_that_was_sent_twice_counts_once(relay: Relay, rows: Rows) -> None:
    fence = ResyncFenced(received_at=at(3), trigger="connect", started_at=at(0), ok=True)
    sent = Link().entry(execution("a.01", "3"), fence)
    await relay.handle([sent, sent._replace(id="5-0")])
    await relay.handle([sent._replace(id="6-0")])
    assert await rows("SELECT quantity FROM positions") == [{"quantity": 3}]
    assert len(await rows("SELECT 1 FROM sync_log")) == 1


async def test_two_workers_that_hold_the_same_entries_at_once_give_the_rows_of_one(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    async def nobody(_account: str, _trigger: str) -> None: ...

    other = Relay(database, streams, settings, ask_for_comparison=nobody, clock=clock)
    link = Link()
    entries = [
        link.entry(
            execution(f"{n:03}.01", "1" if n % 3 else "-4", seconds=n),
            ResyncFenced(received_at=at(n), trigger="connect", started_at=at(0), ok=True),
            FrameUnreadable(received_at=at(n), category="parsing", reason="?", frame='["999"]'),
        )
        for n in range(30)
    ]
    async with asyncio.TaskGroup() as tasks:
        for start in range(0, 30, 5):
            part = entries[start : start + 5]
            tasks.create_task(relay.handle(part))
            tasks.create_task(other.handle(part[::-1]))
    assert await count(database, "executions") == 30
    assert await count(database, "sync_log") == 30
    assert await count(database, "dead_facts", "occurrences = 30") == 1
    raced = await ledger_rows(database)
    await relay.handle(entries)
    assert await ledger_rows(database) == raced


async def test_the_second_waits_for_the_first_and_goes_in_its_place_when_that_fails(
    relay: Relay, database: Database
) -> None:
    link = Link()
    sent = link.entry(execution("a.01", "3"))
    async with database.write() as first:
        await first.execute(text("INSERT INTO inbox VALUES (:epoch, 0, 1, now())"), {"epoch": link.epoch})
        second = asyncio.create_task(relay.handle([sent]))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%inbox%'"
        )

        async def waits() -> int:
            async with database.read() as reader:
                return (await reader.execute(text(waiting))).scalar_one()  # type: ignore[no-any-return]

        await eventually(waits)
        assert not second.done()
        await first.rollback()
    await second
    assert await count(database, "executions") == 1


GOLD_SAID = f"SELECT broker_quantity FROM ledger_books WHERE conid = {GOLD.conid}"  # noqa: S608 - a number


async def test_a_positions_answer_that_another_worker_left_is_concluded(
    relay: Relay, another: Another, database: Database, rows: Rows
) -> None:
    link = Link()
    await relay.handle(
        [
            link.entry(
                execution("g.01", "1", instrument=GOLD, seconds=-9),
                position("1", seconds=-5, instrument=GOLD),
            )
        ]
    )
    first = link.entry(position("3", seconds=1, sweep="s"))
    end = link.entry(positions_completed("s", 1, seconds=2))

    await another().handle([end])
    await relay.handle([first])
    assert await rows(GOLD_SAID) == [{"broker_quantity": 1}]
    await relay.finish_answers()
    assert await rows(GOLD_SAID) == [{"broker_quantity": 0}]
    assert await count(database, "inbox", "unfinished IS NOT NULL") == 0
    settled = await every_row(database)
    await relay.handle([end])
    await relay.finish_answers()
    assert await every_row(database) == settled


async def test_a_positions_answer_is_concluded_as_soon_as_the_rest_of_it_comes(
    relay: Relay, rows: Rows
) -> None:
    link = Link()
    await relay.handle([link.entry(position("1", seconds=-5, instrument=GOLD))])
    first = link.entry(position("3", seconds=1, sweep="s"))
    await relay.handle([link.entry(positions_completed("s", 1, seconds=2))])
    await relay.handle([first])
    assert await rows(GOLD_SAID) == [{"broker_quantity": 0}]


async def test_two_workers_that_find_the_same_answer_unfinished_conclude_it_once(
    relay: Relay, another: Another, database: Database, asked: list[tuple[str, str]]
) -> None:
    link = Link()
    first = link.entry(position("3", seconds=1, sweep="s"))
    await another().handle([link.entry(positions_completed("s", 1, seconds=2))])
    await another().handle([first])
    asked.clear()
    await asyncio.gather(relay.finish_answers(), relay.finish_answers())
    assert [trigger for _, trigger in asked] == ["positions"]
    assert await count(database, "inbox", "unfinished IS NOT NULL") == 0


async def test_an_answer_that_never_comes_whole_is_told_once_however_often_its_end_comes(
    relay: Relay, database: Database, clock: Hand
) -> None:
    end = Link().entry(positions_completed("s", 1, seconds=2))
    await asyncio.gather(relay.handle([end]), relay.handle([end]))
    await relay.handle([end])
    clock.forward(5)
    await asyncio.gather(relay.finish_answers(), relay.finish_answers())
    await relay.handle([end])
    await relay.finish_answers()
    assert await count(database, "sync_log", "kind = 'positions_incomplete'") == 1


async def test_upkeep_forgets_entries_that_nobody_delivers_any_more(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    await relay.handle([Link().entry(execution("a.01", "3"))])
    clock.forward(timedelta(days=29).total_seconds())
    at_any_time = settings.model_copy(update={"sweep_seconds": 0.0})
    await tidy(database, streams, at_any_time, clock=clock)
    assert await count(database, "inbox") == 1
    clock.forward(timedelta(days=2).total_seconds())
    await tidy(database, streams, at_any_time, clock=clock)
    assert await count(database, "inbox") == 0


async def test_a_lost_acknowledgement_is_made_up_for_without_effect(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    link = Link()
    await streams.append(settings.facts_stream, [link.entry(*of_every_kind()).data for _ in range(3)])
    await streams.ensure_group(settings.facts_stream, GROUP)
    taken = await streams.read_group(settings.facts_stream, GROUP, "killed", count=10, block_ms=1)
    await relay.handle(taken)
    before = await every_row(database)
    consumer = Consumer(
        streams, stream=settings.facts_stream, group=GROUP, consumer="next", handle=relay.handle, idle_ms=0
    )
    task = asyncio.create_task(consumer.run())
    await eventually(
        lambda: streams.info(settings.facts_stream), lambda info: not info.groups[0].pending_entries
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await every_row(database) == before
