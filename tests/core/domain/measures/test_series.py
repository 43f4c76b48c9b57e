"""Points, what lies between them, and several accounts as one."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.measures.amounts import average_value, gain, net_contribution
from core.domain.measures.groups import group_series, together
from core.domain.measures.periods import days_of
from core.domain.measures.points import Point, Points
from core.domain.measures.returns import (
    annualised_return,
    best_day,
    daily_returns,
    day_outcomes,
    index_returns,
    period_returns,
    positive_days,
    time_weighted_return,
    worst_day,
)
from core.domain.measures.series import account_series
from tests.core.domain.measures.building import NOON, days, hour, hours, on


def test_what_was_contributed_on_the_first_day_is_part_of_its_value() -> None:
    series = days(("100", "100"), "110")
    assert time_weighted_return(series).value == pytest.approx(0.1)
    assert net_contribution(series).value == 0
    assert gain(series).value == 10


def test_withdrawing_all_leaves_a_return_and_what_comes_later_goes_on_from_it() -> None:
    series = days("100", ("0", "-110"), "0", ("210", "200"))
    assert time_weighted_return(series).value == pytest.approx(1.1 * 1.05 - 1)
    assert series.quality == "complete"


def test_a_value_that_falls_through_zero_is_more_than_all_lost_and_nothing_follows() -> None:
    assert time_weighted_return(days("100", "-50")).value == pytest.approx(-1.5)
    after = time_weighted_return(days("100", "-50", "-40"))
    assert (after.value, after.reason) == (None, "negative_capital")
    again = time_weighted_return(days("100", "-50", ("1000", "900")))
    assert (again.value, again.reason) == (None, "negative_capital")


def test_all_lost_stays_all_lost() -> None:
    assert time_weighted_return(days("100", "0", ("110", "100"))).value == -1


def test_negative_equity_has_no_return() -> None:
    found = time_weighted_return(days("-100", "-90"))
    assert (found.value, found.reason) == (None, "negative_capital")
    assert time_weighted_return(days("-100", "-100")).value == 0


@pytest.mark.parametrize("told", [(), ("100",), (None, None), (None, "100")])
def test_of_fewer_than_two_values_nothing_is_told(told: tuple[str | None, ...]) -> None:
    series = days(*told)
    for found in (time_weighted_return(series), gain(series), best_day(series), positive_days(series)):
        assert (found.value, found.reason) == (None, "too_few_points")
    assert len(daily_returns(series).values) == 0
    assert day_outcomes(series).days == 0


def test_a_flow_between_two_values_of_one_instant_is_no_part_of_any_return() -> None:
    """Before the deposit 10 % are gained, after it 10 % are lost."""
    points = [
        Point(hour(0), Decimal(100)),
        Point(hour(1), Decimal(110)),
        Point(hour(1), Decimal(1110), Decimal(1000)),
        Point(hour(2), Decimal(999)),
    ]
    series = account_series(points)
    assert time_weighted_return(series).value == pytest.approx(1.1 * 0.9 - 1)
    assert period_returns(series).values.tolist() == pytest.approx([0.1, -0.1])


def test_a_value_that_is_missing_makes_the_interval_longer_and_loses_no_flow() -> None:
    series = days("100", (None, "50"), ("180", "20"))
    assert [point.contribution for point in series.valued] == [0, 70]
    assert [flow.amount for flow in series.flows or ()] == [50, 20]
    assert time_weighted_return(series).value == pytest.approx(10 / 170)
    assert gain(series).value == 10


def test_after_a_flow_that_is_not_known_there_is_no_return() -> None:
    series = days("100", ("200", None), "210")
    for found in (time_weighted_return(series), annualised_return(series), gain(series), best_day(series)):
        assert (found.value, found.reason) == (None, "incomplete_data")
    assert (series.flows, series.quality) == (None, "incomplete")
    outcomes = day_outcomes(series)
    assert (outcomes.days, outcomes.decided, outcomes.won) == (2, 1, 1)


def test_what_came_after_the_last_value_does_not_count() -> None:
    series = days("100", "110", (None, None))
    assert time_weighted_return(series).value == pytest.approx(0.1)
    assert series.flows == ()


def test_a_part_of_a_series_knows_nothing_of_the_rest() -> None:
    whole = days("100", ("200", None), "210", "231")
    part = whole.between(on(1), on(3))
    assert time_weighted_return(part).value == pytest.approx(1.155 - 1)
    assert len(whole.between(on(9), on(10)).valued) == 0


@pytest.mark.parametrize(
    "points",
    [
        [Point(on(1), Decimal(1)), Point(on(0), Decimal(1))],
        [Point(on(1), Decimal(1)), Point(on(1), Decimal(1))],
        [Point(on(0), Decimal(1)), Point(NOON, Decimal(1))],
        [Point(datetime(2024, 1, 1), Decimal(1))],  # noqa: DTZ001
        [Point(hour(1), Decimal(1)), Point(hour(0), Decimal(1))],
    ],
    ids=["backwards", "twice", "mixed", "no zone", "hours backwards"],
)
def test_points_out_of_order_are_refused(points: list[Point]) -> None:
    with pytest.raises(ValueError, match=r"series|instant|points"):
        account_series(points)


def test_a_gap_longer_than_any_holiday_is_an_estimate_and_counts_its_weekdays() -> None:
    assert days(*["100"] * 5).quality == "complete"
    points = [Point(on(number), Decimal(100 + number)) for number in (0, 1, 2, 3, 4, 21, 22)]
    series = account_series(points)
    assert series.quality == "estimated"
    # Six returns, and eleven weekdays (2024-01-08 to -19 and the 22nd) that nobody looked at but the last.
    assert daily_returns(series).per_year == pytest.approx(252 * 6 / (6 + 10))


def test_an_estimated_point_makes_an_estimate() -> None:
    assert account_series([Point(on(0), Decimal(1), estimated=True)]).quality == "estimated"


def test_weekends_belong_to_the_monday_and_one_at_the_end_to_the_friday() -> None:
    series = days("100", "100", "100", "100", "100", "110", "110", "121", first=date(2024, 1, 1))
    returns = period_returns(series)
    assert returns.days.tolist() == [on(1), on(2), on(3), on(4), on(7)]
    assert returns.values.tolist() == pytest.approx([0, 0, 0, 0, 0.21])
    ending = period_returns(days("100", "100", "110", first=date(2024, 1, 4)))
    assert ending.days.tolist() == [date(2024, 1, 5)]
    assert ending.values.tolist() == pytest.approx([0.1])
    only = period_returns(days("100", "110", first=date(2024, 1, 6)))
    assert only.values.tolist() == pytest.approx([0.1])


def test_days_that_are_told_to_be_closed_are_no_periods() -> None:
    points = [Point(on(number), Decimal(100 + number)) for number in range(4)]
    returns = period_returns(account_series(points, closed={on(2)}))
    assert returns.days.tolist() == [on(1), on(3)]
    assert returns.values.tolist() == pytest.approx([0.01, 103 / 101 - 1])
    assert returns.per_year == 252


@pytest.mark.parametrize(
    ("first", "count"),
    [(datetime(2024, 3, 8, 5, tzinfo=UTC), 23), (datetime(2024, 11, 1, 4, tzinfo=UTC), 25)],
)
def test_the_day_on_which_the_clock_changes_has_its_own_hours(first: datetime, count: int) -> None:
    """From midnight in New York on a Friday: the Sunday has an hour less, or more."""
    series = hours(*["100"] * (24 * 5 + 1), first=first)
    start = date(first.year, first.month, first.day)
    by_day = Counter(days_of(series.seconds, "hour")[1:].tolist())
    assert by_day[start] == by_day[start + timedelta(days=1)] == 24
    assert by_day[start + timedelta(days=2)] == count


def test_a_year_boundary_is_a_day_like_any_other() -> None:
    returns = daily_returns(hours("100", "110", "121", "121", first=datetime(2025, 1, 1, 3, tzinfo=UTC)))
    assert returns.days.tolist() == [date(2024, 12, 31), date(2025, 1, 1)]
    assert returns.values.tolist() == pytest.approx([0.21, 0])


def test_under_a_year_a_return_is_not_stated_by_the_year() -> None:
    almost = annualised_return(account_series([Point(on(0), Decimal(100)), Point(on(364), Decimal(121))]))
    assert almost.value is not None
    assert (almost.value.value, almost.value.is_annualised) == (pytest.approx(0.21), False)
    two = annualised_return(account_series([Point(on(0), Decimal(100)), Point(on(730), Decimal(121))]))
    assert two.value is not None
    assert (two.value.value, two.value.is_annualised) == (pytest.approx(0.1), True)
    broke = annualised_return(account_series([Point(on(0), Decimal(100)), Point(on(730), Decimal(-1))]))
    assert (broke.value, broke.reason) == (None, "negative_capital")


def test_days_are_won_lost_or_even_and_the_best_and_the_worst_are_named() -> None:
    series = days("100", "110", "110", ("149", "50"), "156.45")
    outcomes = day_outcomes(series)
    assert (outcomes.decided, outcomes.won, outcomes.lost) == (4, 2, 1)
    assert (outcomes.gross_profit, outcomes.gross_loss) == (Decimal("17.45"), -11)
    assert (outcomes.win_rate, outcomes.profit_factor) == (Decimal("0.5"), Decimal("1.5864"))
    best, worst = best_day(series).value, worst_day(series).value
    assert best is not None
    assert worst is not None
    assert (best.day, best.value) == (on(1), pytest.approx(0.1))
    assert (worst.day, worst.value) == (on(3), pytest.approx(-11 / 160))
    assert positive_days(series).value == 0.5


def test_the_average_value_weighs_each_by_the_time_that_it_stood() -> None:
    points = [Point(on(0), Decimal(100)), Point(on(3), Decimal(200)), Point(on(4), Decimal(999))]
    assert average_value(account_series(points)).value == 125
    assert average_value(days("1")).reason == "too_few_points"


def test_a_group_is_the_sum_of_its_accounts() -> None:
    both = group_series([days("100", ("160", "50"), "170"), days("10", "11", ("21", "10"))])
    assert [point.net_liquidation for point in both.valued] == [110, 171, 191]
    assert [point.contribution for point in both.valued] == [0, 50, 10]
    assert time_weighted_return(both).value == pytest.approx((171 / 160) * (191 / 181) - 1)


def test_a_missing_value_of_one_makes_the_group_incomplete_not_smaller() -> None:
    both = group_series([days("100", (None, "50"), "170"), days("10", "11", "21")])
    assert [(point.at, point.net_liquidation) for point in both.points] == [
        (on(0), 110),
        (on(1), None),
        (on(2), 191),
    ]
    assert gain(both).value == 31


def test_a_group_covers_the_time_in_which_all_its_accounts_have_points() -> None:
    late = account_series([Point(on(1), Decimal(50)), Point(on(2), Decimal(60))])
    both = group_series([days("100", "110", "120", "130"), late])
    assert [point.at for point in both.valued] == [on(1), on(2)]
    assert gain(both).value == 20
    assert group_series([late, days()]).valued == ()


def test_an_account_that_begins_or_ends_with_nothing_joins_a_group_or_has_left_it() -> None:
    whole = days("100", "110", "121", "121", "133.1")
    joined = days("0", ("52", "50"), "52", first=on(2))
    left = days("40", "44", ("0", "-44"))
    both = group_series([whole, joined, left])
    assert [(point.net_liquidation, point.contribution) for point in both.points] == [
        *((140, 0), (154, 0), (121, -44), (173, 50), (Decimal("185.1"), 0))
    ]
    assert time_weighted_return(both).value == pytest.approx(
        (154 / 140) * (165 / 154) * (173 / 171) * (185.1 / 173) - 1
    )
    gone = days("0", ("5", "5"), ("0", "-5"), first=on(1))
    assert [point.net_liquidation for point in group_series([gone, gone]).points] == [0, 10, 0]
    # What is missing in between is not nothing.
    gap = days("0", ("50", "50"), (None, "0"), "50", ("0", "-50"), first=on(0))
    assert [point.net_liquidation for point in group_series([whole, gap]).points][2] is None


def test_a_closed_account_leaves_its_group_with_what_it_was_last_worth() -> None:
    whole = days("100", "110", "121", "121", "133.1", "133.1").points
    closed = days("40", "44").points

    def told(closed_on: date | None) -> list[tuple[Decimal | None, Decimal | None]]:
        found = together([whole, closed], [None, closed_on])
        return [(point.net_liquidation, point.contribution) for point in found]

    both = [(140, 0), (154, 0)]
    assert told(None) == both, "who tells nothing more may be worth anything"
    assert told(on(1)) == [*both, (121, -44), (121, 0), (Decimal("133.1"), 0), (Decimal("133.1"), 0)]
    # Until it was closed it was worth something that nobody tells.
    assert told(on(2)) == [*both, (None, 0), (121, -44), (Decimal("133.1"), 0), (Decimal("133.1"), 0)]
    assert told(on(7)) == both, "what it left with is not known"
    assert told(on(0)) == both, "it was told of after it was closed, and with a value"
    series = account_series(together([whole, closed], [None, on(1)]))
    assert time_weighted_return(series).value == pytest.approx((154 / 140) * (165 / 154) * 1 * 1.1 - 1)
    assert gain(series).value == Decimal("37.1")
    assert series.quality == "estimated"


def test_a_closed_account_that_is_told_of_by_the_hour_leaves_after_the_day() -> None:
    start = datetime(2026, 3, 2, 3, tzinfo=UTC)  # 22:00 in New York, on the first
    whole = Points.of(Point(start + timedelta(hours=n), Decimal(100)) for n in range(5))
    closed = Points.of([Point(start, Decimal(40))])
    found = together([whole, closed], [None, date(2026, 3, 1)])
    # At 5:00 the day ends.
    assert found.net_liquidation == [140, None, None, 100, 100]
    assert found.contribution == [0, 0, 0, -40, 0]


def test_a_flow_that_one_account_values_at_its_instant_is_valued_in_the_group() -> None:
    one = account_series(
        [
            Point(hour(0), Decimal(100)),
            Point(hour(1), Decimal(110)),
            Point(hour(1), Decimal(210), Decimal(100)),
        ]
    )
    both = group_series([one, hours("100", "110")])
    assert [point.net_liquidation for point in both.valued] == [200, 220, 320]
    assert time_weighted_return(both).value == pytest.approx(0.1)


def test_accounts_of_two_currencies_are_no_group() -> None:
    one = account_series([Point(on(0), Decimal(1))], currency="USD")
    with pytest.raises(ValueError, match="currency"):
        group_series([one, account_series([Point(on(0), Decimal(1))], currency="EUR")])
    with pytest.raises(ValueError, match="at least one"):
        group_series([])


def test_returns_of_an_index_are_between_the_days_that_have_a_level() -> None:
    found = index_returns([(on(0), Decimal(100)), (on(1), None), (on(2), Decimal(110))])
    assert (found.days.tolist(), found.values.tolist()) == ([on(2)], [pytest.approx(0.1)])
    assert len(index_returns([]).values) == len(index_returns([(on(0), Decimal(1))]).values) == 0
    with pytest.raises(ValueError, match="levels"):
        index_returns([(on(0), Decimal(0))])


@given(
    st.lists(
        st.tuples(st.decimals(-(10**9), 10**9, places=6), st.decimals(-(10**9), 10**9, places=9)), min_size=2
    )
)
def test_money_is_exact_and_nothing_is_nan_or_infinite(told: list[tuple[Decimal, Decimal]]) -> None:
    series = account_series(Point(on(number), worth, came) for number, (worth, came) in enumerate(told))
    found = gain(series).value
    assert found == told[-1][0] - told[0][0] - sum(came for _, came in told[1:])
    assert sum(one for one in series.gains if one is not None) == found
    value = time_weighted_return(series).value
    assert value is None or np.isfinite(value)
