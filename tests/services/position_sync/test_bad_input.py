"""What cannot be right is booked as far as it means something and kept aside where it does not.

Whatever it is, it comes amid good facts, and the account's other instruments are compared as ever.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from core.domain.instruments import Instrument
from core.events.facts import AccountsListed, Fact
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.reconcile import reconcile
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    GOLD,
    Link,
    at,
    commission,
    execution,
    position,
)
from tests.services.position_sync.ledger_rows import clear, count, ledger_rows

Tell = Callable[..., Awaitable[None]]
DEAD = "SELECT category, source, reason, account, occurrences FROM dead_facts"
HELD = (
    "SELECT quantity, cost_basis, realized_pnl, provisional, status FROM positions "  # noqa: S608 - no input in it
    f"WHERE conid = {ACME.conid}"
)
PLACES = "SELECT exec_id, corrected_by, position_id IS NOT NULL AS placed, realized_pnl FROM executions"
MOST = Decimal(10**18 - 1)


@pytest.fixture
def tell(
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
) -> Tell:
    """Tell something bad amid good facts; the rest of the account is then found to agree with the broker."""
    link = Link()
    told = 0

    async def run(*bad: Fact) -> None:
        nonlocal told
        told += 1
        good = [
            execution(f"good{told}.01", "3", "1500", seconds=told, instrument=GOLD),
            commission(f"good{told}.01", "2.37", seconds=told),
            position(str(3 * told), "150000.79", seconds=told + 0.5, instrument=GOLD),
        ]
        clock.forward(5)
        await relay.handle([link.entry(good[0], *bad, *good[1:])])
        clock.forward(5)
        await reconcile(database, streams, settings, ACCOUNT, "test", clock=clock)
        (book,) = await rows(
            "SELECT quantity, reconciled_at FROM ledger_books WHERE conid = :conid", conid=GOLD.conid
        )
        assert (book["quantity"], book["reconciled_at"]) == (3 * told, clock.now)
        (gold,) = await rows(
            "SELECT quantity, provisional FROM positions WHERE conid = :conid", conid=GOLD.conid
        )
        assert gold == {"quantity": 3 * told, "provisional": False}

    return run


async def test_a_quantity_of_zero_is_no_trade_and_is_kept_aside(tell: Tell, rows: Rows) -> None:
    await tell(execution("a.01", "0"), commission("a.01"), execution("b", "0"))
    assert await rows(HELD) == []
    assert [(row["category"], row["account"]) for row in await rows(DEAD)] == [("validation", ACCOUNT)] * 2


async def test_a_correction_to_zero_cancels_the_trade(tell: Tell, rows: Rows) -> None:
    await tell(execution("a.01", "5"), commission("a.01", "1"))
    await tell(execution("a.02", "0", seconds=1), commission("a.02", "-1"))
    assert await rows(HELD) == []
    nowhere = {"placed": False, "realized_pnl": None}
    assert await rows(f"{PLACES} WHERE exec_id LIKE 'a.%' ORDER BY exec_id") == [
        {"exec_id": "a.01", "corrected_by": "a.02", **nowhere},
        {"exec_id": "a.02", "corrected_by": None, **nowhere},
    ]
    assert await rows(DEAD) == []


async def test_what_a_cancelled_trade_still_cost_belongs_to_what_is_open(tell: Tell, rows: Rows) -> None:
    await tell(execution("o.01", "2"), commission("o.01", "0.5"))
    await tell(execution("a.01", "5", seconds=1), commission("a.01", "1"))
    await tell(execution("a.02", "0", seconds=2), commission("a.02", "-0.75"))
    assert await rows(f"{PLACES} WHERE exec_id LIKE 'a.%' ORDER BY exec_id") == [
        {"exec_id": "a.01", "corrected_by": "a.02", "placed": False, "realized_pnl": None},
        {"exec_id": "a.02", "corrected_by": None, "placed": True, "realized_pnl": Decimal("-0.25")},
    ]
    (held,) = await rows(HELD)
    assert (held["quantity"], held["realized_pnl"]) == (2, Decimal("-0.25"))


@pytest.mark.parametrize("sec_type", ["FUT", "OPT", "STK"])
async def test_a_negative_price_is_booked_as_any_other(sec_type: str, tell: Tell, rows: Rows) -> None:
    oil = replace(ACME, sec_type=sec_type, multiplier=Decimal(1000))
    buy = execution("a.01", "5", "-37.63", instrument=oil)
    await tell(buy, commission("a.01", "2"))
    (held,) = await rows(HELD)
    assert (held["quantity"], held["cost_basis"]) == (5, -188148)
    await tell(execution("b.01", "-5", "-40", seconds=1, instrument=oil), commission("b.01", "2"))
    (held,) = await rows(HELD)
    assert (held["status"], held["realized_pnl"]) == ("closed", -11854)
    assert await rows(DEAD) == []


@pytest.mark.parametrize("currency", ["", "XQX"])
async def test_in_an_unknown_currency_a_trade_is_booked_and_stays_provisional(
    currency: str, tell: Tell, rows: Rows
) -> None:
    strange = replace(ACME, currency=currency)
    await tell(execution("a.01", "5", instrument=strange), commission("a.01", "1"))
    (held,) = await rows(HELD)
    assert (held["quantity"], held["cost_basis"], held["provisional"]) == (5, 50, True)
    charged = await rows("SELECT commission, currency, rate FROM commission_reports WHERE exec_id = 'a.01'")
    assert charged == [{"commission": 1, "currency": "USD", "rate": None}]


async def test_a_commission_without_a_currency_is_kept_and_not_counted(tell: Tell, rows: Rows) -> None:
    await tell(execution("a.01", "5"), commission("a.01", "1", currency=""))
    (held,) = await rows(HELD)
    assert (held["cost_basis"], held["provisional"]) == (50, True)


async def test_an_account_that_was_never_listed_is_booked_and_said_to_be_unlisted(
    tell: Tell, rows: Rows
) -> None:
    listed = "SELECT account, listed FROM broker_accounts ORDER BY account"
    accounts = AccountsListed(received_at=at(0), accounts=(ACCOUNT,))
    await tell(accounts)
    await tell(execution("a.01", "5", account="DU9"))
    assert await rows(listed) == [
        {"account": ACCOUNT, "listed": True},
        {"account": "DU9", "listed": False},
    ]
    assert await rows("SELECT quantity FROM positions WHERE account = 'DU9'") == [{"quantity": 5}]
    await tell(AccountsListed(received_at=at(9), accounts=(ACCOUNT, "DU9")))
    assert [row["listed"] for row in await rows(listed)] == [True, True]


async def test_times_out_of_order_are_folded_in_order(tell: Tell, relay: Relay, database: Database) -> None:
    fills = [
        execution(f"{n}.01", size, str(10 + n), seconds=n) for n, size in enumerate(("5", "-3", "-4", "6"))
    ]
    await relay.handle([Link().entry(*fills)])
    in_order = {table: rows for table, rows in (await ledger_rows(database)).items() if "lot" in table}
    await clear(database)
    for fill in reversed(fills):
        await tell(fill)
    out_of_order = await ledger_rows(database)
    for table, expected in in_order.items():
        ours = {row[0] for row in expected}
        assert [row for row in out_of_order[table] if row[0] in ours] == expected


async def test_a_fill_that_seems_to_lie_ahead_by_hours_is_booked_at_its_time_and_matches(
    tell: Tell, rows: Rows, clock: Hand
) -> None:
    ahead = replace(execution("a.01", "5"), executed_at=at(0) + timedelta(hours=23))
    await tell(ahead, commission("a.01", "0"), position("5", "10", seconds=0.5))
    (book,) = await rows(
        "SELECT last_executed_at, reconciled_at FROM ledger_books WHERE conid = :conid", conid=ACME.conid
    )
    assert book == {"last_executed_at": at(0) + timedelta(hours=23), "reconciled_at": clock.now}
    await tell(position("6", "10", seconds=1))
    assert [row["quantity"] for row in await rows(HELD)] == [5], "its next word comes after the fill"
    assert await rows("SELECT 1 FROM reconciliation_differences WHERE conid = :conid", conid=ACME.conid) == []


async def test_a_fill_that_lies_ahead_by_more_than_a_day_is_kept_aside(tell: Tell, rows: Rows) -> None:
    late = execution("a.01", "5")
    await tell(replace(late, executed_at=late.received_at + timedelta(days=1, seconds=1)))
    assert await rows(HELD) == []
    (dead,) = await rows(DEAD)
    assert (dead["category"], "future" in dead["reason"]) == ("validation", True)


@pytest.mark.parametrize(
    "absurd",
    [
        {"quantity": Decimal("1E+18")},
        {"quantity": Decimal("NaN")},
        {"quantity": Decimal(-5)},
        {"price": Decimal("-1E+18")},
        {"price": Decimal("Infinity")},
        {"price": Decimal("1.2345678901234567890123456")},
        {"price": Decimal("1E-31")},
        {"average_price": Decimal("1E+300")},
        {"cumulative_quantity": Decimal("NaN")},
        {"instrument": replace(ACME, multiplier=Decimal("1E+18"))},
        {"instrument": replace(ACME, multiplier=Decimal(-1))},
        {"instrument": replace(ACME, price_magnifier=-1)},
        {"account": ""},
        {"exec_id": ""},
    ],
)
async def test_absurd_figures_are_kept_aside(absurd: dict[str, Any], tell: Tell, rows: Rows) -> None:
    await tell(replace(execution("a.01", "5"), **absurd))
    assert await rows(HELD) == []
    (dead,) = await rows(DEAD)
    assert (dead["category"], dead["source"]) == ("validation", "facts")


async def test_the_largest_figures_that_are_let_in_are_booked_to_the_last_digit(
    tell: Tell, rows: Rows
) -> None:
    huge = replace(ACME, multiplier=MOST)
    size = str(MOST)
    await tell(execution("a.01", size, size, instrument=huge), commission("a.01", size))
    await tell(execution("b.01", f"-{size}", "0.0000001", instrument=huge, seconds=1), commission("b.01"))
    (held,) = await rows(HELD)
    assert held["status"] == "closed"
    most = Fraction(MOST)
    assert Fraction(held["realized_pnl"]) == most * most / 10**7 - most**3 - most - 1
    assert await rows(DEAD) == []


async def test_a_correction_of_a_fill_that_was_never_seen_counts_as_the_fill(tell: Tell, rows: Rows) -> None:
    await tell(execution("a.02", "5", "11"), commission("a.02", "0.5"))
    (held,) = await rows(HELD)
    assert (held["quantity"], held["cost_basis"]) == (5, Decimal("55.5"))
    await tell(execution("a.01", "7", "10"), commission("a.01", "1"))
    (held,) = await rows(HELD)
    assert (held["quantity"], held["cost_basis"]) == (5, Decimal("56.5"))
    assert [row["corrected_by"] for row in await rows(f"{PLACES} WHERE exec_id = 'a.01'")] == ["a.02"]


async def test_a_cancellation_of_a_fill_that_was_never_seen_cancels_it_when_it_comes(
    tell: Tell, rows: Rows
) -> None:
    await tell(execution("a.02", "0"))
    await tell(execution("a.01", "5"))
    assert await rows(HELD) == []
    assert await rows(DEAD) == []


OTHERS: list[dict[str, Any]] = [
    {"quantity": Decimal(6)},
    {"price": Decimal("10.01")},
    {"side": "SLD"},
    {"account": "DU9"},
    {"instrument": Instrument(conid=8, symbol="X", sec_type="STK", currency="USD")},
    {"instrument": Instrument(conid=28812380, symbol="X", sec_type="BAG", currency="USD")},
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda one: next(iter(one)))
@pytest.mark.parametrize("together", [True, False])
async def test_of_two_trades_under_one_id_the_first_counts_and_the_second_is_kept_aside(
    other: dict[str, Any], together: bool, tell: Tell, rows: Rows, database: Database
) -> None:
    first = execution("a.01", "5")
    second = replace(first, **other)
    again = replace(second, received_at=at(60))
    batches: list[list[Fact]] = [[first, second], [again]] if together else [[first], [second], [again]]
    for batch in batches:
        await tell(*batch)
    assert [row["quantity"] for row in await rows(HELD)] == [5]
    assert await count(database, "positions", "quantity <> 0") == 2
    (dead,) = await rows(DEAD)
    assert (dead["category"], dead["account"]) == ("validation", second.account)
    assert (dead["occurrences"], "first one counts" in dead["reason"]) == (2, True)


async def test_the_same_trade_told_again_in_other_words_is_no_contradiction(tell: Tell, rows: Rows) -> None:
    first = execution("a.01", "5")
    same = replace(first, quantity=Decimal("5.00"), price=Decimal("1E+1"), order_ref="x", received_at=at(60))
    await tell(first, same)
    await tell(same)
    assert [row["quantity"] for row in await rows(HELD)] == [5]
    assert await rows(DEAD) == []


async def test_a_second_combo_under_one_id_is_kept_aside_too(relay: Relay, rows: Rows) -> None:
    combo = Instrument(conid=28812380, symbol="X", sec_type="BAG", currency="USD")
    link = Link()
    await relay.handle([link.entry(execution("a.01", "5", instrument=combo))])
    await relay.handle([link.entry(execution("a.01", "6", instrument=combo))])
    assert [row["category"] for row in await rows(DEAD)] == ["validation"]


async def test_a_commission_of_an_execution_that_was_never_seen_waits_for_it(tell: Tell, rows: Rows) -> None:
    await tell(commission("a.01", "1.5"))
    assert await rows(HELD) == []
    await tell(execution("a.01", "5"))
    (held,) = await rows(HELD)
    assert (held["cost_basis"], held["provisional"]) == (Decimal("51.5"), False)


async def test_facts_that_cannot_be_applied_do_not_take_their_batch_with_them(tell: Tell, rows: Rows) -> None:
    poison = [
        execution("p.01", "1", instrument=replace(ACME, conid=2**70)),
        execution("q.01", "1", account="DU\x00"),
        msgspec.structs.replace(execution("r.01", "1"), order_id=2**70),
    ]
    await tell(poison[0], execution("a.01", "5"), poison[1], commission("a.01", "0"), poison[2])
    (held,) = await rows(HELD)
    assert (held["quantity"], held["provisional"]) == (5, False)
    assert [row["category"] for row in await rows(DEAD)] == ["database"] * 3
