"""What accounts were worth, point by point, made ready for measures.

Money is kept as ``Decimal``, and every sum of it is exact. Returns and what is reckoned from them are ratios:
those are arrays of float64, built once. The return of an interval, from one point to the next, is that of
core.domain.performance, for hours as for days:

    return = (value - value before - contribution) / (value before + max(contribution, 0))

Two points of one instant, one before a flow and one after it, are the flow valued at its instant: nothing is
gained between them, so that the flow is no part of any return (a sub-period ends at each flow).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

import numpy as np

from core.domain.measures.periods import Floats, Periods, days_of, trading_periods
from core.domain.money import ZERO
from core.domain.performance import DAYS_APART, Quality, Resolution
from core.domain.pnl import EXACT

_EPOCH: Final = date(1970, 1, 1).toordinal()


class Point(NamedTuple):
    """What an account was worth at an instant (aware), or at the end of a day, in one currency.

    ``contribution`` is what the owner brought less what he took since the point before. ``None``: not known.
    ``gross`` is the value of all holdings, shorts taken as positive. A point that was valued or placed by our
    own reckoning is ``estimated``.
    """

    at: date
    net_liquidation: Decimal | None
    contribution: Decimal | None = ZERO
    cash: Decimal | None = None
    gross: Decimal | None = None
    estimated: bool = False


class Flow(NamedTuple):
    """What came (above zero) or went at a time, which is told in seconds as by ``instant_of``."""

    seconds: float
    amount: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class AccountSeries:
    """Points with known values, oldest first, and what lies between them; arrays have an entry for each.

    ``points`` is everything that was told; ``valued`` those of them with a value, each with what was
    contributed since the valued one before. ``gains`` is the change in value less that. The first entry of
    ``gains`` and ``growth`` belongs to no interval. ``index`` is what one unit at the first point has come to
    at each; NaN from where that cannot be told.

    ``flows`` is ``None`` where one of them is not known. ``first_day`` is the broker's day of the first
    value.
    """

    resolution: Resolution
    currency: str | None
    closed: Collection[date]
    points: tuple[Point, ...]
    valued: tuple[Point, ...]
    gains: tuple[Decimal | None, ...]
    flows: tuple[Flow, ...] | None
    quality: Quality
    seconds: Floats
    worth: Floats
    at_work: Floats
    growth: Floats
    index: Floats
    first_day: date
    periods: Periods

    def between(self, first: date, last: date) -> "AccountSeries":
        """The part of it from one time to another, both included, of the kind that its points have."""
        inside = [point for point in self.points if first <= point.at <= last]
        return account_series(inside, currency=self.currency, closed=self.closed)

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
    told = tuple(points)
    resolution = _resolution(told)
    with localcontext(EXACT):
        valued, gains, flows = _intervals(told, resolution)
    seconds = np.array([instant_of(point.at, resolution) for point in valued], dtype=np.float64)
    worth = np.array([point.net_liquidation for point in valued], dtype=np.float64)
    contributed = np.array([point.contribution for point in valued], dtype=np.float64)
    at_work = np.empty_like(worth)
    at_work[:1] = np.nan
    at_work[1:] = worth[:-1] + np.maximum(contributed[1:], 0.0)
    growth = _growth(np.array(gains, dtype=np.float64), at_work)
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
        flows=flows,
        quality="complete",
        seconds=seconds,
        worth=worth,
        at_work=at_work,
        growth=growth,
        index=index,
        first_day=days[0].item() if len(days) else date.min,
        periods=periods,
    )
    return replace(series, quality=_quality(series))


def group_series(accounts: Sequence[AccountSeries]) -> AccountSeries:
    """Several accounts as one, in the time in which each of them has points.

    Where one of them has no value, there is none of the group: it is incomplete, not smaller. So an account
    that joins or leaves in between has to begin or end with a point of zero.

    Raises:
        ValueError: none, or not all of one currency and one resolution.

    """
    kinds = {(one.resolution, one.currency) for one in accounts}
    if len(kinds) != 1:
        raise ValueError("a group is of at least one account, and all of one currency and resolution")
    if not all(one.points for one in accounts):
        return account_series([], currency=accounts[0].currency)
    by_time: list[dict[date, list[Point]]] = []
    for one in accounts:
        times: dict[date, list[Point]] = {}
        for point in one.points:
            times.setdefault(point.at, []).append(point)
        by_time.append(times)
    first = max(one.points[0].at for one in accounts)
    last = min(one.points[-1].at for one in accounts)
    every = sorted({at for times in by_time for at in times if first <= at <= last})
    with localcontext(EXACT):
        points = [point for at in every for point in _together(at, [times.get(at, []) for times in by_time])]
    closed = frozenset.intersection(*(frozenset(one.closed) for one in accounts))
    return account_series(points, currency=accounts[0].currency, closed=closed)


def _together(at: date, told: Sequence[Sequence[Point]]) -> Iterable[Point]:
    """The points of one time; an account with fewer of them than another keeps its last one."""
    for number in range(max(map(len, told))):
        ones = [points[min(number, len(points) - 1)] for points in told if points]
        news = [points[number] for points in told if number < len(points)]
        is_whole = len(ones) == len(told)
        yield Point(
            at,
            _sum(one.net_liquidation for one in ones) if is_whole else None,
            _sum(one.contribution for one in news),
            _sum(one.cash for one in ones) if is_whole else None,
            _sum(one.gross for one in ones) if is_whole else None,
            any(one.estimated for one in ones),
        )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _resolution(points: Sequence[Point]) -> Resolution:
    if not points:
        return "day"
    is_hourly = isinstance(points[0].at, datetime)
    before: date | None = None
    for point in points:
        at = point.at
        if isinstance(at, datetime) is not is_hourly:
            raise ValueError("a series is of days or of instants, not of both")
        if isinstance(at, datetime) and at.tzinfo is None:
            raise ValueError("an instant needs its zone")
        if before is not None and (at < before or (at == before and not is_hourly)):
            raise ValueError(f"points are told oldest first, and one a day: {at} after {before}")
        before = at
    return "hour" if is_hourly else "day"


def _intervals(
    points: Sequence[Point], resolution: Resolution
) -> tuple[tuple[Point, ...], tuple[Decimal | None, ...], tuple[Flow, ...] | None]:
    """The points with a value, what was gained before each, and every flow between the first and the last."""
    valued: list[Point] = []
    gains: list[Decimal | None] = []
    flows: list[Flow] = []
    upcoming: list[Flow] = []
    before: Decimal | None = None
    carried: Decimal | None = ZERO
    for point in points:
        value, came = point.net_liquidation, point.contribution
        if before is None:
            if value is not None:
                valued.append(point._replace(contribution=ZERO))
                gains.append(ZERO)
                before = value
            continue
        if came:
            upcoming.append(Flow(instant_of(point.at, resolution), came))
        carried = None if carried is None or came is None else carried + came
        if value is not None:
            gains.append(None if carried is None else value - before - carried)
            valued.append(point if carried == came else point._replace(contribution=carried))
            flows += upcoming
            upcoming.clear()
            before, carried = value, ZERO
    return tuple(valued), tuple(gains), None if None in gains else tuple(flows)


def instant_of(at: date, resolution: Resolution) -> float:
    """A time in seconds since 1970; a day counts as a whole, so that only spans of days mean something."""
    if resolution == "hour" and isinstance(at, datetime):
        return at.timestamp()
    return 86_400.0 * (at.toordinal() - _EPOCH)


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
    return "estimated" if gaps.any() or any(point.estimated for point in series.points) else "complete"
