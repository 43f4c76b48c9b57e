"""When risk cannot be measured, and what is told where it can."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.measures.benchmark import (
    aligned,
    alpha,
    beta,
    correlation,
    information_ratio,
    tracking_error,
)
from core.domain.measures.drawdowns import current_drawdown, drawdowns, maximum_drawdown
from core.domain.measures.measured import ratio
from core.domain.measures.points import Point
from core.domain.measures.returns import Returns, daily_returns, index_returns, time_weighted_return
from core.domain.measures.risk import (
    FEWEST_RETURNS,
    calmar_ratio,
    downside_deviation,
    rolling_volatility,
    sharpe_ratio,
    sortino_ratio,
    volatility,
)
from core.domain.measures.series import account_series
from tests.core.domain.measures.building import FIRST, days, earning, on, trading_days


def returned(*values: float) -> Returns:
    dates = trading_days(len(values) + 1)
    return Returns(np.array(values), np.array(dates[1:], dtype="datetime64[D]"), dates[0], 252)


WAVE = [0.01, -0.005, 0.002] * 10


def test_what_does_not_vary_has_a_volatility_of_zero_and_no_ratio() -> None:
    flat = daily_returns(earning([0.0] * 30))
    assert volatility(flat).value == 0
    assert sharpe_ratio(flat).reason == "no_variation"
    assert sortino_ratio(flat).reason == "no_loss"
    assert sharpe_ratio(flat, 0.03).reason == "no_variation"


def test_a_constant_loss_has_no_sharpe_ratio_but_a_sortino_ratio_and_a_drawdown() -> None:
    series = earning([-0.01] * 30)
    returns = daily_returns(series)
    assert volatility(returns).value == 0
    assert sharpe_ratio(returns).reason == "no_variation"
    assert sortino_ratio(returns).value == pytest.approx(-(252**0.5))
    assert maximum_drawdown(series).value == current_drawdown(series).value == pytest.approx(0.99**30 - 1)


def test_a_constant_gain_has_no_loss() -> None:
    series = earning([0.01] * 300)
    assert sortino_ratio(daily_returns(series)).reason == "no_loss"
    assert downside_deviation(daily_returns(series)).value == 0
    assert calmar_ratio(series).reason == "no_loss"
    assert maximum_drawdown(series).value == 0
    assert drawdowns(series).value == ()


def test_of_a_few_returns_no_risk_is_told() -> None:
    few = returned(*WAVE[: FEWEST_RETURNS - 1])
    for found in (
        volatility(few),
        sharpe_ratio(few),
        sortino_ratio(few),
        downside_deviation(few),
        beta(few, few),
    ):
        assert (found.value, found.reason) == (None, "too_few_points")
    assert volatility(returned(*WAVE[:FEWEST_RETURNS])).value is not None


def test_one_return_that_is_not_known_leaves_all_of_them_incomplete() -> None:
    some = returned(*WAVE, np.nan)
    for found in (
        volatility(some),
        sharpe_ratio(some),
        sortino_ratio(some),
        correlation(some, returned(*WAVE)),
    ):
        assert (found.value, found.reason) == (None, "incomplete_data")


def test_a_risk_free_rate_holds_from_its_day_on() -> None:
    returns = returned(*WAVE)
    dates = returns.days.tolist()
    steady = sharpe_ratio(returns, {FIRST: 0.05}).value
    assert steady == sharpe_ratio(returns, 0.05).value
    rates = {FIRST: 0.0, dates[15]: 0.05}
    excess = returns.values - np.array([0.0] * 15 + [1.05 ** (1 / 252) - 1] * 15)
    assert sharpe_ratio(returns, rates).value == pytest.approx(
        excess.mean() / excess.std(ddof=1) * np.sqrt(252)
    )
    assert sharpe_ratio(returns, {dates[1]: 0.05}).reason == "incomplete_data"
    assert sharpe_ratio(returns, {}).reason == "incomplete_data"


def test_calmar_needs_a_year() -> None:
    assert calmar_ratio(earning(WAVE)).reason == "under_a_year"
    assert calmar_ratio(days("100")).reason == "too_few_points"
    assert calmar_ratio(earning(WAVE * 9)).value is not None


def test_a_window_with_an_unknown_return_has_no_volatility() -> None:
    ends, values = rolling_volatility(returned(0.01, -0.01, np.nan, 0.02, -0.02, 0.02), 2)
    assert ends.tolist() == [1, 4, 5]
    assert values.tolist() == pytest.approx(
        [np.std(pair, ddof=1) * 252**0.5 for pair in ([0.01, -0.01], [0.02, -0.02], [0.02, -0.02])]
    )
    assert rolling_volatility(returned(0.1), 2).values.tolist() == []
    with pytest.raises(ValueError, match="window"):
        rolling_volatility(returned(0.1), 1)


steps = st.one_of(st.just(0.0), st.floats(-0.05, 0.05), st.sampled_from([-0.9, 50.0, 1e6]))


@given(st.lists(steps, min_size=3, max_size=60), st.integers(2, 10))
def test_rolling_volatility_is_that_of_each_window_whatever_came_before(
    values: list[float], window: int
) -> None:
    ends, found = rolling_volatility(returned(*values), window)
    expected = [np.std(values[end - window + 1 : end + 1], ddof=1) * 252**0.5 for end in ends.tolist()]
    assert found.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-11)


def test_a_drawdown_lasts_from_its_peak_to_its_recovery() -> None:
    series = days("100", "120", "90", "96", "120", "130", "117", ("217", "100"), "200")
    found = drawdowns(series).value
    assert found is not None
    first, second = found
    assert (first.depth, first.peak, first.trough, first.recovery) == (
        pytest.approx(-0.25),
        on(1),
        on(2),
        on(4),
    )
    assert first.length == timedelta(days=3)
    assert (second.peak, second.trough, second.recovery, second.last) == (on(5), on(8), None, on(8))
    assert second.depth == current_drawdown(series).value == pytest.approx(117 / 130 * 200 / 217 - 1)
    assert maximum_drawdown(series).value == pytest.approx(-0.25)
    assert drawdowns(series, 1).value == (first,)


def test_neither_deposit_nor_withdrawal_is_a_drawdown_or_ends_one() -> None:
    series = days("100", "90", ("190", "100"), ("95", "-95"))
    found = drawdowns(series).value
    assert found is not None
    assert [(one.depth, one.recovery) for one in found] == [(pytest.approx(-0.1), None)]


def test_a_drawdown_that_begins_with_the_last_point_is_told() -> None:
    found = drawdowns(days("100", "110", "99")).value
    assert found is not None
    assert [(one.depth, one.trough, one.last) for one in found] == [(pytest.approx(-0.1), on(2), on(2))]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (("100",), "too_few_points"),
        (("100", ("9", None)), "incomplete_data"),
        (("-1", "9"), "negative_capital"),
    ],
)
def test_of_a_broken_chain_no_drawdown_is_told(told: tuple[str, ...], reason: str) -> None:
    series = days(*told)
    for found in (maximum_drawdown(series), current_drawdown(series), drawdowns(series)):
        assert (found.value, found.reason) == (None, reason)


def test_returns_are_compared_over_the_days_that_both_have() -> None:
    own = returned(*WAVE)
    levels = [(own.first_day, Decimal(100))]
    for number, day in enumerate(own.days.tolist()):
        if number != 4:
            levels.append((day, Decimal(100 + number % 7)))
    both = aligned(own, index_returns(levels)).value
    assert both is not None
    assert len(both.own.values) == len(both.benchmark.values) == 29
    assert both.own.values[4] == pytest.approx((1 + WAVE[4]) * (1 + WAVE[5]) - 1)
    assert both.benchmark.values[4] == pytest.approx(105 / 103 - 1)


def test_what_has_no_days_in_common_is_not_compared() -> None:
    own = returned(*WAVE)
    later = [(date(2030, 1, 1) + timedelta(days=number), Decimal(100 + number)) for number in range(40)]
    assert aligned(own, index_returns(later)).reason == "too_few_points"
    assert beta(own, index_returns(later)).reason == "too_few_points"


def test_nothing_moves_with_what_does_not_move() -> None:
    own, flat = returned(*WAVE), returned(*[0.0] * 30)
    assert (
        beta(own, flat).reason == alpha(own, flat).reason == correlation(own, flat).reason == "no_variation"
    )
    assert beta(flat, own).value == 0
    assert correlation(flat, own).reason == "no_variation"
    assert tracking_error(own, own).value == 0
    assert information_ratio(own, own).reason == "no_variation"
    assert (beta(own, own).value, alpha(own, own).value) == (pytest.approx(1), pytest.approx(0))


def test_after_all_was_lost_there_is_nothing_to_compare() -> None:
    assert aligned(returned(*WAVE, -1.0, 0.0), returned(*WAVE, 0.0, 0.0)).reason == "negative_capital"


def test_what_is_beyond_all_numbers_is_not_told() -> None:
    assert ratio(float("inf")).reason == ratio(float("nan")).reason == "out_of_range"
    # Every day the owner takes all but one of what has become of it.
    fast = [Point(on(number), Decimal(1), Decimal(-(10**9))) for number in range(40)]
    for found in (time_weighted_return(account_series(fast)), maximum_drawdown(account_series(fast))):
        assert (found.value, found.reason) == (None, "out_of_range")
