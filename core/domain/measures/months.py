"""What each month and each year returned, by the broker's days."""

from datetime import date
from typing import Final, NamedTuple

import numpy as np

from core.domain.measures.measured import Measured, ratio, unavailable
from core.domain.measures.periods import Days, Indexes
from core.domain.measures.series import AccountSeries
from core.domain.performance import DAYS_APART

MONTHS: Final = 12

_NOTHING: Final[Measured[float]] = Measured(None, "too_few_points")


class YearOfReturns(NamedTuple):
    """The returns of a year's months, January first, and of all of it that the series has."""

    year: int
    months: tuple[Measured[float], ...]
    whole: Measured[float]


def yearly_returns(series: AccountSeries) -> tuple[YearOfReturns, ...]:
    """The linked returns of each month and year of a series, oldest first; the first and last may be parts.

    An interval belongs to the month that it ends in. One that began in another month and is longer than
    ``DAYS_APART`` tells nothing of either.
    """
    if len(series.seconds) < 2:  # noqa: PLR2004 - a return is between two points
        return ()
    days = series.days
    months = days.astype("datetime64[M]")
    found = _linked(series, days, months)
    years = _linked(series, days, days.astype("datetime64[Y]"))
    first, last = min(years).year, max(years).year
    return tuple(
        YearOfReturns(
            year,
            tuple(found.get(date(year, month + 1, 1), _NOTHING) for month in range(MONTHS)),
            years.get(date(year, 1, 1), _NOTHING),
        )
        for year in range(first, last + 1)
    )


def _linked(series: AccountSeries, days: Days, periods: Days) -> dict[date, Measured[float]]:
    """By the first day of each period, what the intervals that end in it come to."""
    ends = periods[1:]
    starts: Indexes = np.concatenate(([0], np.flatnonzero(ends[1:] != ends[:-1]) + 1))
    growth = series.growth[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        linked = np.multiply.reduceat(growth, starts)
    reaches = (ends != periods[:-1]) & (days[1:] - days[:-1] > np.timedelta64(DAYS_APART))
    too_far = np.logical_or.reduceat(reaches, starts)
    is_unknown = np.logical_or.reduceat(np.isnan(series.earned[1:]), starts)
    found: dict[date, Measured[float]] = {}
    for period, value, is_too_far, is_untold in zip(
        ends[starts].astype("datetime64[D]").tolist(),
        linked.tolist(),
        too_far.tolist(),
        is_unknown.tolist(),
        strict=True,
    ):
        if is_too_far or is_untold:
            found[period] = unavailable("incomplete_data")
        elif np.isnan(value):
            found[period] = unavailable("negative_capital")
        else:
            found[period] = ratio(value - 1.0)
    return found
