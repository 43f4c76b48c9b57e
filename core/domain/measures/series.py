"""What accounts were worth, point by point, made ready for measures.

Money is kept as ``Decimal``, and every sum of it is exact. Returns and what is reckoned from them are ratios:
those are arrays of float64, built once. The return of an interval, from one point to the next, is that of
core.domain.performance, for hours as for days:

    return = (value - value before - contribution) / (value before + max(contribution, 0))

Two points of one instant, one before a flow and one after it, are the flow valued at its instant: nothing is
gained between them, so that the flow is no part of any return (a sub-period ends at each flow).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, localcontext
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from core.domain.measures.periods import Days, Indexes, Periods, days_of, trading_periods
from core.domain.measures.points import Amounts, Floats, Point, Points, floats_of, instants_of, resolution_of
from core.domain.money import ZERO
from core.domain.performance import DAYS_APART, Quality, Resolution
from core.domain.pnl import EXACT


class Flow(NamedTuple):
    """What came (above zero) or went at a time, which is told in seconds as by ``instant_of``."""

    seconds: float
    amount: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class AccountSeries:
    """Points with known values, oldest first, and what lies between them; arrays have an entry for each.

    ``points`` is everything that was told; ``valued`` those of them with a value, each with what was
    contributed since the valued one before. ``gains`` is the change in value less that, and ``earned`` is the
    same as floats, NaN where it is not known. The first entry of these and of ``growth`` belongs to no
    interval. ``index`` is what one unit at the first point has come to at each; NaN from where that cannot be
    told.

    ``flows`` is ``None`` where one of them is not known. ``days`` are the broker's, ``first_day`` is that of
    the first value.
    """

    resolution: Resolution
    currency: str | None
    closed: Collection[date]
    points: Points
    valued: Points
    gains: tuple[Decimal | None, ...]
    flows: tuple[Flow, ...] | None
    quality: Quality
    seconds: Floats
    days: Days
    worth: Floats
    at_work: Floats
    earned: Floats
    growth: Floats
    index: Floats
    first_day: date
    periods: Periods

    def between(self, first: date, last: date) -> "AccountSeries":
        """The part of it from one time to another, both included, of the kind that its points have."""
        inside = np.flatnonzero([first <= at <= last for at in self.points.at])
        return account_series(self.points.at_places(inside), currency=self.currency, closed=self.closed)

    @property
    def span_seconds(self) -> float:
        """From the first value to the last."""
        return (self.seconds[-1] - self.seconds[0]).item() if len(self.seconds) else 0.0


def account_series(
    points: Iterable[Point], *, currency: str | None = None, closed: Collection[date] = ()
) -> AccountSeries:
    """A series of points, oldest first: either all of days, one a day, or all of instants.

    A point whose value is not known makes none: what was contributed counts for the next that has one, at the
    time at which it came. What was contributed up to the first value is part of it. ``closed`` are days
    without trading besides weekends.

    Raises:
        ValueError: points out of order, twice for a day, days mixed with instants, or times without a zone.

    """
    told = Points.of(points)
    resolution = resolution_of(told.at)
    instants = instants_of(told.at, resolution)
    places = np.flatnonzero([value is not None for value in told.net_liquidation])
    with localcontext(EXACT):
        came = _carried(told.contribution, places)
        valued = replace(told.at_places(places), contribution=came)
        gains = _gains(valued)
    seconds = instants[places]
    worth = floats_of(valued.net_liquidation)
    contributed = _mostly_nothing(came)
    at_work = np.empty_like(worth)
    at_work[:1] = np.nan
    at_work[1:] = worth[:-1] + np.maximum(contributed[1:], 0.0)
    earned = floats_of(gains)
    growth = _growth(earned, at_work)
    index = _index(growth)
    days = days_of(seconds, resolution)
    periods = trading_periods(seconds, days, closed)
    series = AccountSeries(
        resolution=resolution,
        currency=currency,
        closed=closed,
        points=told,
        valued=valued,
        gains=gains,
        flows=None if np.isnan(earned).any() else _flows(told.contribution, places, instants),
        quality="complete",
        seconds=seconds,
        days=days,
        worth=worth,
        at_work=at_work,
        earned=earned,
        growth=growth,
        index=index,
        first_day=days[0].item() if len(days) else date.min,
        periods=periods,
    )
    return replace(series, quality=_quality(series))


def _carried(came: Amounts, places: Indexes) -> Amounts:
    """What came between each of these places and the one before; nothing before the first."""
    if not len(places):
        return []
    first, last = places[0].item(), places[-1].item()
    if last - first + 1 == len(places):
        return [ZERO, *came[first + 1 : last + 1]]
    totals = [*accumulate(ZERO if one is None else one for one in came)]
    unknown = np.cumsum([one is None for one in came])
    return [ZERO] + [
        totals[after] - totals[before] if unknown[after] == unknown[before] else None
        for before, after in pairwise(places.tolist())
    ]


def _gains(valued: Points) -> tuple[Decimal | None, ...]:
    values = valued.net_liquidation
    changes = zip(values, values[1:], valued.contribution[1:], strict=False)
    return (
        *(ZERO for _ in values[:1]),
        *(
            None if came is None or value is None or before is None else value - before - came
            for before, value, came in changes
        ),
    )


def _flows(came: Amounts, places: Indexes, instants: Floats) -> tuple[Flow, ...]:
    first, last = (places[0].item(), places[-1].item()) if len(places) else (0, 0)
    return tuple(
        Flow(instants[place].item(), amount)
        for place, amount in enumerate(came)
        if amount and first < place <= last
    )


def _mostly_nothing(amounts: Amounts) -> Floats:
    """The same where nearly all are zero."""
    floats: Floats = np.zeros(len(amounts), dtype=np.float64)
    places = [place for place, amount in enumerate(amounts) if amount is None or amount]
    floats[places] = floats_of([amounts[place] for place in places])
    return floats


def _growth(gains: Floats, at_work: Floats) -> Floats:
    """What one unit came to in each interval; NaN where it cannot be told."""
    growth = np.full_like(gains, np.nan)
    np.divide(gains, at_work, out=growth, where=at_work > 0.0)
    growth += 1.0
    growth[(gains == 0.0) & ~(at_work > 0.0)] = 1.0  # nothing at work, and nothing gained: as if it were not
    return growth


def _index(growth: Floats) -> Floats:
    """The growths, linked. After more than all was lost nothing can be linked to what is left."""
    with np.errstate(over="ignore", invalid="ignore"):
        index: Floats = np.cumprod(growth, dtype=np.float64)
    below = index < 0.0
    if below.any():
        index[int(below.argmax()) + 1 :] = np.nan
    return index


def _quality(series: AccountSeries) -> Quality:
    if np.isnan(series.index).any():
        return "incomplete"
    gaps = np.diff(series.seconds) > DAYS_APART.total_seconds()
    return "estimated" if gaps.any() or True in series.points.estimated else "complete"
