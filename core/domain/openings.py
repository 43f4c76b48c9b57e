"""What was held before the first fill that is known, as far as statements tell.

A statement's closing trades say what they closed had cost. The oldest lots are closed first, so each closing
that reaches into what was held before tells the cost of one lot of it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from core.domain.fills import Fill
from core.domain.money import ZERO

Closings = Mapping[str, Decimal | None]
"""By execution id, of trades that only closed: what that had cost, unsigned; ``None``: not stated."""


class OpeningLot(NamedTuple):
    """A lot of unknown origin: its signed quantity, and its total cost, signed alike; ``None``: not known."""

    quantity: Decimal
    cost: Decimal | None


def held_before(fills: Sequence[Fill], closings: Closings) -> Decimal:
    """The least that must have been held before, so that what only closed had something to close."""
    running = least = ZERO
    for fill in fills:
        held = running + least
        after = held + fill.quantity
        # It closed, and would end on the other side: by so much was more held before.
        if fill.exec_id in closings and after * fill.quantity > ZERO and held * fill.quantity <= ZERO:
            least -= after
        running += fill.quantity
    return least


def opening_lots(
    quantity: Decimal,
    fills: Sequence[Fill],
    closings: Closings,
    point_value: Decimal,
    cost_after: Decimal | None,
) -> list[OpeningLot] | None:
    """The lots that ``quantity`` held before ``fills`` was made of, the oldest first.

    ``cost_after`` is the total cost of what is held after all of them, where that is known. ``None`` where
    some lot's cost cannot be told. To be called in the ``EXACT`` context.
    """
    sign = 1 if quantity > ZERO else -1
    left = abs(quantity)
    lots: list[OpeningLot] = []
    opened: list[tuple[Decimal, Decimal]] = []
    for fill in fills:
        size = fill.quantity * sign
        if size > ZERO:
            paid = fill.quantity * fill.price * point_value + (fill.commission or ZERO)
            opened.append((size, paid * sign))
            continue
        if not left:
            break
        taken = min(-size, left)
        cost = closings.get(fill.exec_id)
        if cost is None:
            return None
        others = _cost_of_first(opened, -size - taken)
        if others is None:
            return None
        lots.append(OpeningLot(taken * sign, (cost - others) * sign))
        left -= taken
    if left:
        if cost_after is None:
            return None
        rest = cost_after * sign - sum((cost for _, cost in opened), ZERO)
        lots.append(OpeningLot(left * sign, rest * sign))
    return lots


def _cost_of_first(opened: Sequence[tuple[Decimal, Decimal]], size: Decimal) -> Decimal | None:
    """What the first ``size`` of these had cost; ``None`` where they are not as many."""
    total = ZERO
    for held, cost in opened:
        if not size:
            break
        part = min(held, size)
        total += cost * part / held
        size -= part
    return None if size else total
