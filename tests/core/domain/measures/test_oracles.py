"""Agreement with implementations of other origin: empyrical, pyxirr, and a fund that counts its units."""

from datetime import date, timedelta
from decimal import Decimal

import empyrical
import numpy as np
import pandas as pd
import pytest
import pyxirr
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.measures.benchmark import alpha, beta, correlation, information_ratio, tracking_error
from core.domain.measures.drawdowns import drawdowns, maximum_drawdown
from core.domain.measures.measured import DAYS_PER_YEAR
from core.domain.measures.money_weighted import money_weighted_return
from core.domain.measures.points import Point
from core.domain.measures.returns import (
    annualised_return,
    daily_returns,
    period_returns,
    time_weighted_return,
)
from core.domain.measures.risk import (
    calmar_ratio,
    downside_deviation,
    rolling_volatility,
    sharpe_ratio,
    sortino_ratio,
    volatility,
)
from core.domain.measures.series import AccountSeries, account_series
from core.domain.performance import DayFlow, DayValue, daily_performance
from tests.core.domain.measures.building import earning, on, trading_days

returned = st.lists(st.integers(-400, 400).map(lambda step: step / 10_000), min_size=30, max_size=90)
flows = st.lists(st.integers(-3_000, 3_000), max_size=25)


def close(expected: float) -> object:
    return pytest.approx(expected, rel=1e-7, abs=1e-9)


def paired(series: AccountSeries) -> pd.Series:
    returns = daily_returns(series)
    return pd.Series(returns.values, index=pd.DatetimeIndex(returns.days.astype("datetime64[ns]")))


def generated(seed: int, count: int = 600) -> list[float]:
    return np.random.default_rng(seed).normal(0.0004, 0.011, count).round(6).tolist()


@given(returned, flows)
@settings(max_examples=60, deadline=None)
def test_returns_and_risk_are_empyricals_whatever_flows(earned: list[float], came: list[int]) -> None:
    series = earning(earned, came)
    plain = pd.Series(earned, index=pd.DatetimeIndex(trading_days(len(earned) + 1)[1:]))
    returns = daily_returns(series)
    assert returns.per_year == 252
    assert time_weighted_return(series).value == close(empyrical.cum_returns_final(plain))
    assert maximum_drawdown(series).value == close(empyrical.max_drawdown(plain))
    if np.ptp(earned) > 0:
        assert volatility(returns).value == close(empyrical.annual_volatility(plain))
        free = 1.03 ** (1 / 252) - 1
        assert sharpe_ratio(returns, 0.03).value == close(empyrical.sharpe_ratio(plain, risk_free=free))
        if min(earned) < free:
            assert downside_deviation(returns, 0.03).value == close(empyrical.downside_risk(plain, free))
            assert sortino_ratio(returns, 0.03).value == close(empyrical.sortino_ratio(plain, free))


@given(returned, flows, st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_what_is_held_against_a_benchmark_is_empyricals(
    earned: list[float], came: list[int], seed: int
) -> None:
    other = np.random.default_rng(seed).normal(0.0003, 0.01, len(earned)).round(6).tolist()
    own, market = earning(earned, came), earning(other)
    a, b = paired(own), paired(market)
    mine, its = daily_returns(own), daily_returns(market)
    assert beta(mine, its).value == close(empyrical.beta(a, b))
    found = alpha(mine, its).value
    assert found is not None
    assert (1 + found / 252) ** 252 - 1 == pytest.approx(empyrical.alpha(a, b), rel=1e-5, abs=1e-8)
    if np.ptp(earned) > 0:
        assert correlation(mine, its).value == close(np.corrcoef(a, b)[0, 1])
    assert tracking_error(mine, its).value == close((a - b).std() * 252**0.5)
    assert information_ratio(mine, its).value == close(empyrical.excess_sharpe(a, b) * 252**0.5)


@pytest.mark.parametrize("seed", range(3))
def test_over_years_the_ratios_are_empyricals(seed: int) -> None:
    earned = generated(seed)
    series = earning(earned, [500, -800, 0, 3_000] * 40)
    plain = pd.Series(earned)
    yearly, calmar = annualised_return(series).value, calmar_ratio(series).value
    assert yearly is not None
    assert yearly.is_annualised
    years = series.span_seconds / 86_400 / DAYS_PER_YEAR
    assert yearly.value == close((1 + empyrical.cum_returns_final(plain)) ** (1 / years) - 1)
    assert calmar == close(yearly.value / -empyrical.max_drawdown(plain))
    ends, rolling = rolling_volatility(daily_returns(series), 60)
    assert rolling.tolist() == pytest.approx(empyrical.roll_annual_volatility(plain, 60).tolist(), rel=1e-9)
    assert ends.tolist() == list(range(59, len(earned)))


@given(returned)
@settings(max_examples=30, deadline=None)
def test_the_worst_drawdown_is_the_one_that_pandas_finds(earned: list[float]) -> None:
    series = earning(earned)
    index = pd.Series(np.concatenate(([1.0], np.cumprod(1 + np.array(earned)))))
    below = index / index.cummax() - 1
    spells = (below > -1e-12).cumsum()[below <= -1e-12]
    deepest = sorted(below.groupby(spells).min().tolist()) if len(spells) else []
    found = drawdowns(series, len(earned)).value
    assert found is not None
    assert [one.depth for one in found] == pytest.approx(deepest)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(-(10**6), 10**6)), min_size=2, max_size=40))
@settings(deadline=None)
def test_the_chain_is_that_of_the_days_that_are_kept(told: list[tuple[int, int]]) -> None:
    """Whatever comes and goes, even more than there is."""
    points = [Point(on(number), Decimal(worth), Decimal(came)) for number, (worth, came) in enumerate(told)]
    rows = list(
        daily_performance(
            [DayValue(point.at, point.net_liquidation or Decimal(0)) for point in points],
            [DayFlow(point.at, point.contribution) for point in points],
        )
    )
    index = account_series(points).index
    for row, found in zip(rows, index, strict=True):
        if row.twr is None:  # or there is no room for it, of which nobody's money comes to
            assert np.isnan(found) or found > 0.999e20
        else:
            assert found - 1 == pytest.approx(np.float64(row.twr), rel=1e-9, abs=1e-9)


@given(returned, flows)
@settings(max_examples=40, deadline=None)
def test_a_fund_that_sells_and_redeems_units_returns_the_same(earned: list[float], came: list[int]) -> None:
    series = earning(earned, came)
    price, units = 1.0, np.float64(series.valued[0].net_liquidation)
    for point in series.valued[1:]:
        brought = np.float64(point.contribution)
        units += max(brought, 0.0) / price  # from the start of the day
        price = (np.float64(point.net_liquidation) - min(brought, 0.0)) / units
        units += min(brought, 0.0) / price  # until its end
    assert time_weighted_return(series).value == pytest.approx(price - 1, rel=1e-9, abs=1e-9)


@given(returned, flows)
@settings(max_examples=40, deadline=None)
def test_the_money_weighted_return_is_the_root_that_pyxirr_finds(
    earned: list[float], came: list[int]
) -> None:
    series = earning(earned, came)
    dates, amounts = [series.valued[0].at], [-np.float64(series.valued[0].net_liquidation)]
    for point in series.valued[1:]:
        brought = np.float64(point.contribution)
        dates.append(point.at - timedelta(days=1) if brought > 0 else point.at)
        amounts.append(-brought)
    dates.append(series.valued[-1].at)
    amounts.append(np.float64(series.valued[-1].net_liquidation))
    rate = pyxirr.xirr(dates, amounts)
    found = money_weighted_return(series)
    assert rate is not None
    assert found.value is not None, found
    years = (series.valued[-1].at - series.valued[0].at).days / DAYS_PER_YEAR
    assert found.value.value == pytest.approx((1 + rate) ** years - 1, rel=1e-7, abs=1e-9)
    assert not found.value.is_annualised


def test_without_flows_money_and_time_weigh_alike() -> None:
    series = earning(generated(9))
    money, time = money_weighted_return(series).value, annualised_return(series).value
    assert money is not None
    assert time is not None
    assert money.value == pytest.approx(time.value)


def test_hours_of_a_night_do_not_deflate_the_volatility() -> None:
    """The same days, told by their hours: all of a day's change comes in one hour, and none on weekends."""
    rng = np.random.default_rng(1)
    dates = [date(2024, 1, 2) + timedelta(days=number) for number in range(1_000)]
    steps = {day: rng.normal(0, 0.01) if day.weekday() < 5 else 0.0 for day in dates}
    worth, points = Decimal(10_000), []
    for day in dates:
        for clock in range(24):
            at = pd.Timestamp(day, tz="America/New_York") + pd.Timedelta(hours=clock)
            if clock == 12:
                worth = (worth * (1 + Decimal(repr(float(steps[day]))))).quantize(Decimal("1E-9"))
            points.append(Point(at.to_pydatetime(), worth))
    series = account_series(points)
    by_day = daily_returns(series)
    by_hour = period_returns(series)
    assert by_day.per_year == 252
    assert by_hour.per_year == pytest.approx(252 * 24, rel=0.01)
    assert volatility(by_day).value == pytest.approx(0.01 * 252**0.5, rel=0.06)
    assert volatility(by_hour).value == pytest.approx(volatility(by_day).value, rel=0.01)
