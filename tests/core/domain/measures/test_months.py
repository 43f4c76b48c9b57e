"""What months and years returned."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from core.domain.measures.measured import Measured
from core.domain.measures.months import yearly_returns
from core.domain.measures.points import Point
from core.domain.measures.series import account_series
from tests.core.domain.measures.building import days, earning, hours, trading_days


@pytest.mark.parametrize("seed", range(3))
def test_months_and_years_are_those_that_pandas_links(seed: int) -> None:
    earned = np.random.default_rng(seed).normal(0.0004, 0.011, 700).round(6).tolist()
    series = earning(earned, [500, -800, 0, 3_000] * 40)
    plain = pd.Series(1 + np.array(earned), index=pd.DatetimeIndex(trading_days(701)[1:]))
    months, years = plain.resample("ME").prod() - 1, plain.resample("YE").prod() - 1
    found = yearly_returns(series)
    told = {
        (one.year, month + 1): figure.value
        for one in found
        for month, figure in enumerate(one.months)
        if figure.value is not None
    }
    assert told == {(at.year, at.month): pytest.approx(value, rel=1e-9) for at, value in months.items()}
    assert [one.whole.value for one in found] == [pytest.approx(value, rel=1e-9) for value in years]


def test_a_month_without_a_point_has_no_return_and_a_gap_is_no_months() -> None:
    told = [
        (date(2024, 1, 30), 100),
        (date(2024, 1, 31), 110),
        (date(2024, 3, 15), 121),
        (date(2024, 3, 18), 121),
    ]
    [year] = yearly_returns(account_series(Point(day, worth) for day, worth in told))  # type: ignore[arg-type]
    assert year.months[0].value == pytest.approx(0.1)
    assert year.months[1] == Measured(None, "too_few_points")
    assert year.months[2] == Measured(None, "incomplete_data")
    assert year.whole.value == pytest.approx(0.21)


def test_what_cannot_be_told_of_a_month_is_not_told() -> None:
    [unknown] = yearly_returns(days(100, (110, None), 120))
    assert unknown.months[0] == Measured(None, "incomplete_data")
    assert unknown.whole == Measured(None, "incomplete_data")
    [broken] = yearly_returns(days(100, -10, 5))
    assert broken.months[0].reason == "negative_capital"
    assert yearly_returns(days(100)) == ()


def test_an_hour_belongs_to_the_broker_month_that_its_middle_is_in() -> None:
    at_midnight = pd.Timestamp("2024-01-31 23:00", tz="America/New_York").to_pydatetime()
    [year] = yearly_returns(hours(100, 110, 121, first=at_midnight))
    assert [one.value for one in year.months[:2]] == [pytest.approx(0.1), pytest.approx(0.1)]
