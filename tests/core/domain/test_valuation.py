"""What was worth what at a moment: which mark counts, what a split does to it, and what is not known."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.domain.marks import (
    AFTER,
    NEAR,
    Mark,
    Split,
    SplitTold,
    is_believable,
    nearest,
    restated_price,
    splits_of,
)
from core.domain.rate_history import DatedRate, RateHistory, ToldRate
from core.domain.valuation import (
    Amount,
    CashThen,
    FxRate,
    HeldThen,
    ToldThen,
    account_then,
    row_of,
    worth_then,
)

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ONE = Decimal(1)


def mark(price: str = "160", *, before: timedelta = HOUR) -> Mark:
    return Mark(Decimal(price), AT - before, "snapshot")


def held(conid: int = 1, **changes: Any) -> HeldThen:
    told: dict[str, Any] = {
        "account": "U1",
        "position_id": f"p-{conid}",
        "conid": conid,
        "symbol": "ACME",
        "sec_type": "STK",
        "currency": "USD",
        "point_value": ONE,
        "quantity": Decimal(100),
        "average_cost": Decimal(150),
        "cost_basis": Decimal(15000),
    }
    return HeldThen(**told | changes)


def told(**changes: Any) -> ToldThen:
    cash = CashThen("USD", Decimal(5000), AT - HOUR, "snapshot")
    known: dict[str, Any] = {"base_currency": "USD", "net_liquidation": None, "cash": [cash]}
    rates = [
        ToldRate(one.as_of, currency, "USD", one.rate, one.source)
        for currency, of in changes.pop("rates", {}).items()
        for one in of
    ]
    return ToldThen(**known | {"trades_apart": 0, "rates": RateHistory("USD", rates)} | changes)


@pytest.mark.parametrize(
    ("ages", "chosen"),
    [
        ([HOUR, DAY], HOUR),
        ([HOUR, -timedelta(seconds=1)], HOUR),
        ([NEAR, -HOUR], NEAR),
        ([NEAR + HOUR, -HOUR], -HOUR),
        ([NEAR + HOUR, -2 * HOUR, -HOUR], -HOUR),
        ([1000 * DAY], 1000 * DAY),
        ([-AFTER], -AFTER),
        ([timedelta(0), -HOUR], timedelta(0)),
    ],
)
def test_the_last_mark_counts_unless_it_is_far_and_another_follows_soon(
    ages: list[timedelta], chosen: timedelta
) -> None:
    found = nearest([mark(before=age) for age in ages], AT)
    assert found is not None
    assert AT - found.as_of == chosen


@pytest.mark.parametrize("ages", [[], [-AFTER - timedelta(seconds=1)]])
def test_what_is_only_told_long_after_the_moment_says_nothing_of_it(ages: list[timedelta]) -> None:
    assert nearest([mark(before=age) for age in ages], AT) is None


@pytest.mark.parametrize(
    ("price", "sec_type", "expected"),
    [
        ("0", "STK", False),
        ("0", "OPT", True),
        ("NaN", "STK", False),
        ("NaN", "OPT", False),
        ("1", "STK", True),
    ],
)
def test_a_zero_is_a_price_only_of_what_can_be_worth_nothing(
    price: str, sec_type: str, expected: bool
) -> None:
    assert is_believable(Decimal(price), sec_type) is expected


def test_a_price_that_is_not_told_is_none() -> None:
    assert not is_believable(None, "OPT")


@pytest.mark.parametrize(
    ("before", "split_before", "expected"),
    [
        (2 * DAY, DAY, ("80", True)),  # the mark, the split, the moment
        (DAY, 2 * DAY, ("160", False)),
        (-HOUR, -timedelta(minutes=30), ("320", True)),  # the moment, the split, the mark
        (-HOUR, -2 * HOUR, ("160", False)),
        (HOUR, timedelta(0), ("80", True)),  # of the moment itself: it is done
        (HOUR, HOUR, ("160", False)),  # the mark is of then already
    ],
)
def test_a_mark_from_the_other_side_of_a_split_is_restated(
    before: timedelta, split_before: timedelta, expected: tuple[str, bool]
) -> None:
    split = Split(AT - split_before, Decimal(2), ONE)
    price, restated = restated_price(mark(before=before), [split], AT)
    assert (str(price), restated) == expected


def test_several_splits_are_each_taken_into_account_and_rounded_once() -> None:
    splits = [Split(AT - 3 * DAY, Decimal(3), ONE), Split(AT - DAY, ONE, Decimal(10))]
    assert restated_price(mark("1", before=4 * DAY), splits, AT) == (Decimal("3.3333333333"), True)


def test_the_ratio_of_a_split_is_the_statements_and_not_what_units_that_were_paid_out_make_of_it() -> None:
    said = SplitTold("U1", AT, Decimal(105), Decimal(10), "XYZ(US1) SPLIT 1 FOR 10 (XYZ, XYZ CORP, US2)")
    assert splits_of([said], "U1") == [Split(AT, ONE, Decimal(10))]
    assert splits_of([said._replace(description="")], "U1") == [Split(AT, Decimal(10), Decimal(105))]


def test_a_split_that_two_accounts_tell_of_is_one_and_ones_own_word_goes_first() -> None:
    own = SplitTold("U1", AT, Decimal(7), Decimal(14), "")
    other = SplitTold("U2", AT - HOUR, Decimal(3), Decimal(7), "")
    earlier = SplitTold("U2", AT - 30 * DAY, Decimal(3), Decimal(9), "")
    assert splits_of([other, own, earlier], "U1") == [
        Split(AT, Decimal(14), Decimal(7)),
        Split(AT - 30 * DAY, Decimal(9), Decimal(3)),
    ]
    assert splits_of([own._replace(units_before=Decimal(-7))], "U1") == [], "that was none"


def test_a_value_is_price_times_quantity_in_both_currencies() -> None:
    pence = held(currency="GBP", point_value=Decimal("0.01"), cost_basis=Decimal(70))
    found = worth_then(pence, mark("72.4"), [], FxRate(Decimal("1.3105"), AT, "snapshot"), AT)
    row = row_of(found, AT)
    assert (row.market_value, row.market_value_base) == (Decimal("72.4"), Decimal("94.8802"))
    assert (row.unrealized_pnl, row.counted) == (Decimal("2.4"), Decimal("94.8802"))
    assert (row.mark_age_seconds, row.mark_source) == (3600, "snapshot")


def test_an_account_is_worth_its_cash_and_its_positions() -> None:
    future = held(2, sec_type="FUT", point_value=Decimal(50), quantity=Decimal(-2))
    contract = held(3, sec_type="CFD", quantity=Decimal(-10), cost_basis=Decimal(-1700))
    pair = held(4, sec_type="CASH")
    marks = {one: [mark()] for one in range(1, 5)}
    found = account_then("U1", told(), [held(), future, contract, pair], marks, {}, AT)
    # The future's gains are in the cash, the CFD counts what it gained, and the pair is cash.
    assert [one.counted for one in found.positions] == [16000, 0, 100]
    assert (found.cash_value, found.positions_value, found.total) == (5000, 16100, 21100)
    assert found.coverage == (3, 3, 1)


def test_what_has_no_mark_has_no_value_and_leaves_no_total() -> None:
    found = account_then("U1", told(), [held(), held(2)], {1: [mark()]}, {}, AT)
    assert found.positions[1].market_value is None
    assert (found.positions_value, found.total) == (16000, None)
    # It weighs what it had cost.
    assert found.coverage == (2, 1, Decimal("0.516129"))


def test_what_no_rate_converts_has_a_value_in_its_own_currency_only() -> None:
    found = account_then("U1", told(), [held(currency="GBP")], {1: [mark()]}, {}, AT)
    (one,) = found.positions
    assert (one.market_value, one.market_value_base, one.counted) == (16000, None, None)
    assert (found.positions_value, found.total, found.coverage.share) == (None, None, 0)


def test_a_rate_has_a_time_of_its_own_and_the_nearest_counts() -> None:
    rates = {
        "GBP": [
            DatedRate(Decimal("1.2"), AT - 40 * DAY, "statement"),
            DatedRate(Decimal("1.3"), AT + HOUR, "snapshot"),
        ]
    }
    found = account_then("U1", told(rates=rates), [held(currency="GBP")], {1: [mark()]}, {}, AT)
    row = row_of(found.positions[0], AT)
    assert (row.fx_rate, row.fx_as_of, row.market_value_base) == (Decimal("1.3"), AT + HOUR, 20800)


def test_an_old_mark_gives_a_value_and_lowers_the_coverage() -> None:
    found = account_then("U1", told(), [held()], {1: [mark(before=NEAR + HOUR)]}, {}, AT)
    assert (found.total, found.coverage) == (21000, (1, 1, 0))


def test_an_old_rate_gives_a_value_lowers_the_coverage_and_shows() -> None:
    rates = {"GBP": [DatedRate(Decimal("1.2"), AT - NEAR - HOUR, "statement")]}
    found = account_then("U1", told(rates=rates), [held(currency="GBP")], {1: [mark()]}, {}, AT)
    assert (found.total, found.coverage) == (5000 + 16000 * Decimal("1.2"), (1, 1, 0))
    assert found.oldest_rate_at == AT - NEAR - HOUR
    pounds = CashThen("GBP", Decimal(100), AT, "snapshot")
    assert account_then("U1", told(rates=rates, cash=[pounds]), [], {}, {}, AT).oldest_rate_at is not None
    assert account_then("U1", told(rates=rates), [held()], {1: [mark()]}, {}, AT).oldest_rate_at is None


def test_what_is_due_and_what_futures_gained_since_they_were_settled_is_part_of_the_total() -> None:
    future = held(sec_type="FUT")
    rates = {"GBP": [DatedRate(Decimal("1.3"), AT, "snapshot")]}
    due = {"USD": Decimal(-40), "GBP": Decimal(10)}
    found = account_then("U1", told(rates=rates, due=due), [future], {1: [mark()]}, {}, AT)
    assert (found.due_value, found.total) == (-27, 4973)
    assert account_then("U1", told(due=due), [future], {1: [mark()]}, {}, AT).total is None, "no rate of GBP"
    of_all = account_then("U1", told(due={"BASE_SUMMARY": Decimal(7)}), [], {}, {}, AT)
    assert (of_all.due_value, of_all.total) == (7, 5007)
    unsaid = account_then("U1", told(), [future], {1: [mark()]}, {}, AT)
    assert (unsaid.due_value, unsaid.total) == (None, 5000)


def test_cash_is_the_brokers_own_sum_or_ours_if_every_rate_is_known() -> None:
    dollars = CashThen("USD", Decimal(5000), AT, "snapshot")
    pounds = CashThen("GBP", Decimal(100), AT, "snapshot")
    of_all = CashThen("BASE_SUMMARY", Decimal(5131), AT, "snapshot")
    rates = {"GBP": [DatedRate(Decimal("1.3"), AT, "snapshot")]}

    def value(*cash: CashThen, **changes: Any) -> Decimal | None:
        return account_then("U1", told(cash=cash, **changes), [], {}, {}, AT).cash_value

    assert value(dollars, pounds, of_all) == 5131
    assert value(dollars, pounds, rates=rates) == 5130
    assert value(dollars, pounds) is None
    assert value(dollars, pounds._replace(amount=Decimal(0))) == 5000, "nothing needs no rate"
    assert value() is None, "unknown is not zero"


def test_an_account_of_which_nothing_was_told_is_worth_nobody_knows_what() -> None:
    nothing = ToldThen(None, None, (), None, RateHistory("", ()))
    found = account_then("U1", nothing, [], {}, {}, AT)
    assert (found.total, found.cash_value, found.net_liquidation) == (None, None, None)
    net = Amount(Decimal(9), AT, "statement")
    assert account_then("U1", told(net_liquidation=net), [], {}, {}, AT).net_liquidation == net
