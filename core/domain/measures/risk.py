"""How much returns vary, and what was earned for it.

All are stated by the year: a mean return times the periods of a year, a deviation times the root of that.
Returns of the series' own periods serve as well as those of days (``period_returns``, ``daily_returns``).
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from core.domain.measures.drawdowns import maximum_drawdown
from core.domain.measures.measured import Measured, Reason, ratio, unavailable
from core.domain.measures.periods import Indexes
from core.domain.measures.points import Floats
from core.domain.measures.returns import Returns, annualised_return
from core.domain.measures.series import AccountSeries

RiskFree: TypeAlias = float | Mapping[date, float]
"""An annual effective rate as a fraction, of all the time, or from each of these days on."""

FEWEST_RETURNS: Final = 20
"""About a month of days: of fewer, a deviation is more chance than measure (its own is 16 % of it at 20)."""

NOISE: Final = 1e-14
"""What returns vary less than this is rounding: they do not vary."""

_DOUBT: Final = 1e-6
_AT_ONCE: Final = 1_000_000


class Rolling(NamedTuple):
    """A measure of each window: ``ends`` are the returns with which the windows end.

    A window with a return that is not known has none.
    """

    ends: Indexes
    values: Floats


def volatility(returns: Returns) -> Measured[float]:
    """The sample standard deviation of the returns, by the year."""
    reason = why_too_little(returns)
    return unavailable(reason) if reason else ratio(spread(returns.values) * math.sqrt(returns.per_year))


def rolling_volatility(returns: Returns, window: int) -> Rolling:
    """The volatility of each run of ``window`` successive returns.

    Raises:
        ValueError: a window of fewer than two returns.

    """
    if window < 2:  # noqa: PLR2004 - one return does not vary
        raise ValueError("a window has at least two returns")
    values = returns.values
    if len(values) < window:
        return Rolling(np.empty(0, dtype=np.intp), np.empty(0))
    unknown = np.isnan(values)
    some_unknown = bool(unknown.any())
    known = np.where(unknown, 0.0, values) if some_unknown else values
    variances = _rolling_variances(known, window)
    ends = np.arange(window - 1, len(values))
    if some_unknown:
        count = np.concatenate(([0], np.cumsum(unknown)))
        is_whole = count[window:] == count[:-window]
        ends, variances = ends[is_whole], variances[is_whole]
    deviations = np.sqrt(variances)
    deviations[deviations <= NOISE] = 0.0
    deviations *= math.sqrt(returns.per_year)
    return Rolling(ends, deviations)


def sharpe_ratio(returns: Returns, risk_free: RiskFree = 0.0) -> Measured[float]:
    """Mean return above the risk-free rate for each unit that it varies, by the year."""
    above = excess(returns, risk_free)
    if isinstance(above, str):
        return unavailable(above)
    deviation = spread(above)
    if not deviation:
        return unavailable("no_variation")
    return ratio(above.mean().item() / deviation * math.sqrt(returns.per_year))


def sortino_ratio(returns: Returns, risk_free: RiskFree = 0.0) -> Measured[float]:
    """Mean return above the rate for each unit of deviation below it, by the year."""
    above = excess(returns, risk_free)
    if isinstance(above, str):
        return unavailable(above)
    deviation = downside(above)
    if not deviation:
        return unavailable("no_loss")
    return ratio(above.mean().item() / deviation * math.sqrt(returns.per_year))


def downside_deviation(returns: Returns, risk_free: RiskFree = 0.0) -> Measured[float]:
    """The root of the mean squared shortfall below the rate, of all returns, by the year."""
    above = excess(returns, risk_free)
    if isinstance(above, str):
        return unavailable(above)
    return ratio(downside(above) * math.sqrt(returns.per_year))


def calmar_ratio(series: AccountSeries) -> Measured[float]:
    """The return by the year for each unit of the deepest drawdown; from a year on."""
    yearly, deepest = annualised_return(series), maximum_drawdown(series)
    if yearly.value is None or deepest.value is None:
        return unavailable(yearly.reason or deepest.reason or "incomplete_data")
    if not yearly.value.is_annualised:
        return unavailable("under_a_year")
    if not deepest.value:
        return unavailable("no_loss")
    return ratio(yearly.value.value / -deepest.value)


def excess(returns: Returns, risk_free: RiskFree) -> Floats | Reason:
    """The returns less what was to be had without risk in each period, or why that cannot be told."""
    reason = why_too_little(returns)
    if reason:
        return reason
    if not isinstance(risk_free, Mapping):
        return returns.values - _by_the_period(risk_free, returns.per_year)
    since = sorted(risk_free)
    days: list[date] = returns.days.tolist()
    if not since or days[0] < since[0]:
        return "incomplete_data"
    rates = [_by_the_period(risk_free[day], returns.per_year) for day in since]
    in_force = np.array([rates[bisect_right(since, day) - 1] for day in days], dtype=np.float64)
    above: Floats = returns.values - in_force
    return above


def why_too_little(returns: Returns) -> Reason | None:
    """Why nothing can be said of how these vary."""
    if returns.missing:
        return returns.missing
    return "too_few_points" if len(returns.values) < FEWEST_RETURNS else None


def spread(values: Floats) -> float:
    """The sample standard deviation; zero where it is but rounding."""
    deviation = values.std(ddof=1).item()
    return deviation if deviation > NOISE * (1 + np.abs(values).max().item()) else 0.0


def downside(values: Floats) -> float:
    """The root of the mean square of those below zero, of all of them; zero where it is but rounding."""
    deviation = math.sqrt(np.square(np.minimum(values, 0.0)).mean().item())
    return deviation if deviation > NOISE else 0.0


def _by_the_period(rate: float, per_year: float) -> float:
    return math.expm1(math.log1p(rate) / per_year)


def _rolling_variances(values: Floats, window: int) -> Floats:
    """By running sums, and one by one where what is left of them could be their rounding."""
    centred = values - values.mean()
    sums = np.concatenate(([0.0], np.cumsum(centred)))
    squares = np.concatenate(([0.0], np.cumsum(np.square(centred))))
    inside = sums[window:] - sums[:-window]
    variances: Floats = squares[window:] - squares[:-window] - np.square(inside) / window
    doubtful = np.flatnonzero(variances <= _DOUBT * squares[window:])
    variances /= window - 1
    windows = np.lib.stride_tricks.sliding_window_view(values, window)
    step = max(1, _AT_ONCE // window)
    for first in range(0, len(doubtful), step):
        ones = doubtful[first : first + step]
        variances[ones] = windows[ones].var(axis=1, ddof=1)
    return variances
