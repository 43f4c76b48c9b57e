"""Which intervals of a series are periods of trading, and how many of them make a year.

A year has 252 days of trading, the field's count. Returns of hours are scaled by 252 × the hours that a day
of trading has in the series itself: the hours of a night count in both, so that they deflate nothing. Days
without trading are no periods: what changed on them (currencies, coins) belongs to the next period.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.domain.days import BROKER_ZONE
from core.domain.measures.points import Floats, distinct
from core.domain.performance import DAYS_APART, Resolution

Indexes: TypeAlias = NDArray[np.intp]
Days: TypeAlias = NDArray[np.datetime64]

TRADING_DAYS_PER_YEAR: Final = 252

_DAY = np.timedelta64(1, "D")
_DAY_SECONDS: Final = 86_400
_HALF_AN_HOUR: Final = 1_800


class Periods(NamedTuple):
    """Each period's first interval and last point, and the broker's day that it is in.

    An interval has the number of the point that it leads to. ``per_year`` is how many of them make a year.
    """

    starts: Indexes
    ends: Indexes
    days: Days
    per_year: float


def days_of(seconds: Floats, resolution: Resolution) -> Days:
    """The broker's day of each point; of an instant, the one that the middle of the hour before it is in."""
    if resolution == "day":
        return (seconds // _DAY_SECONDS).astype("datetime64[D]")
    middle = seconds - _HALF_AN_HOUR
    utc_days, which = np.unique(np.floor_divide(middle, _DAY_SECONDS), return_inverse=True)
    at_start = np.array([_offset(day * _DAY_SECONDS) for day in utc_days.tolist()], dtype=np.float64)
    at_end = np.array([_offset((day + 1) * _DAY_SECONDS) for day in utc_days.tolist()], dtype=np.float64)
    offsets = at_start[which]
    for index in np.flatnonzero((at_start != at_end)[which]).tolist():  # the clock changes on that day
        offsets[index] = _offset(middle[index].item())
    local: Days = np.floor_divide(middle + offsets, _DAY_SECONDS).astype("datetime64[D]")
    return local


def trading_periods(seconds: Floats, days: Days, closed: Collection[date]) -> Periods:
    """The periods of a series whose points have these times and days.

    Of points on days without trading only, all intervals are one period.
    """
    count = len(seconds)
    if count < 2:  # noqa: PLR2004 - an interval has two ends
        none = np.empty(0, dtype=np.intp)
        return Periods(none, none, np.empty(0, dtype="datetime64[D]"), TRADING_DAYS_PER_YEAR)
    holidays = np.array(sorted(closed), dtype="datetime64[D]")
    is_end = np.is_busday(days, holidays=holidays)
    is_end[:-1] &= seconds[1:] > seconds[:-1]
    is_end[0] = False
    ends = np.flatnonzero(is_end)
    if not len(ends):
        ends = np.array([count - 1])
    period_days = days[ends]
    ends[-1] = count - 1  # a weekend at the end belongs to the Friday, for want of a Monday
    starts = np.concatenate(([1], ends[:-1] + 1))
    return Periods(starts, ends, period_days, per_year(days[0], period_days, holidays))


def per_year(first: np.datetime64, days: Days, holidays: Days) -> float:
    """How many periods make a year, where these are the days of all there are since the ``first`` day."""
    each = distinct(days)
    before = np.concatenate(([first], each[:-1]))
    gaps = each - before > np.timedelta64(DAYS_APART)
    # Over longer times than any holidays somebody did not look: the days in between are part of the return.
    missing = int(np.busday_count(before[gaps] + _DAY, each[gaps], holidays=holidays).sum())
    return TRADING_DAYS_PER_YEAR * len(days) / (len(each) + missing)


def _offset(seconds: float) -> float:
    shift = datetime.fromtimestamp(seconds, UTC).astimezone(BROKER_ZONE).utcoffset()
    return shift.total_seconds() if shift is not None else 0.0
