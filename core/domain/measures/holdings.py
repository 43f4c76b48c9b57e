"""How money is placed: exposure, concentration, turnover and cash.

Holdings are told at their market value in the account's currency, shorts below zero.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np

from core.domain.measures.measured import Measured, ratio, unavailable
from core.domain.measures.points import Floats
from core.domain.measures.returns import time_weighted_return
from core.domain.measures.series import AccountSeries
from core.domain.money import ZERO
from core.domain.pnl import EXACT

Key = TypeVar("Key")

SHARE_STEP: Final = Decimal("1E-12")
"""The finest step of a share of money."""


class Exposure(NamedTuple):
    """What is held, as fractions of the account's value; ``short`` is never above zero.

    ``gross`` is long − short, ``net`` long + short.
    """

    long: Decimal
    short: Decimal
    gross: Decimal
    net: Decimal


class Concentration(NamedTuple, Generic[Key]):
    """How few holdings make up the whole, each counted as its share of all, shorts taken as positive.

    ``hhi`` (Herfindahl–Hirschman) is the sum of squared shares: 1 for a single one, 1/n for n alike.
    """

    hhi: Decimal
    largest_share: Decimal
    largest: Key


def exposure(values: Iterable[Decimal | None], net_liquidation: Decimal | None) -> Measured[Exposure]:
    """How much of an account's value is held long and short; nothing held is an exposure of zero."""
    known = _known(values)
    if known is None or net_liquidation is None:
        return unavailable("incomplete_data")
    if net_liquidation <= ZERO:
        return unavailable("negative_capital")
    with localcontext(EXACT):
        long = sum((value for value in known if value > ZERO), ZERO)
        short = sum((value for value in known if value < ZERO), ZERO)
        shares = (part / net_liquidation for part in (long, short, long - short, long + short))
        return Measured(Exposure(*(share.quantize(SHARE_STEP) for share in shares)))


def concentration(values: Mapping[Key, Decimal | None]) -> Measured[Concentration[Key]]:
    """How concentrated holdings are; of what is grouped by class, currency or country as well."""
    if _known(values.values()) is None:
        return unavailable("incomplete_data")
    with localcontext(EXACT):
        sizes = {key: abs(value) for key, value in values.items() if value}
        if not sizes:
            return unavailable("no_holdings")
        whole = sum(sizes.values(), ZERO)
        squares = sum((size * size for size in sizes.values()), ZERO)
        largest = max(sizes, key=lambda key: sizes[key])
        hhi, share = squares / (whole * whole), sizes[largest] / whole
        return Measured(Concentration(hhi.quantize(SHARE_STEP), share.quantize(SHARE_STEP), largest))


def turnover(
    bought: Decimal | None, sold: Decimal | None, average_value: Decimal | None
) -> Measured[Decimal]:
    """The lesser of what was bought and what was sold, both above zero, over the average value.

    Of the time in which that was traded, never by the year.
    """
    if bought is None or sold is None or average_value is None:
        return unavailable("incomplete_data")
    if average_value <= ZERO:
        return unavailable("negative_capital")
    with localcontext(EXACT):
        return Measured((min(bought, sold) / average_value).quantize(SHARE_STEP))


def gross_exposure(series: AccountSeries) -> Measured[float]:
    """The gross exposure on average: of each point, until the next."""
    return _average_share(series, series.valued.gross)


def cash_share(series: AccountSeries) -> Measured[float]:
    """How much of the value was cash on average: of each point, until the next; below zero: borrowed."""
    return _average_share(series, series.valued.cash)


def cash_drag(series: AccountSeries) -> Measured[float]:
    """How much the account returned more, or less (below zero), than what it had invested.

    Cash is taken to earn nothing: in each interval all that was gained was gained on what was not cash.
    """
    whole = time_weighted_return(series)
    if whole.value is None:
        return whole
    cash = series.valued.cash[:-1]
    if np.isnan(cash).any():
        return unavailable("incomplete_data")
    brought = series.at_work[1:] - series.worth[:-1]
    invested = series.at_work[1:] - (cash + brought)
    # What comes to an account in which nothing was is there to be invested: no part of it was left lying.
    invested = np.where(series.worth[:-1] == 0.0, series.at_work[1:], invested)
    gains = series.earned[1:]
    growth = np.ones_like(gains)
    np.divide(gains, invested, out=growth, where=(invested > 0.0) & (gains != 0.0))
    earned = gains != 0.0
    if (earned & ~(invested > 0.0)).any():
        return unavailable("negative_capital")
    growth[earned] += 1.0
    with np.errstate(over="ignore"):
        return ratio(whole.value - (np.prod(growth).item() - 1))


def _average_share(series: AccountSeries, parts: Floats) -> Measured[float]:
    if series.span_seconds <= 0:
        return unavailable("too_few_points")
    shares = parts[:-1]
    if np.isnan(shares).any():
        return unavailable("incomplete_data")
    lasted = np.diff(series.seconds)
    worth = series.worth[:-1]
    counts = (lasted > 0.0) & ((worth != 0.0) | (shares != 0.0))  # of nothing there is no share
    if not (worth[counts] > 0.0).all():
        return unavailable("negative_capital")
    if not counts.any():
        return unavailable("too_few_points")
    return ratio((shares[counts] / worth[counts] @ lasted[counts]).item() / lasted[counts].sum().item())


def _known(values: Iterable[Decimal | None]) -> list[Decimal] | None:
    known: list[Decimal] = []
    for value in values:
        if value is None:
            return None
        known.append(value)
    return known
