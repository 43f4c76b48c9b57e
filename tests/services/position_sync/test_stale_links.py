"""A link that was replaced, paused and resumed, can do no harm: only what stays true is taken from it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from core.events.facts import (
    AccountsListed,
    AccountValueReported,
    Fact,
    FrameUnreadable,
    InstrumentDescribed,
    LinkChanged,
    ResyncFenced,
)
from core.streams.port import Entry
from models.session import Database
from models.stores import inbox
from services.position_sync import metrics
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Another, OurCode, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    GOLD,
    Link,
    at,
    commission,
    dataset,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.ledger_rows import count, every_row
from tests.waiting import eventually

OLD, NEW, NEWEST, OTHER = 11, 12, 13, 21
FIRST = "SELECT epoch, first_entry_ms, first_entry_seq FROM broker_sessions ORDER BY epoch"
HELD = "SELECT broker_quantity FROM ledger_books"
STALE = "SELECT epoch, message FROM sync_log WHERE kind = 'stale_link'"


@pytest.fixture
async def sessions(database: Database) -> None:
    """Three connections of one login, one after the other, and one of another login."""
    async with database.write() as connection:
        for epoch, login in ((OLD, "one"), (NEW, "one"), (NEWEST, "one"), (OTHER, "two")):
            await connection.execute(
                text(
                    "INSERT INTO broker_sessions (epoch, login, started_at) OVERRIDING SYSTEM VALUE "
                    "VALUES (:epoch, :login, :at)"
                ),
                {"epoch": epoch, "login": login, "at": at(epoch - 30)},
            )


def standing(place: str, entry: Entry) -> Entry:
    return entry._replace(id=place)


@pytest.mark.usefixtures("sessions")
async def test_where_an_epoch_begins_in_the_stream_is_noted_whoever_comes_across_it_first(
    relay: Relay, another: Another, rows: Rows
) -> None:
    link, unknown = Link(NEW), Link(99)
    first, second, third = (link.entry(execution(f"{n}.01", "1", seconds=n)) for n in range(3))
    await another().handle([standing("200-7", second)])
    await relay.handle([standing("200-9", third), standing("50-0", unknown.entry(execution("u.01", "1")))])
    assert (await rows(FIRST))[1] == {"epoch": NEW, "first_entry_ms": 200, "first_entry_seq": 7}
    await relay.handle([standing("200-6", first)])
    noted = [(row["epoch"], row["first_entry_ms"], row["first_entry_seq"]) for row in await rows(FIRST)]
    assert noted == [(OLD, None, None), (NEW, 200, 6), (NEWEST, None, None), (OTHER, None, None)]


def of_the_present() -> list[Fact]:
    return [
        AccountsListed(received_at=at(0), accounts=("DU-gone",)),
        position("7", "9", seconds=50, sweep="stale"),
        positions_completed("stale", 1, seconds=51),
        dataset("executions", seconds=51),
        AccountValueReported(received_at=at(51), account=ACCOUNT, key="K", value="1", currency="USD"),
        LinkChanged(received_at=at(51), gateway="down", ibkr="unknown", since=at(51)),
        ResyncFenced(received_at=at(51), trigger="connect", started_at=at(0), ok=True),
    ]


@pytest.mark.usefixtures("sessions")
async def test_of_a_link_that_was_replaced_what_is_said_of_the_present_is_refused_and_the_rest_kept(
    relay: Relay, another: Another, database: Database, rows: Rows
) -> None:
    paused, current = Link(OLD), Link(NEW)
    early = paused.entry(position("5", seconds=1))
    await relay.handle([standing("100-0", early)])
    await relay.handle([standing("200-0", current.entry(position("6", seconds=2)))])
    tables = ("broker_accounts", "sync_datasets", "account_values", "broker_links", "ledger_books")
    before = {name: (await every_row(database))[name] for name in tables}
    kinds = [type(fact).__name__ for fact in of_the_present()]
    refused = {kind: metrics.STALE.labels(kind)._value.get() for kind in kinds}
    with capture_logs() as lines:
        await another().handle([standing("300-0", paused.entry(*of_the_present()))])
    assert {name: (await every_row(database))[name] for name in tables} == before
    assert {kind: metrics.STALE.labels(kind)._value.get() - refused[kind] for kind in kinds} == dict.fromkeys(
        kinds, 1
    )
    assert [line["event"] for line in lines if line["log_level"] != "debug"] == ["stale_link_refused"]

    stays_true: list[Fact] = [
        execution("late.01", "1", seconds=60),
        commission("late.01", "1"),
        InstrumentDescribed(received_at=at(60), instrument=GOLD),
        FrameUnreadable(received_at=at(60), category="parsing", reason="?", frame='["999"]'),
    ]
    last = standing("301-0", paused.entry(position("8", seconds=61), *stays_true))
    await relay.handle([last])
    assert await rows("SELECT exec_id, commission_folded FROM executions") == [
        {"exec_id": "late.01", "commission_folded": True}
    ]
    assert await rows(HELD) == [{"broker_quantity": 6}]
    assert await count(database, "instruments", f"conid = {GOLD.conid}") == 1
    assert await count(database, "dead_facts") == 1
    (told,) = await rows(STALE)
    assert told["epoch"] == OLD
    after = await every_row(database)
    await another().handle([last])
    assert await every_row(database) == after


@pytest.mark.usefixtures("sessions")
async def test_a_backlog_from_before_it_was_replaced_is_not_stale_in_whatever_order_it_is_worked_off(
    relay: Relay, another: Another, database: Database, rows: Rows
) -> None:
    old, new, newest = Link(OLD), Link(NEW), Link(NEWEST)
    backlog = [
        standing("100-0", old.entry(position("1", seconds=1), dataset("executions", seconds=1))),
        standing("100-1", old.entry(position("4", seconds=2, instrument=GOLD))),
        standing("200-0", new.entry(position("2", seconds=3))),
        standing("300-0", newest.entry(position("3", seconds=4))),
    ]
    for number, entry in enumerate(reversed(backlog)):
        await (relay if number % 2 else another()).handle([entry])
    assert await rows(STALE) == []
    held = await rows("SELECT conid, broker_quantity FROM ledger_books ORDER BY conid")
    assert held == [
        {"conid": ACME.conid, "broker_quantity": 3},
        {"conid": GOLD.conid, "broker_quantity": 4},
    ]
    assert await count(database, "sync_datasets") == 1


@pytest.mark.usefixtures("sessions")
async def test_a_replaced_link_is_found_out_within_one_batch_and_the_middle_one_of_three_too(
    relay: Relay, rows: Rows
) -> None:
    old, new, newest = Link(OLD), Link(NEW), Link(NEWEST)
    await relay.handle(
        [
            standing("100-0", old.entry(position("1", seconds=1))),
            standing("200-0", new.entry(position("2", seconds=2))),
            standing("201-0", old.entry(position("10", seconds=3, instrument=GOLD))),
            standing("300-0", newest.entry(position("3", seconds=4))),
            standing("300-1", new.entry(position("20", seconds=5, instrument=GOLD))),
        ]
    )
    assert await rows("SELECT conid, broker_quantity FROM ledger_books") == [
        {"conid": ACME.conid, "broker_quantity": 3}
    ]
    assert sorted(row["epoch"] for row in await rows(STALE)) == [OLD, NEW]


@pytest.mark.usefixtures("sessions")
async def test_another_login_replaces_nobody(relay: Relay, rows: Rows) -> None:
    await relay.handle([standing("100-0", Link(OTHER).entry(position("1", account="DU2")))])
    await relay.handle([standing("200-0", Link(OLD).entry(position("2")))])
    assert len(await rows(HELD)) == 2
    assert await rows(STALE) == []


@pytest.mark.usefixtures("sessions")
async def test_a_stale_link_is_written_down_once_for_each_epoch_by_however_many_workers(
    relay: Relay, another: Another, database: Database, rows: Rows
) -> None:
    old = Link(OLD)
    await relay.handle([standing("200-0", Link(NEW).entry(position("2")))])
    entries = [standing(f"300-{n}", old.entry(position("1", seconds=n))) for n in range(3)]
    async with database.write() as first:
        await inbox.log_stale_link(first, OLD, at(100), "the first worker's words")
        others = [asyncio.create_task(another().handle([entry])) for entry in entries]
        waiting = "SELECT count(*) AS number FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        await eventually(lambda: rows(waiting), lambda told: told[0]["number"])
    await asyncio.gather(*others)
    assert [row["epoch"] for row in await rows(STALE)] == [OLD]


@pytest.mark.usefixtures("sessions")
async def test_a_transaction_that_failed_remembers_nothing(relay: Relay, rows: Rows) -> None:
    poisonous: Any = execution("p.01", "1", account="DU\x00")
    old = Link(OLD)
    await relay.handle([standing("200-0", Link(NEW).entry(position("2"), poisonous))])
    await relay.handle([standing("300-0", old.entry(position("1"), poisonous, execution("a.01", "1")))])
    assert (await rows(FIRST))[1]["first_entry_ms"] == 200
    assert await rows(HELD) == [{"broker_quantity": 2}]
    assert len(await rows("SELECT 1 FROM executions")) == 1
    assert len(await rows(STALE)) == 1


@pytest.mark.usefixtures("sessions")
async def test_a_session_whose_state_changes_is_locked_before_any_book(
    relay: Relay, rows: Rows, database: Database, our_code: OurCode
) -> None:
    free: list[Any] = []

    async def look() -> None:
        async with database.write() as other:
            told = await other.execute(text("SELECT epoch FROM broker_sessions FOR UPDATE SKIP LOCKED"))
            free.extend(told.scalars())

    our_code["a"] = look
    link = Link(NEW)
    await relay.handle([link.entry(execution("b.01", "1"))])
    up = LinkChanged(received_at=at(1), gateway="up", ibkr="up", since=at(1), state="live", before="syncing")
    await relay.handle([link.entry(execution("a.01", "1"), up)])
    assert sorted(free) == [OLD, NEWEST, OTHER]
    assert (await rows(f"SELECT state FROM broker_sessions WHERE epoch = {NEW}")) == [{"state": "live"}]  # noqa: S608
