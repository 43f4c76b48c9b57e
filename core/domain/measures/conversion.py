"""Points of one currency as points of another, each at the rate of its own time."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal, localcontext

from core.domain.days import end_of
from core.domain.measures.series import Point
from core.domain.pnl import EXACT
from core.domain.rate_history import RateHistory


def ends_of(at: date) -> datetime:
    """When a time of a point was over: an instant at once, a day of the broker's at midnight in New York."""
    if isinstance(at, datetime):
        return at
    return end_of(at)


def converted(points: Iterable[Point], currency: str | None, rates: RateHistory) -> list[Point]:
    """The same points in the currency of the rates.

    Where no rate was told there is no value, and no contribution unless it is nothing: neither is guessed.
    What came since the point before counts at the rate of its own point.
    """
    found: list[Point] = []
    with localcontext(EXACT):
        for point in points:
            rate = rates.at(currency, ends_of(point.at))
            found.append(
                Point(
                    point.at,
                    _times(point.net_liquidation, rate),
                    _times(point.contribution, rate),
                    _times(point.cash, rate),
                    _times(point.gross, rate),
                    point.estimated,
                )
            )
    return found


def _times(amount: Decimal | None, rate: Decimal | None) -> Decimal | None:
    if amount is None or not amount:
        return amount
    return None if rate is None else (amount if rate == 1 else amount * rate)
