"""A benchmark beside a series: what it had returned at each point, as far as that is known."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from core.domain.measures.benchmark import along
from core.domain.measures.points import Point
from core.domain.measures.returns import index_returns
from core.domain.measures.series import AccountSeries, account_series
from core.domain.performance import DAYS_APART

JANUARY, MARCH = date(2025, 1, 1), date(2025, 3, 31)
SEPTEMBER, DECEMBER = date(2025, 9, 1), date(2025, 12, 31)


def series(first: date, last: date) -> AccountSeries:
    return account_series(Point(day, Decimal(100)) for day in every_day(first, last))


def every_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def levels(*times: tuple[date, date], start: int = 100) -> list[tuple[date, Decimal]]:
    """One more each day that has one."""
    days = [day for first, last in times for day in every_day(first, last)]
    return [(day, Decimal(start + number)) for number, day in enumerate(days)]


def test_each_point_has_what_was_returned_since_the_first_day() -> None:
    known = index_returns(levels((JANUARY, MARCH)))
    found = along(series(date(2025, 1, 11), date(2025, 1, 13)), known)
    assert found.tolist() == pytest.approx([0.0, 111 / 110 - 1, 112 / 110 - 1])


def test_a_level_of_before_a_gap_is_none_of_the_days_in_it() -> None:
    known = index_returns(levels((JANUARY, MARCH), (SEPTEMBER, DECEMBER)))
    days = every_day(JANUARY, date(2026, 2, 1))
    found = along(series(days[0], days[-1]), known)
    told = {day: bool(np.isfinite(one)) for day, one in zip(days, found, strict=True)}
    stale = [day for day in days if not told[day]]
    gap = every_day(MARCH + DAYS_APART + timedelta(days=1), SEPTEMBER - timedelta(days=1))
    end = every_day(DECEMBER + DAYS_APART + timedelta(days=1), days[-1])
    assert stale == gap + end
    assert found[days.index(SEPTEMBER)] == pytest.approx(0.9), "ninety levels after the first"


def test_where_the_last_level_is_long_before_the_first_day_nothing_is_known() -> None:
    known = index_returns(levels((JANUARY, MARCH), (SEPTEMBER, DECEMBER)))
    assert np.isnan(along(series(date(2025, 6, 1), DECEMBER), known)).all()
    assert np.isfinite(along(series(MARCH + DAYS_APART, MARCH + DAYS_APART), known)).all()


def test_of_a_benchmark_that_begins_later_or_has_no_levels_nothing_is_known() -> None:
    for known in (index_returns(levels((MARCH, DECEMBER))), index_returns([])):
        assert np.isnan(along(series(JANUARY, DECEMBER), known)).all()
