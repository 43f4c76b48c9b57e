"""What a series comes to in money, exactly."""

from decimal import Decimal, localcontext
from typing import cast

import numpy as np

from core.domain.measures.measured import Measured, unavailable
from core.domain.measures.series import AccountSeries
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
    lasted = np.rint(np.diff(series.seconds)).astype(np.int64)
    if not lasted.any():
        return unavailable("too_few_points")
    values = cast("list[Decimal]", series.valued.net_liquidation)
    # Of points as far from each other as the ones before, one multiplication does.
    starts = np.concatenate(([0], np.flatnonzero(np.diff(lasted)) + 1)).tolist()
    runs = zip(starts, [*starts[1:], len(lasted)], lasted[starts].tolist(), strict=True)
    with localcontext(EXACT):
        total = sum((sum(values[start:stop], ZERO) * seconds for start, stop, seconds in runs), ZERO)
        return Measured((total / lasted.sum().item()).quantize(QUANTUM))
