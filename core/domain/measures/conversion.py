"""Points of one currency as points of another, each at the rate of its own time."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from decimal import localcontext

import numpy as np

from core.domain.days import end_of
from core.domain.measures.points import Amounts, Floats, Instants, Point, Points, floats_of, moments_of
from core.domain.pnl import EXACT
from core.domain.rate_history import RateHistory


def ends_of(at: date) -> datetime:
    """When a time of a point was over: an instant at once, a day of the broker's at midnight in New York."""
    if isinstance(at, datetime):
        return at
    return end_of(at)


def converted(points: Iterable[Point], currency: str | None, rates: RateHistory) -> Points:
    """The same points in the currency of the rates.

    Where no rate was told there is no value, and no contribution unless it is nothing: neither is guessed.
    What came since the point before counts at the rate of its own point.
    """
    told = Points.of(points)
    at = told.at if isinstance(told.at, Instants) else [ends_of(one) for one in told.at]
    found = rates.along(currency, moments_of(at))
    ratios = floats_of(found)
    with localcontext(EXACT):
        return replace(
            told,
            net_liquidation=_times(told.net_liquidation, found),
            contribution=_times(told.contribution, found),
            cash=_parts(told.cash, ratios),
            gross=_parts(told.gross, ratios),
        )


def _times(amounts: Amounts, rates: Amounts) -> Amounts:
    return [
        (None if rate is None else amount * rate) if amount else amount
        for amount, rate in zip(amounts, rates, strict=True)
    ]


def _parts(amounts: Floats, rates: Floats) -> Floats:
    return np.where(amounts == 0.0, amounts, amounts * rates)
