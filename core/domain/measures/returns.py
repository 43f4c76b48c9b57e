"""Time-weighted returns: of the whole time, by the year, period by period and day by day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from typing import NamedTuple, cast

import numpy as np

from core.domain.measures.measured import Measured, PeriodReturn, Reason, by_the_year, ratio, unavailable
from core.domain.measures.periods import Days, per_year
from core.domain.measures.points import Floats
from core.domain.measures.series import AccountSeries
from core.domain.money import ZERO
from core.domain.pnl import EXACT
from core.domain.statistics import profit_factor, win_rate

_NO_DAYS: Days = np.empty(0, dtype="datetime64[D]")


@dataclass(frozen=True, slots=True, eq=False)
class Returns:
    """Returns of successive periods as fractions, NaN where one cannot be told, and the day that each is in.

    ``first_day`` is the day of the value from which the first of them is; ``per_year`` is how many of them
    make a year.
    """

    values: Floats
    days: Days
    first_day: date
    per_year: float

    @property
    def missing(self) -> Reason | None:
        """Why nothing can be said of all of them together."""
        return "incomplete_data" if np.isnan(self.values).any() else None


class DayReturn(NamedTuple):
    """What a day returned, as a fraction."""

    day: date
    value: float


class DayOutcomes(NamedTuple):
    """How days ended, in money: won above zero, lost below; ``decided`` are all whose profit is known."""

    days: int
    decided: int
    won: int
    lost: int
    gross_profit: Decimal
    gross_loss: Decimal

    @property
    def win_rate(self) -> Decimal | None:
        """The fraction of decided days that were won; ``None`` before the first."""
        return win_rate(self.won, self.decided)

    @property
    def profit_factor(self) -> Decimal | None:
        """What was won for each unit lost; ``None`` where nothing was lost."""
        return profit_factor(self.gross_profit, self.gross_loss)


def why_broken(series: AccountSeries) -> Reason | None:
    """Why its index is not known to its end; ``None`` where it is."""
    index = series.index
    if len(index) < 2:  # noqa: PLR2004 - an interval has two ends
        return "too_few_points"
    if not np.isnan(index[-1]):
        return None
    first = int(np.isnan(index).argmax())
    return "incomplete_data" if series.gains[first] is None else "negative_capital"


def time_weighted_return(series: AccountSeries) -> Measured[float]:
    """What one unit at the first point came to at the last, less one: flows do not move it."""
    reason = why_broken(series)
    return unavailable(reason) if reason else ratio(series.index[-1].item() - 1)


def annualised_return(series: AccountSeries) -> Measured[PeriodReturn]:
    """The time-weighted return by the year (CAGR), or that of the whole time where it is under a year."""
    total = time_weighted_return(series)
    if total.value is None:
        return unavailable(total.reason or "incomplete_data")
    return by_the_year(1 + total.value, series.span_seconds)


def period_returns(series: AccountSeries) -> Returns:
    """The returns of the series' own periods: hours or days of trading."""
    periods = series.periods
    if len(periods.starts) == len(series.growth) - 1:
        values = series.growth[1:] - 1.0
    elif len(periods.starts):
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.multiply.reduceat(series.growth, periods.starts) - 1.0
    else:
        values = np.empty(0)
    return Returns(values, periods.days, series.first_day, periods.per_year)


def daily_returns(series: AccountSeries) -> Returns:
    """The returns of its days of trading, each linked from those of its hours."""
    returns = period_returns(series)
    if not len(returns.values):
        return returns
    days, starts = np.unique(returns.days, return_index=True)
    if len(days) == len(returns.days):
        return returns
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.multiply.reduceat(1.0 + returns.values, starts) - 1.0
    scale = returns.per_year * len(days) / len(returns.days)
    return Returns(values, days, returns.first_day, scale)


def index_returns(levels: Iterable[tuple[date, Decimal | None]]) -> Returns:
    """The daily returns of an index, a fund or a rate of exchange from its levels, one a day, oldest first.

    A day without a level is left out: the next return is since the one before it.

    Raises:
        ValueError: days out of order, or a level that is not above zero.

    """
    known = [(day, level) for day, level in levels if level is not None]
    days = np.array([day for day, _ in known], dtype="datetime64[D]")
    values = np.array([level for _, level in known], dtype=np.float64)
    if (days[1:] <= days[:-1]).any() or not (values > 0.0).all():
        raise ValueError("levels are above zero and told oldest first, one a day")
    if not known:
        return Returns(values, days, date.min, per_year=0.0)
    scale = per_year(days[0], days[1:], _NO_DAYS) if len(days) > 1 else 0.0
    return Returns(values[1:] / values[:-1] - 1.0, days[1:], known[0][0], scale)


def best_day(series: AccountSeries) -> Measured[DayReturn]:
    """The day that returned most, the first of several."""
    return _extreme(daily_returns(series), highest=True)


def worst_day(series: AccountSeries) -> Measured[DayReturn]:
    """The day that returned least, the first of several."""
    return _extreme(daily_returns(series), highest=False)


def positive_days(series: AccountSeries) -> Measured[float]:
    """The fraction of its days of trading whose return is above zero."""
    returns = daily_returns(series)
    if not len(returns.values):
        return unavailable("too_few_points")
    if returns.missing:
        return unavailable(returns.missing)
    return ratio(np.mean(returns.values > 0.0).item())


def day_outcomes(series: AccountSeries) -> DayOutcomes:
    """How its days of trading ended. One whose profit is not known counts for nothing but their number."""
    periods = series.periods
    if not len(periods.days):
        return DayOutcomes(0, 0, 0, 0, ZERO, ZERO)
    # Periods follow one another without a gap, and those of a day as well.
    days, firsts = np.unique(periods.days, return_index=True)
    starts = periods.starts[firsts]
    stops = np.append(starts[1:], periods.ends[-1] + 1)
    is_known = ~np.logical_or.reduceat(np.isnan(series.earned), starts)
    gains = cast("tuple[Decimal, ...]", series.gains)  # of the days that are known
    with localcontext(EXACT):
        known = [
            sum(gains[start:stop], ZERO)
            for start, stop in zip(starts[is_known].tolist(), stops[is_known].tolist(), strict=True)
        ]
        won = [total for total in known if total > ZERO]
        lost = [total for total in known if total < ZERO]
        return DayOutcomes(len(days), len(known), len(won), len(lost), sum(won, ZERO), sum(lost, ZERO))


def _extreme(returns: Returns, *, highest: bool) -> Measured[DayReturn]:
    if not len(returns.values):
        return unavailable("too_few_points")
    if returns.missing:
        return unavailable(returns.missing)
    at = int(returns.values.argmax() if highest else returns.values.argmin())
    found = ratio(returns.values[at].item())
    if found.value is None:
        return unavailable(found.reason or "out_of_range")
    return Measured(DayReturn(returns.days[at].item(), found.value))
