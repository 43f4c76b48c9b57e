"""How far an account was below its highest, flows taken out: of its growth index, not of its value."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from core.domain.measures.measured import Measured, Reason, unavailable
from core.domain.measures.periods import Indexes
from core.domain.measures.points import Floats
from core.domain.measures.returns import why_broken
from core.domain.measures.series import AccountSeries

_NOISE: Final = 1e-12
"""What is less below the highest is rounding: it has recovered."""


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A time below the highest so far: from the last point at it until the first that is there again.

    ``depth`` is a fraction, below zero. ``recovery`` is ``None`` while it lasts; ``last`` is the recovery, or
    the last point there is. Times are those of the points: days, or instants.
    """

    depth: float
    peak: date
    trough: date
    recovery: date | None
    last: date

    @property
    def length(self) -> timedelta:
        """From the peak to the recovery, or to the last point while it lasts."""
        return self.last - self.peak


def maximum_drawdown(series: AccountSeries) -> Measured[float]:
    """The deepest fall below the highest so far, a fraction, never above zero."""
    below, reason = _underwater(series)
    return unavailable(reason) if reason else Measured(_fraction(below.min()))


def current_drawdown(series: AccountSeries) -> Measured[float]:
    """How far the last point is below the highest so far, a fraction, never above zero."""
    below, reason = _underwater(series)
    return unavailable(reason) if reason else Measured(_fraction(below[-1]))


def drawdowns(series: AccountSeries, worst: int = 5) -> Measured[tuple[Drawdown, ...]]:
    """The deepest ones, the deepest first, the earlier first of two as deep; none where it never fell."""
    below, reason = _underwater(series)
    if reason:
        return unavailable(reason)
    firsts, stops = _spells(below)
    if not len(firsts):
        return Measured(())
    # The entry added at the end is what a spell that lasts stops at.
    depths = np.minimum.reduceat(np.append(below, 0.0), np.column_stack((firsts, stops)).ravel())[::2]
    deepest = np.argsort(depths, kind="stable")[:worst]
    return Measured(
        tuple(_drawdown(series, below, int(firsts[one]), int(stops[one])) for one in deepest.tolist())
    )


def underwater(series: AccountSeries) -> Measured[Floats]:
    """How far each point was below the highest so far: fractions, zero where it was the highest."""
    below, reason = _underwater(series)
    return unavailable(reason) if reason else Measured(np.where(below < -_NOISE, below, 0.0))


def _underwater(series: AccountSeries) -> tuple[Floats, Reason | None]:
    index, reason = series.index, why_broken(series)
    if reason:
        return index, reason
    if not np.isfinite(index).all():
        return index, "out_of_range"
    below: Floats = index / np.maximum.accumulate(index) - 1.0
    return below, None


def _spells(below: Floats) -> tuple[Indexes, Indexes]:
    """The first point of each spell below the highest, and the first after it."""
    is_below = np.concatenate(([False], below < -_NOISE, [False]))
    edges = np.flatnonzero(is_below[1:] != is_below[:-1])
    return edges[::2], edges[1::2]


def _drawdown(series: AccountSeries, below: Floats, first: int, stop: int) -> Drawdown:
    trough = first + int(below[first:stop].argmin())
    recovered = stop < len(below)
    return Drawdown(
        depth=below[trough].item(),
        peak=series.valued[first - 1].at,
        trough=series.valued[trough].at,
        recovery=series.valued[stop].at if recovered else None,
        last=series.valued[stop if recovered else stop - 1].at,
    )


def _fraction(below: np.float64) -> float:
    return below.item() if below < -_NOISE else 0.0
