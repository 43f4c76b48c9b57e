"""What a series comes to in money, exactly."""

from decimal import Decimal, localcontext
from itertools import pairwise

from core.domain.measures.measured import Measured, unavailable
from core.domain.measures.series import AccountSeries, instant_of
from core.domain.money import ZERO
from core.domain.pnl import EXACT, QUANTUM


def net_contribution(series: AccountSeries) -> Measured[Decimal]:
    """What the owner brought less what he took after the first value, up to the last."""
    if len(series.valued) < 2:  # noqa: PLR2004 - a change is between two values
        return unavailable("too_few_points")
    if series.flows is None:
        return unavailable("incomplete_data")
    with localcontext(EXACT):
        return Measured(sum((flow.amount for flow in series.flows), ZERO))


def gain(series: AccountSeries) -> Measured[Decimal]:
    """The change in value from the first to the last, less what was contributed."""
    contributed = net_contribution(series)
    first, last = (series.valued[0], series.valued[-1]) if contributed.value is not None else (None, None)
    if contributed.value is None or first is None or last is None:
        return contributed
    with localcontext(EXACT):
        return Measured((last.net_liquidation or ZERO) - (first.net_liquidation or ZERO) - contributed.value)


def average_value(series: AccountSeries) -> Measured[Decimal]:
    """What the account was worth on average: each value counts until the next, to the tenth digit."""
    if series.span_seconds <= 0:
        return unavailable("too_few_points")
    total, span = ZERO, ZERO
    with localcontext(EXACT):
        for before, after in pairwise(series.valued):
            lasted = Decimal(
                round(instant_of(after.at, series.resolution) - instant_of(before.at, series.resolution))
            )
            total += (before.net_liquidation or ZERO) * lasted
            span += lasted
        return Measured((total / span).quantize(QUANTUM)) if span else unavailable("too_few_points")
