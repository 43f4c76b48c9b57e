"""What came between two snapshots, told from the cash: exactly, by estimate, or not at all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.contributions import (
    NOTHING,
    UNKNOWN,
    Came,
    CashThen,
    FutureThen,
    Moment,
    Moved,
    Traded,
    estimate,
    residuals,
)

NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def money(amount: str, accrued: str | None = None, futures: str | None = None) -> CashThen:
    return CashThen(
        Decimal(amount),
        None if accrued is None else Decimal(accrued),
        None if futures is None else Decimal(futures),
    )


def at(moment: datetime, worth: str = "100000", /, **cash: CashThen) -> Moment:
    rates = {"EUR": Decimal("1.1"), "JPY": Decimal("0.007")}
    total = sum(
        (held.cash * (1 if name == "USD" else rates[name]) for name, held in cash.items()), Decimal(0)
    )
    return Moment(moment, Decimal(worth), "USD", cash, rates, total)


def bought(cost: str, *, minutes: float = 30, currency: str = "USD") -> Traded:
    return Traded(NOON + timedelta(minutes=minutes), ((currency, -Decimal(cost)),))


def came(before: Moment, after: Moment, *trades: Traded, moved: tuple[Moved, ...] = ()) -> Came:
    left = residuals(before, after, trades)
    assert left is not None
    return estimate(before, after, left, moved)


def brought(amount: str) -> Came:
    return Came(Decimal(amount), "estimated")


EARNED = brought("0")


def test_where_trades_explain_all_of_the_cash_nothing_came() -> None:
    trades = (bought("400.005"), Traded(NOON + timedelta(minutes=40), (("USD", Decimal("-1.25")),)))
    assert came(at(NOON, USD=money("1000")), at(LATER, USD=money("598.74")), *trades) == NOTHING


def test_a_currency_trade_moves_both_of_its_legs() -> None:
    trade = Traded(NOON + timedelta(minutes=1), (("EUR", Decimal(1000)), ("USD", Decimal(-1102))))
    after = at(LATER, USD=money("3898"), EUR=money("1000"))
    assert came(at(NOON, USD=money("5000")), after, trade) == NOTHING


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("5000", brought("5000")),
        ("-5000", brought("-5000")),
        ("40", EARNED),
        ("-40", EARNED),
        ("300", UNKNOWN),
        ("-300", UNKNOWN),
    ],
)
def test_what_is_left_is_brought_earned_or_cannot_be_told_by_its_size(change: str, expected: Came) -> None:
    after = at(LATER, USD=CashThen(Decimal(1000) + Decimal(change)))
    assert came(at(NOON, USD=money("1000")), after) == expected


def test_a_dividend_that_had_accrued_is_earned_however_large_it_is() -> None:
    before, after = at(NOON, USD=money("1000", "4000")), at(LATER, USD=money("5000", "0"))
    assert came(before, after) == EARNED


def test_what_comes_and_had_not_accrued_is_brought_from_a_smaller_size_on() -> None:
    before, after = at(NOON, USD=money("1000", "12")), at(LATER, USD=money("1300", "12.2"))
    assert came(before, after) == brought("300")
    assert came(after, before) == UNKNOWN, "it may be a fee"


def test_amounts_count_in_the_base_currency() -> None:
    before, after = at(NOON, EUR=money("0")), at(LATER, EUR=money("5000"))
    assert came(before, after) == brought("5500.0")


def test_a_conversion_that_nobody_told_of_brings_nothing() -> None:
    before = at(NOON, USD=money("0"), EUR=money("50000"))
    assert came(before, at(LATER, USD=money("54890"), EUR=money("0"))) == EARNED


def test_without_a_rate_nothing_can_be_told() -> None:
    charged = Traded(NOON + timedelta(minutes=1), (("CHF", Decimal(-5000)),))
    assert came(at(NOON, USD=money("1000")), at(LATER, USD=money("1000")), charged) == UNKNOWN
    unrated = Moment(LATER, Decimal(100000), "USD", {"CHF": money("5000")}, {}, Decimal(0))
    assert residuals(at(NOON, USD=money("0")), unrated, ()) is None


@pytest.mark.parametrize("lacking", ["cash", "total", "currency"])
def test_cash_that_was_not_told_in_full_is_not_taken_for_none(lacking: str) -> None:
    before = at(NOON, USD=money("1000"), EUR=money("500"))
    after = at(LATER, USD=money("1000"), EUR=money("500"))
    changes: dict[str, Any] = {
        "cash": {"cash": {}},
        "total": {"total": None},
        "currency": {"cash": {"USD": money("1000")}},
    }
    assert residuals(before, after._replace(**changes[lacking]), ()) is None
    assert residuals(before._replace(**changes[lacking]), after, ()) is None


def test_a_currency_whose_cash_is_used_up_may_be_left_out() -> None:
    before = at(NOON, USD=money("1000"), EUR=money("500"))
    trade = Traded(NOON + timedelta(minutes=1), (("EUR", Decimal(-500)), ("USD", Decimal(550))))
    assert came(before, at(LATER, USD=money("1550")), trade) == NOTHING


@pytest.mark.parametrize("is_in_it", [True, False])
@pytest.mark.parametrize("minutes", [57, 63])
def test_whether_an_execution_near_the_snapshot_is_in_its_cash_is_seen_by_the_cash(
    is_in_it: bool, minutes: int
) -> None:
    trades = [bought("100"), bought("9000", minutes=minutes)]
    cash = "900" if is_in_it else "9900"
    before, after = at(NOON, USD=money("10000")), at(LATER, USD=money("900" if is_in_it else "9900"))
    left = residuals(before, after, trades)
    assert left is not None
    assert estimate(before, after, left) == NOTHING, cash
    assert (left.trades_until >= trades[1].at) is is_in_it
    assert left.trades_until >= trades[0].at
    # The next one goes on from there: it is counted once.
    rest = [one for one in trades if one.at > left.trades_until]
    end = at(LATER + timedelta(hours=1), USD=money("900"))
    assert came(after, end, *rest) == NOTHING


def test_an_execution_well_before_the_snapshot_is_in_its_cash_or_something_came() -> None:
    before, after = at(NOON, USD=money("10000")), at(LATER, USD=money("10000"))
    assert came(before, after, bought("9000")) == brought("9000")


def test_what_a_bond_cost_is_not_told_by_its_price() -> None:
    bond = Traded(NOON + timedelta(minutes=1), (("USD", Decimal(-99)),), inexact="USD")
    assert came(at(NOON, USD=money("20000")), at(LATER, USD=money("10000")), bond) == UNKNOWN


def held(moment: Moment, value: str | None) -> Moment:
    return moment._replace(futures={7: FutureThen("USD", None if value is None else Decimal(value))})


def test_what_futures_settle_is_earned() -> None:
    before = held(at(NOON, USD=money("50000", futures="3000")), "250000")
    after = held(at(LATER, USD=money("53200", futures="150")), "250300")
    assert came(before, after) == EARNED


def test_a_deposit_beside_futures_is_told_while_nothing_is_settled() -> None:
    before = held(at(NOON, USD=money("50000", futures="3000")), "250000")
    after = held(at(LATER, USD=money("60000", futures="3310")), "250300")
    assert came(before, after) == brought("10000")
    settled = held(at(LATER, USD=money("63200", futures="110")), "250300")
    assert came(before, settled) == UNKNOWN, "a settlement and something else"
    small = held(at(LATER, USD=money("51000", futures="3310")), "250300")
    assert came(before, small) == UNKNOWN, "it may be a settlement"


@pytest.mark.parametrize("lacking", ["mark", "owed"])
def test_beside_futures_of_which_too_little_is_told_nothing_can_be_told(lacking: str) -> None:
    before = held(at(NOON, USD=money("50000", futures="0")), "250000")
    value, owed = (None, "0") if lacking == "mark" else ("250000", None)
    after = held(at(LATER, USD=money("60000", futures=owed)), value)
    assert came(before, after) == UNKNOWN
    assert came(before, after._replace(cash={"USD": money("50000")}, total=Decimal(50000))) == NOTHING


def test_no_cash_moves_for_a_future_that_is_bought() -> None:
    trade = Traded(NOON + timedelta(minutes=5), (("USD", Decimal("-2.37")),), (7, "USD", Decimal(250000)))
    before = at(NOON, USD=money("50000", futures="0"))
    assert came(before, held(at(LATER, USD=money("49997.63", futures="80")), "250080"), trade) == NOTHING


@pytest.mark.parametrize(
    ("move", "cash", "expected"),
    [
        (Moved(LATER, "transfer", Decimal(7000)), "1000", brought("7000")),
        (Moved(LATER, "transfer", None), "1000", UNKNOWN),
        (Moved(LATER, "unexplained"), "1000", UNKNOWN),
        (Moved(LATER, "expiry"), "1000", brought("0")),
        (Moved(LATER, "split"), "9000", UNKNOWN),
        (Moved(LATER, "merger"), "9000", UNKNOWN),
    ],
)
def test_holdings_that_moved_without_a_trade(move: Moved, cash: str, expected: Came) -> None:
    assert came(at(NOON, USD=money("1000")), at(LATER, USD=money(cash)), moved=(move,)) == expected


def test_an_account_that_is_emptied_or_filled_for_the_first_time() -> None:
    full, empty = at(NOON, "5000", USD=money("5000")), at(LATER, "0", USD=money("0"))
    assert came(full, empty) == brought("-5000")
    assert came(empty, full) == brought("5000")
    assert came(empty, empty) == NOTHING


def test_nothing_can_be_told_between_two_base_currencies() -> None:
    before, after = at(NOON, USD=money("5")), at(LATER, USD=money("5"))
    assert residuals(before, after._replace(base="EUR"), ()) is None


cents = st.decimals(min_value=-(10**6), max_value=10**6, places=2)


@given(st.lists(st.tuples(cents, st.integers(0, 59)), max_size=8), cents)
def test_trades_alone_never_look_like_a_contribution(
    trades: list[tuple[Decimal, int]], start: Decimal
) -> None:
    done = sorted(
        (Traded(NOON + timedelta(minutes=minute), (("USD", amount),)) for amount, minute in trades),
        key=lambda one: one.at,
    )
    end = start + sum((amount for amount, _ in trades), Decimal(0))
    before, after = at(NOON, USD=CashThen(start)), at(LATER, USD=CashThen(end))
    assert came(before, after, *done) == NOTHING
