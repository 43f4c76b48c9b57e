"""What the broker says is held: opening balances, what a complete answer closes, and what closes nothing."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from core.domain.instruments import Instrument
from core.events import changes
from core.settings import Settings
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync import announce, conclusions
from services.position_sync import relay as relay_module
from services.position_sync.reconcile import reconcile
from services.position_sync.relay import Relay
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    GOLD,
    Link,
    commission,
    dataset,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.ledger_rows import clear, count, ledger_rows

POSITIONS = "SELECT conid, status, quantity, average_cost, provisional FROM positions ORDER BY conid, ordinal"


async def test_the_first_complete_answer_opens_what_is_held_at_the_brokers_cost(
    relay: Relay, rows: Rows, asked: list[tuple[str, str]]
) -> None:
    link = Link()
    await relay.handle(
        [
            link.entry(
                position("10", "12.5", sweep="s1"),
                position("-2", "147000", sweep="s1", instrument=GOLD),
                positions_completed("s1", 2),
            )
        ]
    )
    stored = await rows(POSITIONS)
    assert [(row["quantity"], row["average_cost"]) for row in stored] == [(10, Decimal("12.5")), (-2, 147000)]
    assert not any(row["provisional"] for row in stored)
    events = await rows("SELECT DISTINCT type, cause FROM position_events")
    assert events == [{"type": "adjusted", "cause": "opening_balance"}]
    assert (ACCOUNT, "positions") in asked


def long_answers(link: Link) -> tuple[list[Entry], list[Entry]]:
    """Two answers of two accounts: the second leaves out some of what the first told, and tells more."""
    stocks = [Instrument(conid=n, symbol=f"S{n}", sec_type="STK", currency="USD") for n in range(1, 10)]
    both = ("DU1", "DU2")

    def told(sweep: str, kept: Sequence[Instrument], seconds: float) -> list[Entry]:
        entries = [
            link.entry(position("3", account=one, sweep=sweep, seconds=seconds, instrument=stock))
            for one in both
            for stock in kept
        ]
        count = len(entries)
        return [*entries, link.entry(positions_completed(sweep, count, seconds=seconds, accounts=both))]

    return told("s1", stocks[:6], 1), told("s2", stocks[4:], 20)


@pytest.mark.parametrize(("facts", "transactions"), [(1, 13 + 11), (5, 3 + 3), (1000, 2)])
async def test_a_long_answer_is_worked_on_in_parts_and_comes_to_the_same(
    facts: int,
    transactions: int,
    relay: Relay,
    rows: Rows,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def all_of_it(link: Link) -> list[dict[str, Any]]:
        for answer in long_answers(link):
            await relay.handle(answer)
            # What the ledger knew nothing of has its opening balance, whoever compares when.
            assert await count(database, "positions", "status = 'open'") in {12, 18}
            clock.forward(10)
            for account in ("DU1", "DU2"):
                await reconcile(database, streams, settings, account, "test", clock=clock)
        return await rows(
            "SELECT account, b.conid, b.quantity, broker_quantity, status, first_anchor_at, last_anchor_at "
            "FROM ledger_books b JOIN positions USING (account, conid) ORDER BY account, b.conid"
        )

    expected = await all_of_it(Link())
    assert [one["quantity"] for one in expected] == 2 * [*4 * [0], *5 * [3]]
    ledger = await ledger_rows(database)
    await clear(database)
    monkeypatch.setattr(relay_module, "NEW_FACTS_AT_ONCE", facts)
    monkeypatch.setattr(conclusions, "BOOKS_AT_ONCE", 2)
    monkeypatch.setattr(announce, "_CHANGES_AN_ENTRY", 1)
    monkeypatch.setattr(announce, "_ENTRIES_AT_ONCE", 3)
    before = await streams.last_id(settings.changes_stream)
    assert await all_of_it(Link()) == expected
    assert await ledger_rows(database) == ledger
    assert await rows("SELECT count(DISTINCT CAST(xmin AS text)) AS n FROM inbox") == [{"n": transactions}]
    assert await count(database, "outbox") == 0
    entries = await streams.tail(settings.changes_stream, before, count=10_000, block_ms=1)
    told = [change for entry in entries for change in changes.decode(entry.data).changes]
    last = {one.id: one.status for one in told if isinstance(one, changes.PositionChanged)}
    assert last == {str(row["id"]): row["status"] for row in await rows("SELECT id, status FROM positions")}


async def test_todays_fills_that_arrive_after_the_answer_are_taken_out_of_the_opening_balance(
    relay: Relay, rows: Rows
) -> None:
    link = Link()
    await relay.handle([link.entry(position("10", "12", seconds=60, sweep="s"), positions_completed("s", 1))])
    await relay.handle([link.entry(execution("a.01", "4", "11", seconds=5), commission("a.01", "1"))])
    (stored,) = await rows(POSITIONS)
    assert stored["quantity"] == 10
    assert stored["average_cost"] == 12
    events = await rows("SELECT type, quantity FROM position_events ORDER BY seq")
    assert [(row["type"], row["quantity"]) for row in events] == [("adjusted", 6), ("increased", 4)]


async def test_what_a_complete_answer_leaves_out_is_flat(
    relay: Relay, rows: Rows, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    link = Link()
    both = (position("10", sweep="s1"), position("2", "9", sweep="s1", instrument=GOLD))
    await relay.handle([link.entry(*both, positions_completed("s1", 2))])
    clock.forward(10)
    assert (await reconcile(database, streams, settings, ACCOUNT, "test", clock=clock)).differences == 0
    await relay.handle([link.entry(position("2", "9", sweep="s2", seconds=9, instrument=GOLD))])
    await relay.handle([link.entry(positions_completed("s2", 1, seconds=10))])
    books = await rows("SELECT conid, broker_quantity FROM ledger_books ORDER BY conid")
    assert [row["broker_quantity"] for row in books] == [0, 2]
    assert await count(database, "positions", "status = 'open'") == 2
    clock.forward(10)
    compared = await reconcile(database, streams, settings, ACCOUNT, "test", clock=clock)
    assert compared.differences == 1
    assert [row["status"] for row in await rows(POSITIONS)] == ["closed", "open"]


async def test_an_unfinished_answer_closes_nothing(relay: Relay, rows: Rows, database: Database) -> None:
    link = Link()
    both = (position("10", sweep="s1"), position("2", "9", sweep="s1", instrument=GOLD))
    await relay.handle([link.entry(*both, positions_completed("s1", 2))])
    await relay.handle([link.entry(position("10", sweep="s2", seconds=9))])
    await relay.handle([link.entry(dataset(complete=False, seconds=9))])
    assert await count(database, "ledger_books", "broker_quantity = 0") == 0
    (told,) = await rows("SELECT complete, as_of FROM sync_datasets")
    assert not told["complete"]


async def test_an_empty_answer_closes_nothing(relay: Relay, database: Database) -> None:
    link = Link()
    await relay.handle([link.entry(position("10", sweep="s1"), positions_completed("s1", 1))])
    await relay.handle([link.entry(positions_completed("s2", 0, seconds=9))])
    assert await count(database, "ledger_books", "broker_quantity = 10") == 1
    assert await count(database, "positions", "status = 'open'") == 1


async def test_an_answer_of_which_some_never_arrived_closes_nothing_and_says_so(
    relay: Relay, database: Database, rows: Rows, clock: Hand
) -> None:
    link = Link()
    both = (position("10", sweep="s1"), position("2", "9", sweep="s1", instrument=GOLD))
    await relay.handle([link.entry(*both, positions_completed("s1", 2))])
    await relay.handle([link.entry(position("10", sweep="s2", seconds=9), positions_completed("s2", 3))])
    clock.forward(4.9)
    await relay.finish_answers()
    assert await count(database, "sync_log") == 0
    clock.forward(0.1)
    await relay.finish_answers()
    assert await count(database, "ledger_books", "broker_quantity = 0") == 0
    assert [row["kind"] for row in await rows("SELECT kind FROM sync_log")] == ["positions_incomplete"]


async def test_an_answer_that_a_newer_one_has_overtaken_is_not_waited_for(
    relay: Relay, database: Database, rows: Rows
) -> None:
    link = Link()
    in_other_hands = link.entry(position("10", sweep="s1"))
    older = link.entry(position("2", "9", sweep="s1", instrument=GOLD), positions_completed("s1", 2))
    newer = link.entry(position("11", sweep="s2", seconds=9), position("2", "9", sweep="s2", instrument=GOLD))
    await relay.handle([newer])
    await relay.handle([older])
    assert await rows("SELECT kind FROM sync_log") == []
    # What another worker had of the older one, and commits only now, is not counted for the newer one's.
    await relay.handle([in_other_hands])
    await relay.handle([link.entry(positions_completed("s2", 2, seconds=9))])
    assert await rows("SELECT kind FROM sync_log") == []
    assert await count(database, "inbox", "unfinished IS NOT NULL") == 0
    assert await rows("SELECT quantity, status FROM positions ORDER BY conid") == [
        {"quantity": Decimal(11), "status": "open"},
        {"quantity": Decimal(2), "status": "open"},
    ]


async def test_a_position_opened_while_the_answer_was_on_its_way_is_not_closed_by_it(
    relay: Relay, database: Database
) -> None:
    link = Link()
    await relay.handle(
        [
            link.entry(
                position("10", sweep="s1"),
                position("3", "9", instrument=GOLD),
                positions_completed("s1", 1),
            )
        ]
    )
    assert await count(database, "ledger_books", "broker_quantity = 3") == 1


async def test_another_accounts_positions_are_not_closed_by_an_answer_that_is_not_about_it(
    relay: Relay, database: Database
) -> None:
    link = Link()
    other = position("10", sweep="s1", account="DU2")
    await relay.handle([link.entry(other, positions_completed("s1", 1, accounts=("DU2",)))])
    await relay.handle([link.entry(position("1", sweep="s2"), positions_completed("s2", 1))])
    assert await count(database, "ledger_books", "account = 'DU2' AND broker_quantity = 10") == 1


async def test_an_older_word_never_replaces_a_newer_one(relay: Relay, rows: Rows) -> None:
    old, new = Link(epoch=1), Link(epoch=2)
    late = old.entry(position("1", seconds=1))
    await relay.handle([new.entry(position("5", seconds=2))])
    await relay.handle([late])
    (stored,) = await rows("SELECT broker_quantity, broker_epoch FROM ledger_books")
    assert (stored["broker_quantity"], stored["broker_epoch"]) == (5, 2)


async def test_a_book_first_seen_by_a_fill_was_flat_if_the_last_complete_answer_left_it_out(
    relay: Relay, rows: Rows
) -> None:
    link = Link()
    await relay.handle([link.entry(position("1", sweep="s", instrument=GOLD), positions_completed("s", 1))])
    await relay.handle([link.entry(execution("a.01", "-5", seconds=-30), commission("a.01"))])
    (stored,) = await rows("SELECT * FROM positions WHERE conid = :conid", conid=ACME.conid)
    assert (stored["status"], stored["side"], stored["realized_pnl"]) == ("closed", "long", None)
    await relay.handle([link.entry(execution("b.01", "7", seconds=30), commission("b.01"))])
    (opened,) = await rows(
        "SELECT * FROM positions WHERE conid = :conid AND status = 'open'", conid=ACME.conid
    )
    assert (opened["quantity"], opened["provisional"]) == (7, False)


async def test_a_position_opened_after_an_answer_is_not_closed_by_it_when_both_are_read_together(
    relay: Relay, rows: Rows
) -> None:
    link = Link()
    # All that the answer named was told of again later, so its books no longer say when it began.
    await relay.handle(
        [
            link.entry(position("10", sweep="s1"), positions_completed("s1", 1)),
            link.entry(position("3", "9", seconds=5, instrument=GOLD), position("11", seconds=6)),
        ]
    )
    books = await rows("SELECT broker_quantity FROM ledger_books ORDER BY conid")
    assert [row["broker_quantity"] for row in books] == [11, 3]


async def test_an_answer_that_is_read_again_after_a_later_one_closes_nothing(
    relay: Relay, rows: Rows
) -> None:
    link = Link()
    first = link.entry(position("10", sweep="s1"), positions_completed("s1", 1))
    later = link.entry(
        position("3", "9", seconds=300, sweep="s2", instrument=GOLD),
        position("10", seconds=300, sweep="s2"),
        positions_completed("s2", 2, seconds=300),
    )
    for entry in (first, later, first):
        await relay.handle([entry])
    books = await rows("SELECT broker_quantity FROM ledger_books ORDER BY conid")
    assert [row["broker_quantity"] for row in books] == [10, 3]


async def test_of_several_answers_that_are_read_together_the_last_one_counts(
    relay: Relay, rows: Rows, database: Database
) -> None:
    link = Link()
    await relay.handle(
        [
            link.entry(
                position("10", sweep="s1"),
                position("2", "9", sweep="s1", instrument=GOLD),
                positions_completed("s1", 2),
            ),
            link.entry(
                position("2", "9", sweep="s2", seconds=300, instrument=GOLD),
                positions_completed("s2", 1, seconds=300),
            ),
        ]
    )
    books = await rows("SELECT broker_quantity FROM ledger_books ORDER BY conid")
    assert [row["broker_quantity"] for row in books] == [0, 2]
    assert await count(database, "sync_log") == 0


async def test_a_fill_of_the_moment_in_which_an_answer_said_flat_is_not_held_to_that_answer(
    relay: Relay, rows: Rows, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    link = Link()
    await relay.handle([link.entry(position("2", sweep="s1", instrument=GOLD))])
    await relay.handle([link.entry(positions_completed("s1", 1, seconds=10), dataset(seconds=10))])
    # The broker's clock is known to two seconds: whether it precedes the answer, nobody can say.
    await relay.handle([link.entry(execution("a.01", "5", seconds=9))])
    clock.forward(60)
    for _ in range(2):
        compared = await reconcile(database, streams, settings, ACCOUNT, "test", clock=clock)
        assert compared.differences == 0
    assert not (await validate_ledger(database)).differing
    await relay.handle([link.entry(position("2", seconds=70, sweep="s2", instrument=GOLD))])
    await relay.handle([link.entry(positions_completed("s2", 1, seconds=70))])
    clock.forward(60)
    compared = await reconcile(database, streams, settings, ACCOUNT, "test", clock=clock)
    assert compared.differences == 1
    books = await rows("SELECT quantity FROM ledger_books WHERE conid = :acme", acme=ACME.conid)
    assert books == [{"quantity": 0}]
    assert not (await validate_ledger(database)).differing
