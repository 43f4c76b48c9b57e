"""The arithmetic of cost and profit: exact where it can be, rounded in one known way where it cannot.

Sums, differences and products are exact. Only a division can be inexact: sharing a commission out, and an
average. A share is rounded to ``QUANTUM`` and the last part takes what remains, so that parts add up exactly.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, localcontext

EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
"""Wide enough that no product of a quantity, a price and a multiplier is ever rounded."""

_FINER = Context(prec=28)

QUANTUM = Decimal("1E-10")
"""The finest step of a quotient. Far below a cent, so that shares of shares stay right to the cent."""


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """The share of ``amount`` that belongs to ``part`` of ``whole``, which have the same sign.

    To be called in the ``EXACT`` context: the operators are twice as fast as the context's methods.

    >>> with localcontext(EXACT):
    ...     share(Decimal("4.74"), Decimal(-1), Decimal(-2)) == Decimal("2.37")
    True
    """
    if not amount or part == whole:
        return amount
    return (amount * part / whole).quantize(QUANTUM)


def shares(amount: Decimal, parts: Sequence[Decimal]) -> list[Decimal]:
    """``amount`` shared out to ``parts`` one after the other; the last takes what remains.

    >>> [str(one) for one in shares(Decimal(1), [Decimal(1), Decimal(1), Decimal(1)])]
    ['0.3333333333', '0.3333333334', '0.3333333333']
    """
    shared: list[Decimal] = []
    with localcontext(EXACT):
        left = sum(parts, Decimal(0))
        for part in parts:
            shared.append(share(amount, part, left))
            amount -= shared[-1]
            left -= part
    return shared


def restated(quantity: Decimal, parts: Sequence[Decimal]) -> list[Decimal]:
    """``parts`` of something as parts of ``quantity``, which has their sign; none of them vanishes."""
    shared = shares(quantity, parts)
    if all(shared):
        return shared
    # A lot too small for the quantum must not vanish: its cost would have nothing left to belong to.
    with localcontext(EXACT):
        whole = sum(parts, Decimal(0))
        finer = [_FINER.divide(quantity * part, whole) for part in parts[:-1]]
        return [*finer, quantity - sum(finer, Decimal(0))]


def per_unit(cost: Decimal, quantity: Decimal) -> Decimal:
    """Cost per unit, as IBKR's ``averageCost``: with multiplier and commission."""
    return EXACT.quantize(EXACT.divide(cost, quantity), QUANTUM)
