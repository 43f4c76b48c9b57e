from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from core.domain.instruments import Instrument
from core.domain.reconciliation import Verdict, cost_kind, is_settled, judge
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries import reconciliation as queries
from models.session import Database
from models.stores.reconciliation import acknowledge_difference, take_back_acknowledgement
from services.position_sync.reconcile import Compared, reconcile
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    GOLD,
    Link,
    commission,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.ledger_rows import count

EVENTS = (
    "SELECT e.type, e.cause, e.quantity FROM position_events e JOIN positions p ON p.id = e.position_id "
    "ORDER BY p.ordinal, e.seq"
)
# Every combination of what may differ, many times over.
RANDOM_BOOKS = """
WITH a AS (INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at)
    VALUES (:account, true, now(), now())), i AS (
INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, exchange, trading_class,
    expiry, option_right, updated_at) SELECT n, 'S', '', CASE WHEN random() < 0.1 THEN 'CASH' ELSE 'STK' END,
    'USD', 1, '', '', '', '', now() FROM generate_series(1, 2000) n), b AS (
INSERT INTO ledger_books (account, conid, quantity, broker_quantity, broker_average_cost, broker_as_of,
    last_executed_at, first_anchor_at, touched_at, reconciled_at)
    SELECT :account, n, q, CASE WHEN random() < 0.1 THEN q + 1 WHEN random() < 0.95 THEN q END,
        CASE WHEN random() < 0.9 THEN 10 END, now(),
        CASE WHEN random() < 0.9 THEN now() - (random() - 0.2) * interval '1 hour' END,
        CASE WHEN random() < 0.9 THEN now() END,
        CASE WHEN random() < 0.9 THEN now() - random() * interval '1 hour' END,
        CASE WHEN random() < 0.9 THEN now() - random() * interval '10 minutes' END
    FROM (SELECT n, floor(random() * 5 - 1) AS q FROM generate_series(1, 2000) n) r
    RETURNING conid, quantity)
INSERT INTO positions (id, account, conid, ordinal, status, side, quantity, max_quantity, cost_basis,
    commission, opened_at, provisional, missing_commissions, estimated, event_count, lot_count, version,
    updated_at) SELECT gen_random_uuid(), :account, conid, 1, 'open', 'long', quantity, 3,
    CASE WHEN random() < 0.9 THEN 10 * quantity + floor(random() * 5) / 100 - 0.02 END,
    0, now(), random() < 0.5, 0, false, 1, 1, 1, now() FROM b WHERE quantity <> 0
"""
DAY = 86_400
FAR_AHEAD = datetime(2200, 1, 1, tzinfo=UTC)
Compare = Callable[[], Awaitable[Compared]]


@pytest.fixture
def compare(database: Database, streams: RedisStreams, settings: Settings, clock: Hand) -> Compare:
    async def run() -> Compared:
        return await reconcile(database, streams, settings, ACCOUNT, "test", clock=clock)

    return run


async def bought(relay: Relay, link: Link) -> None:
    """Ten bought, and the broker says so."""
    await relay.handle(
        [link.entry(execution("a.01", "10", "9.9"), commission("a.01", "1"), position("10", "10", seconds=1))]
    )


async def test_a_book_that_agrees_is_anchored_so_that_a_later_difference_is_not_taken_for_an_opening_balance(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    assert await compare() == Compared(1, 0, False)
    await relay.handle([link.entry(position("12", "11", seconds=100))])
    clock.forward(1)
    assert (await compare()).differences == 1
    events = await rows(EVENTS)
    assert [(row["type"], row["cause"], row["quantity"]) for row in events] == [
        ("opened", None, 10),
        ("adjusted", "unexplained", 2),
    ]
    (found,) = await rows("SELECT * FROM reconciliation_differences")
    assert (found["kind"], found["ours"], found["brokers"]) == ("quantity_mismatch", 10, 12)
    assert found["resolved_at"] is None
    (book,) = await rows("SELECT quantity, reconciled_at FROM ledger_books")
    assert (book["quantity"], book["reconciled_at"]) == (12, clock.now)


async def test_a_difference_vanishes_when_the_executions_that_explain_it_arrive(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(position("12", "11", seconds=100))])
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(execution("b.01", "2", "15.5", seconds=50), commission("b.01"))])
    clock.forward(1)
    assert (await compare()).differences == 0
    assert [row["type"] for row in await rows(EVENTS)] == ["opened", "increased"]
    (stored,) = await rows("SELECT average_cost, provisional FROM positions")
    assert (stored["average_cost"], stored["provisional"]) == (11, False)
    (found,) = await rows("SELECT resolved_at FROM reconciliation_differences")
    assert found["resolved_at"] == clock.now


async def standing(database: Database) -> dict[tuple[str, bool], int]:
    async with database.read() as reader:
        return await queries.standing_differences(reader)


async def test_what_somebody_said_of_a_difference_counts_until_the_broker_says_something_else(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare, database: Database
) -> None:
    known = "SELECT note, acknowledged_brokers, acknowledgement_ended_at FROM reconciliation_differences"
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(position("12", "11", seconds=100))])
    clock.forward(1)
    await compare()
    (found,) = await rows("SELECT id FROM reconciliation_differences")
    async with database.write() as writer:
        assert await acknowledge_difference(writer, found["id"], by="anna", note="a gift", now=clock.now)
    clock.forward(60)
    await compare()
    said = {"note": "a gift", "acknowledged_brokers": 12, "acknowledgement_ended_at": None}
    assert await rows(known) == [said], "the same difference, however often it is found"
    kind = "quantity_mismatch"
    assert await standing(database) == {(kind, True): 1}
    await relay.handle([link.entry(position("15", "11", seconds=200))])
    clock.forward(1)
    await compare()
    assert await rows(known) == [{**said, "acknowledgement_ended_at": clock.now}]
    assert await standing(database) == {(kind, False): 1}
    fills = [execution("b.01", "2", "11", seconds=50), execution("c.01", "3", "11", seconds=150)]
    await relay.handle([link.entry(*fills, commission("b.01"), commission("c.01"))])
    clock.forward(1)
    await compare()
    async with database.write() as writer:
        assert not await acknowledge_difference(writer, found["id"], by="anna", note="late", now=clock.now)
        assert not await take_back_acknowledgement(writer, found["id"])
    assert (await rows(known))[0]["note"] == "a gift"


@pytest.mark.parametrize("before_the_word", [1.0, 0.0])
async def test_a_fill_told_after_things_were_quiet_takes_the_place_of_the_adjustment(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare, before_the_word: float
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    # The broker's word of the fill was told at once.
    await relay.handle([link.entry(position("12", "11", seconds=100))])
    clock.forward(10)
    assert (await compare()).differences == 1
    fill = execution("b.01", "2", "15.5", seconds=100 - before_the_word)
    await relay.handle([link.entry(fill, commission("b.01"))])
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(position("12", "11", seconds=200))])
    clock.forward(10)
    assert (await compare()).differences == 0
    assert [row["type"] for row in await rows(EVENTS)] == ["opened", "increased"]
    assert await rows("SELECT quantity, average_cost FROM positions") == [
        {"quantity": 12, "average_cost": 11}
    ]
    assert await rows("SELECT resolved_at IS NULL AS open FROM reconciliation_differences") == [
        {"open": False}
    ]


async def test_nothing_counts_as_a_difference_before_things_have_been_quiet_for_a_while(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    assert (await compare()).unsettled
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(execution("b.01", "2", seconds=200), commission("b.01"))])
    assert (await compare()).unsettled
    clock.forward(1)
    compared = await compare()
    assert (compared.unsettled, compared.differences) == (False, 0), "the broker has not spoken since"
    assert [row["type"] for row in await rows(EVENTS)] == ["opened", "increased"]


async def test_an_opening_balance_that_proves_premature_is_taken_from_a_later_word_instead(
    relay: Relay, rows: Rows, clock: Hand, database: Database, compare: Compare
) -> None:
    # The answer was on its way while a fill of the same second was done.
    link = Link()
    await relay.handle([link.entry(position("5", sweep="s", seconds=0.5), positions_completed("s", 1))])
    await relay.handle([link.entry(execution("a.01", "2", "10"), commission("a.01", "0"))])
    await relay.handle([link.entry(position("7", seconds=1))])
    clock.forward(1)
    assert (await compare()).differences == 0
    events = await rows(EVENTS)
    assert [(row["cause"], row["quantity"]) for row in events] == [("opening_balance", 5), (None, 2)]
    assert await count(database, "reconciliation_differences") == 0
    assert await count(database, "position_statements", "anchor = 'settled'") == 1


async def test_the_same_difference_twice_is_one_row(
    relay: Relay, clock: Hand, database: Database, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    for quantity, second in (("12", 100), ("13", 200)):
        await relay.handle([link.entry(position(quantity, "11", seconds=second))])
        clock.forward(1)
        await compare()
    assert await count(database, "reconciliation_differences") == 1
    assert await count(database, "position_events", "cause = 'unexplained'") == 2


async def test_a_position_the_broker_no_longer_has_is_closed_with_what_it_realized_unknown(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(position("0", None, seconds=100))])
    clock.forward(1)
    await compare()
    (stored,) = await rows("SELECT status, realized_pnl, cost_basis FROM positions")
    assert (stored["status"], stored["realized_pnl"], stored["cost_basis"]) == ("closed", None, Decimal(0))
    (found,) = await rows("SELECT kind FROM reconciliation_differences")
    assert found["kind"] == "missing_broker"


@pytest.mark.parametrize("already", [True, False])
async def test_a_commission_that_comes_after_an_adjustment_leaves_the_cost_the_broker_told(
    already: bool, relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    """Whether the commission came before or after: what the broker says all of it had cost has it in it."""
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    late = commission("b.01", "3")
    told = [execution("b.01", "2", "15", seconds=50), position("14", "11", seconds=100)]
    await relay.handle([link.entry(*told, *([late] if already else []))])
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(late)])
    (stored,) = await rows("SELECT quantity, cost_basis, average_cost, commission FROM positions")
    assert [str(stored[name].normalize()) for name in stored] == ["14", "154", "11", "4"]


async def test_a_cause_that_a_statement_named_is_not_overridden_by_what_turns_up_later(
    relay: Relay, rows: Rows, clock: Hand, database: Database, compare: Compare
) -> None:
    link = Link()
    call = Instrument(
        conid=701,
        symbol="ACME",
        sec_type="OPT",
        currency="USD",
        multiplier=Decimal(100),
        expiry="20261120",
        strike=Decimal(50),
        right="C",
    )
    gold = position("1", "147000", sweep="s1", instrument=GOLD)
    await relay.handle([link.entry(gold, positions_completed("s1", 1))])
    await relay.handle(
        [link.entry(execution("a.01", "1", "2", seconds=9, instrument=call), commission("a.01"))]
    )
    clock.forward(DAY)
    await relay.handle([link.entry(position("0", None, seconds=DAY, instrument=call))])
    clock.forward(1)
    await compare()
    async with database.write() as connection:
        await connection.execute(
            text("UPDATE position_statements SET cause = 'expiry', inferred = false WHERE cause = 'expiry'")
        )
    await relay.handle([link.entry(position("100", "52.01", seconds=DAY + 60))])
    clock.forward(100)
    await compare()
    causes = await rows(
        "SELECT e.cause, e.inferred FROM position_events e JOIN positions p ON p.id = e.position_id "
        "WHERE e.type = 'adjusted' AND p.conid <> :gold ORDER BY p.conid",
        gold=GOLD.conid,
    )
    assert causes == [{"cause": "expiry", "inferred": True}, {"cause": "unexplained", "inferred": False}]
    # Its event is written anew with the next fold; the statement's word stands.
    named = await rows("SELECT inferred FROM position_statements WHERE cause = 'expiry'")
    assert named == [{"inferred": False}]


async def test_each_comparison_counts_its_books_by_what_they_came_to(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(position("12", "11", seconds=100))])
    clock.forward(1)
    await compare()
    counted = await rows("SELECT checked, differences, counts FROM reconciliations ORDER BY id")
    assert counted == [
        {"checked": 1, "differences": 0, "counts": {"matched": 1}},
        {"checked": 1, "differences": 1, "counts": {"matched": 0, "quantity_mismatch": 1}},
    ]


async def test_the_differences_that_stand_open_are_counted_by_kind(
    relay: Relay,
    database: Database,
    clock: Hand,
    compare: Compare,
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(position("12", "11", seconds=100))])
    clock.forward(1)
    await compare()
    assert await standing(database) == {("quantity_mismatch", False): 1}


async def test_the_database_counts_as_agreeing_just_what_the_domain_finds_to_agree(
    database: Database,
) -> None:
    async with database.write() as connection:
        await connection.execute(text(RANDOM_BOOKS), {"account": ACCOUNT})
    settle = timedelta(minutes=30)
    async with database.read() as reader:
        everything = await queries.books_to_compare(reader, ACCOUNT, range(1, 2001), FAR_AHEAD)
        known_until = everything[0].book.broker_as_of
        assert known_until is not None
        settled = await queries.books_to_compare(reader, ACCOUNT, [7], known_until - settle)
        unsettled = await queries.unsettled_books(reader, ACCOUNT, [7], known_until - settle)
        ever_touched = await queries.unsettled_books(reader, ACCOUNT, [7], None)
        agreeing = await queries.agreeing_books(reader, ACCOUNT, [7])
    to_look_at = {
        one.book.conid
        for one in everything
        if one.book.conid == 7
        or one.book.quantity != one.book.broker_quantity
        or not is_settled(one.book)
        or cost_kind(one) != "matched"
    }
    in_sight = [one.book for one in everything if one.book.conid in to_look_at]

    def unsettled_by(known_until: datetime | None) -> set[int]:
        return {one.conid for one in in_sight if judge(one, known_until, settle) is Verdict.UNSETTLED}

    assert unsettled == unsettled_by(known_until)
    assert ever_touched == unsettled_by(None)
    assert {one.book.conid for one in settled} == to_look_at - unsettled
    assert agreeing == sum(1 for one in everything if one.book.conid not in to_look_at and one.book.quantity)
    assert 100 < agreeing < 1900
