"""Values that stand out of a series, by measures that what stands out does not move.

A mean and a standard deviation are pulled along by the very values that are looked for; the median and the
median absolute deviation (MAD) are not (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993).
"""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from core.domain.money import ZERO
from core.domain.pnl import EXACT

NORMAL: Final = Decimal("1.4826")
"""By which a MAD is multiplied to be the standard deviation of values that are normally distributed."""

SPLIT_LEEWAY: Final = Decimal("0.1")
"""So far, as a fraction, what is held may be worth more or less after a split than before."""


class Spread(NamedTuple):
    """Where the middle of a series is, and how far its values usually are from it."""

    median: Decimal
    deviation: Decimal


def spread(values: Sequence[Decimal]) -> Spread:
    """The median and the MAD as a standard deviation. There is at least one value.

    >>> spread([Decimal(1), Decimal(2), Decimal(3), Decimal(4), Decimal(100)])
    Spread(median=Decimal('3'), deviation=Decimal('1.4826'))
    """
    with localcontext(EXACT):
        median = _median(values)
        return Spread(median, NORMAL * _median([abs(value - median) for value in values]))


def outliers(values: Sequence[Decimal], *, times: Decimal, least: Decimal, fewest: int) -> list[int]:
    """The places of the values that are out of line; none where there are fewer than ``fewest``.

    Out of line is what is more than ``times`` the usual deviation from the median, and ``least`` at least: a
    series that hardly ever moves makes nothing of a small move.
    """
    if len(values) < fewest:
        return []
    usual = spread(values)
    limit = max(times * usual.deviation, least)
    return [place for place, value in enumerate(values) if abs(value - usual.median) > limit]


def is_split(held_before: Decimal, held: Decimal, before: Decimal, price: Decimal) -> bool:
    """Whether a price jumped because the units did: the value of what is held is about what it was.

    >>> is_split(Decimal(10), Decimal(40), Decimal(400), Decimal(101))
    True
    """
    if held_before == held or held_before * held <= ZERO or not before or not price:
        return False
    with localcontext(EXACT):
        return abs(held * price / (held_before * before) - 1) <= SPLIT_LEEWAY


def _median(values: Sequence[Decimal]) -> Decimal:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
