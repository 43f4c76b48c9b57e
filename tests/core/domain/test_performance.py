"""Returns, day by day: what was gained over what was at work."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.performance import (
    Contribution,
    DayFlow,
    DayPerformance,
    DayValue,
    as_contributed,
    daily_performance,
)

FIRST = date(2025, 3, 3)


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


def value(day: int, net_liquidation: str, *, currency: str | None = "USD", listed: bool = True) -> DayValue:
    return DayValue(on(day), Decimal(net_liquidation), currency=currency, listed=listed)


def flow(day: int, amount: str | None, *, estimated: bool = False) -> DayFlow:
    return DayFlow(on(day), None if amount is None else Decimal(amount), estimated)


def reckon(values: list[DayValue], *flows: DayFlow) -> list[DayPerformance]:
    return list(daily_performance(values, flows))


def test_of_the_first_day_nothing_but_its_value_is_known() -> None:
    [first] = reckon([value(0, "100")], flow(0, "100"))
    assert (first.daily_pnl, first.net_contribution, first.twr, first.drawdown) == (None, None, 0, 0)
    assert first.quality == "incomplete"


def test_returns_are_linked_and_the_drawdown_is_from_their_highest() -> None:
    rows = reckon([value(0, "100"), value(1, "110"), value(2, "99"), value(3, "108.9")])
    assert [row.twr for row in rows] == [0, Decimal("0.1"), Decimal("-0.01"), Decimal("0.089")]
    assert [row.drawdown for row in rows] == [0, 0, Decimal("-0.1"), Decimal("-0.01")]
    assert [row.daily_pnl for row in rows] == [None, 10, -11, Decimal("9.9")]
    assert [row.net_contribution for row in rows] == [None, 0, 0, 0]
    assert [row.quality for row in rows[1:]] == ["complete"] * 3


def test_what_is_brought_is_at_work_from_the_start_of_its_day() -> None:
    _, row = reckon([value(0, "100"), value(1, "220")], flow(1, "100"))
    assert (row.daily_pnl, row.net_contribution, row.twr) == (20, 100, Decimal("0.1"))


def test_what_is_taken_is_at_work_until_the_end_of_its_day() -> None:
    _, row, after = reckon([value(0, "100"), value(1, "60"), value(2, "60")], flow(1, "-50"))
    assert (row.daily_pnl, row.net_contribution, row.twr) == (10, -50, Decimal("0.1"))
    assert after.twr == Decimal("0.1")


def test_an_account_that_is_emptied_and_filled_again_goes_on() -> None:
    rows = reckon(
        [value(0, "100"), value(1, "0"), value(2, "0"), value(3, "210")], flow(1, "-110"), flow(3, "200")
    )
    assert [row.twr for row in rows] == [0, Decimal("0.1"), Decimal("0.1"), Decimal("0.155")]


def test_what_came_while_there_was_no_value_counts_on_the_next_day_that_has_one() -> None:
    _, row = reckon([value(0, "100"), value(3, "210")], flow(1, "60"), flow(2, "40"))
    assert (row.net_contribution, row.daily_pnl, row.quality) == (100, 10, "complete")


def test_a_value_that_only_tells_what_came_before_is_no_row() -> None:
    [row] = reckon([value(0, "0", listed=False), value(1, "105")], flow(1, "100"))
    assert (row.daily_pnl, row.net_contribution, row.twr) == (5, 100, Decimal("0.05"))


def test_after_a_flow_that_nobody_can_value_no_return_is_known_any_more() -> None:
    rows = reckon([value(0, "100"), value(1, "200"), value(2, "210")], flow(1, None))
    assert [row.twr for row in rows] == [0, None, None]
    assert [row.drawdown for row in rows] == [0, None, None]
    assert [row.daily_pnl for row in rows] == [None, None, 10], "unknown is not zero"
    assert [row.quality for row in rows] == ["incomplete"] * 3


def test_of_a_gap_no_days_profit_can_be_told() -> None:
    _, row = reckon([value(0, "100"), value(6, "110")])
    assert (row.daily_pnl, row.twr, row.quality) == (None, Decimal("0.1"), "estimated")


def test_a_flow_that_we_valued_makes_an_estimate() -> None:
    _, row = reckon([value(0, "100"), value(1, "150")], flow(1, "50", estimated=True))
    assert (row.twr, row.quality) == (0, "estimated")


def test_what_is_earned_on_debts_has_no_return() -> None:
    rows = reckon([value(0, "100"), value(1, "-50"), value(2, "-40")])
    assert [row.twr for row in rows] == [0, Decimal("-1.5"), None]


def test_another_base_currency_breaks_the_chain() -> None:
    rows = reckon([value(0, "100"), value(1, "90", currency="EUR")])
    assert (rows[1].daily_pnl, rows[1].twr, rows[1].quality) == (None, None, "incomplete")
    assert reckon([value(0, "100", currency=None), value(1, "110")])[1].twr == Decimal("0.1")


amounts = st.decimals(min_value=1, max_value=10**6, places=2)
MOST_TOLD = Decimal("1E+20")


@given(st.lists(st.tuples(amounts, st.decimals(min_value=-(10**6), max_value=10**6, places=2)), min_size=2))
@example([(Decimal(1), Decimal(0)), *[(Decimal(10**6), Decimal(0)), (Decimal(1), Decimal(-(10**6)))] * 4])
def test_each_row_can_be_reckoned_from_itself_and_the_one_before(days: list[tuple[Decimal, Decimal]]) -> None:
    values = [value(number, str(worth)) for number, (worth, _) in enumerate(days)]
    rows = reckon(values, *(flow(number, str(came)) for number, (_, came) in enumerate(days)))
    index = Decimal(1)
    for before, row in pairwise(rows):
        assert row.net_contribution is not None
        assert row.daily_pnl is not None
        gain = row.value.net_liquidation - before.value.net_liquidation - row.net_contribution
        assert row.daily_pnl == gain
        index *= 1 + gain / (before.value.net_liquidation + max(row.net_contribution, Decimal(0)))
        if index >= MOST_TOLD:
            assert row.twr is None, "beyond what can be told, and so is all that follows"
            return
        assert row.twr is not None
        assert float(row.twr) == pytest.approx(float(index - 1), rel=1e-9, abs=1e-9)
        assert row.drawdown is not None
        # Below nothing there is no bound: an account can owe more than it had.
        assert row.drawdown <= 0


def contributed(first: int, last: int, amount: str) -> Contribution:
    return Contribution(on(first), on(last), Decimal(amount))


def test_a_deposit_that_no_statement_itemizes_is_no_profit() -> None:
    values = [value(day, worth) for day, worth in enumerate(("10", "10", "100", "101", "102"))]
    flows = as_contributed(values, [], [contributed(1, 3, "90")])
    rows = list(daily_performance(values, flows))
    assert [row.daily_pnl for row in rows] == [None, None, None, None, 1]
    assert [row.net_contribution for row in rows] == [None, None, None, None, 0]
    assert {row.twr for row in rows[1:]} == {None}
    assert {row.quality for row in rows} == {"incomplete"}


def test_a_stated_contribution_of_one_step_takes_the_place_of_what_is_not_itemized() -> None:
    values = [value(0, "100", listed=False), value(30, "220")]
    flows = as_contributed(values, [flow(7, "40")], [contributed(1, 30, "100")])
    assert flows == [DayFlow(on(30), Decimal(100), estimated=True)]
    [row] = daily_performance(values, flows)
    assert (row.net_contribution, row.twr, row.quality) == (100, Decimal("0.1"), "estimated")


@pytest.mark.parametrize(
    ("told", "stated"),
    [([], "0"), (["50", "-20"], "30"), (["50", "-20"], "30.01"), (["100000"], "100009"), ([None], "7")],
)
def test_flows_that_come_to_what_is_stated_or_are_not_known_anyhow_stay(
    told: list[str | None], stated: str
) -> None:
    values = [value(day, "100") for day in range(4)]
    flows = [flow(day, amount) for day, amount in enumerate(told, 1)]
    assert as_contributed(values, flows, [contributed(1, 3, stated)]) == flows


@pytest.mark.parametrize(("stated", "known"), [([], False), ([contributed(1, 40, "0")], True)])
def test_nobody_knows_what_came_in_a_time_that_no_statement_tells_of(
    stated: list[Contribution], known: bool
) -> None:
    values = [value(0, "100"), value(40, "1000"), value(41, "1000")]
    rows = list(daily_performance(values, as_contributed(values, [], stated)))
    assert [row.twr is not None for row in rows] == [True, known, known]
    assert rows[1].quality == ("estimated" if known else "incomplete")
