"""An account's returns held against those of something else, day for day.

Both are linked over the days that they have in common, so that a day which one of them lacks (a holiday
elsewhere) is part of the next return of both.
"""

import math
from datetime import date
from typing import NamedTuple

import numpy as np

from core.domain.measures.measured import Measured, Reason, ratio, unavailable
from core.domain.measures.periods import Days, days_of, per_year
from core.domain.measures.points import Floats
from core.domain.measures.returns import Returns
from core.domain.measures.risk import RiskFree, excess, spread, why_too_little
from core.domain.measures.series import AccountSeries
from core.domain.performance import DAYS_APART

_NO_DAYS: Days = np.empty(0, dtype="datetime64[D]")


class Aligned(NamedTuple):
    """Returns of two over the same days."""

    own: Returns
    benchmark: Returns


def aligned(own: Returns, benchmark: Returns) -> Measured[Aligned]:
    """Both over their common days. They are daily (``daily_returns``, ``index_returns``)."""
    reason = why_too_little(own) or why_too_little(benchmark)
    if reason:
        return unavailable(reason)
    days = np.intersect1d(_days(own), _days(benchmark), assume_unique=True)
    if len(days) < 2:  # noqa: PLR2004 - a return is between two days
        return unavailable("too_few_points")
    scale = per_year(days[0], days[1:], _NO_DAYS)
    first: date = days[0].item()
    over = [_over(days, one) for one in (own, benchmark)]
    if not all(np.isfinite(values).all() for values in over):
        return unavailable("negative_capital")  # after all was lost there are no returns
    return Measured(Aligned(*(Returns(values, days[1:], first, scale) for values in over)))


def along(series: AccountSeries, benchmark: Returns) -> Floats:
    """What a benchmark had returned since the first day of a series, at each of its points, as a fraction.

    NaN where that is not known: it has no level of the days up to a point (``DAYS_APART``), and everywhere
    where it has none of those up to the first day.
    """
    if benchmark.first_day > series.first_day:
        return np.full_like(series.seconds, np.nan)
    index = np.concatenate(([1.0], np.cumprod(1.0 + benchmark.values)))
    known = np.concatenate((np.array([benchmark.first_day], dtype="datetime64[D]"), benchmark.days))

    def level_at(days: Days) -> Floats:
        places = np.searchsorted(known, days, side="right") - 1
        level: Floats = np.where(days - known[places] <= np.timedelta64(DAYS_APART), index[places], np.nan)
        return level

    begun = level_at(np.array([series.first_day], dtype="datetime64[D]"))
    return level_at(days_of(series.seconds, series.resolution)) / begun - 1.0


def beta(own: Returns, benchmark: Returns, risk_free: RiskFree = 0.0) -> Measured[float]:
    """How much the account moves with the benchmark: covariance over the benchmark's variance."""
    both = _excesses(own, benchmark, risk_free)
    return unavailable(both) if isinstance(both, str) else _slope(both.own, both.benchmark)


def alpha(own: Returns, benchmark: Returns, risk_free: RiskFree = 0.0) -> Measured[float]:
    """What the account earned beyond what its beta explains (Jensen), by the year."""
    both = _excesses(own, benchmark, risk_free)
    if isinstance(both, str):
        return unavailable(both)
    slope = _slope(both.own, both.benchmark)
    if slope.value is None:
        return slope
    return ratio((both.own.mean() - slope.value * both.benchmark.mean()).item() * both.per_year)


def correlation(own: Returns, benchmark: Returns) -> Measured[float]:
    """How straight they move together, from -1 to 1."""
    both = _excesses(own, benchmark, 0.0)
    if isinstance(both, str):
        return unavailable(both)
    if not (spread(both.own) and spread(both.benchmark)):
        return unavailable("no_variation")
    return ratio(min(1.0, max(-1.0, np.corrcoef(both.own, both.benchmark)[0, 1].item())))


def tracking_error(own: Returns, benchmark: Returns) -> Measured[float]:
    """The sample standard deviation of the difference between the two, by the year."""
    both = _excesses(own, benchmark, 0.0)
    if isinstance(both, str):
        return unavailable(both)
    return ratio(spread(both.own - both.benchmark) * math.sqrt(both.per_year))


def information_ratio(own: Returns, benchmark: Returns) -> Measured[float]:
    """Mean return above the benchmark for each unit of tracking error, by the year."""
    both = _excesses(own, benchmark, 0.0)
    if isinstance(both, str):
        return unavailable(both)
    active = both.own - both.benchmark
    deviation = spread(active)
    if not deviation:
        return unavailable("no_variation")
    return ratio(active.mean().item() / deviation * math.sqrt(both.per_year))


class _Excesses(NamedTuple):
    own: Floats
    benchmark: Floats
    per_year: float


def _excesses(own: Returns, benchmark: Returns, risk_free: RiskFree) -> _Excesses | Reason:
    both = aligned(own, benchmark)
    if both.value is None:
        return both.reason or "incomplete_data"
    mine, its = excess(both.value.own, risk_free), excess(both.value.benchmark, risk_free)
    if isinstance(mine, str):
        return mine
    if isinstance(its, str):
        return its
    return _Excesses(mine, its, both.value.own.per_year)


def _slope(own: Floats, benchmark: Floats) -> Measured[float]:
    if not spread(benchmark):
        return unavailable("no_variation")
    return ratio((np.cov(own, benchmark)[0, 1] / benchmark.var(ddof=1)).item())


def _days(returns: Returns) -> Days:
    days: Days = np.concatenate((np.array([returns.first_day], dtype="datetime64[D]"), returns.days))
    return np.unique(days)


def _over(days: Days, returns: Returns) -> Floats:
    """Returns from each of these days to the next."""
    index = np.concatenate(([1.0], np.cumprod(1.0 + returns.values)))
    own_days = np.concatenate((np.array([returns.first_day], dtype="datetime64[D]"), returns.days))
    at = index[np.searchsorted(own_days, days, side="right") - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        over: Floats = at[1:] / at[:-1] - 1.0
    return over
