"""Lots that go from one book to another: by a merger, a tender, another name.

The old book's fold says what left it, lot by lot; the new book's fold is given that and goes on with it, the
lots' age included. Neither knows more of the other.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext

from core.domain.anchors import Anchor
from core.domain.books import BookKey
from core.domain.episodes import Episode
from core.domain.fills import Fill
from core.domain.lots import CarriedLot, CostMethod, Disposal
from core.domain.money import ZERO
from core.domain.pnl import EXACT, QUANTUM, per_unit, restated, share, shares
from core.domain.reconciliation import costs_agree

Handed = dict[BookKey, dict[str, tuple[CarriedLot, ...]]]
"""What books handed on, by the book and the event that took it."""


def gain_on(change: Anchor, cost: Decimal | None) -> Decimal | None:
    """What was realized on what left for something else, and for money in part; ``None``: nobody knows.

    ``cost`` is that of all of it. The statement's own figure goes before the one that follows from what came
    being worth so much.
    """
    if not change.cash:
        return ZERO
    if change.realized:
        return change.realized
    if change.kept is None or cost is None:
        return None
    with localcontext(EXACT):
        return change.cash - (cost - (cost * change.kept).quantize(QUANTUM))


def handed_on(change: Anchor, disposals: Sequence[Disposal], gain: Decimal | None) -> tuple[CarriedLot, ...]:
    """The lots that a change carried off, oldest first: each with the part of its cost that was not sold."""
    parts = sorted(disposals, key=lambda one: one.opened_at)
    with localcontext(EXACT):
        costs = [None if one.cost is None else one.cost + one.open_commission for one in parts]
        if change.cash:
            known = [cost for cost in costs if cost is not None]
            if gain is None or len(known) < len(costs):
                costs = [None] * len(parts)
            else:
                left = sum(known, ZERO) + gain - change.cash
                costs = [*_spread(left, known, [one.quantity for one in parts])]
    return tuple(
        CarriedLot(one.opened_at, one.quantity, cost, one.provisional or cost is None)
        for one, cost in zip(parts, costs, strict=True)
    )


def _spread(total: Decimal, costs: Sequence[Decimal], quantities: Sequence[Decimal]) -> list[Decimal]:
    """``total`` by what each had cost, or, where that says nothing, by how much each is."""
    by_cost = all(costs) and len({cost > ZERO for cost in costs}) == 1
    return shares(total, costs if by_cost else quantities)


def left_by(
    change: Anchor,
    episode: Episode | None,
    word: Anchor | None,
    fills: Sequence[Fill],
    upto: int,
    point_value: Decimal,
) -> Decimal | None:
    """What the broker's next word of the whole leaves for what came to have cost.

    As long as only more came in between: what went took cost along that nobody can name.
    """
    total = None if word is None or word.relative else word.total_cost
    if word is None or total is None or change.cause == "split":
        return None
    if not change.taken and (change.cost is not None or change.price is not None):
        return None
    long = change.quantity > ZERO
    held, cost = change.quantity, ZERO
    if episode is not None:
        if episode.long is not long or episode.cost is None:
            return None
        held, cost = held + episode.quantity, episode.cost
    for number in range(upto, len(fills)):
        fill = fills[number]
        if fill.executed_at > word.as_of:
            break
        if not fill.complete or (fill.quantity and (fill.quantity > ZERO) is not long):
            return None
        held += fill.quantity
        if fill.quantity:
            cost += fill.quantity * fill.price * point_value + (fill.commission or ZERO)
    return total - cost if held == word.quantity else None


def with_cost(change: Anchor, left: Decimal | None, word: Anchor | None, method: CostMethod) -> Anchor:
    """A change with what it cost, as far as anybody knows. To be called in the ``EXACT`` context.

    ``left`` is what the broker's next ``word`` leaves for it. What a statement's holding leaves goes before
    what was carried, but only where lots are chosen as the broker does.
    """
    if not _is_taken(change):
        change = change._replace(taken=())
        return change if left is None or change.cost is not None else change._replace(cost=left)
    lots = as_units_of(change)
    own = [lot.cost for lot in lots if lot.cost is not None]
    if len(own) < len(lots):
        own = []
    known = sum(own, ZERO) if own else None
    paid = change.cost if change.cost is not None and change.cash == -change.cost else None
    total = change.cost if paid is None else None if known is None else known + paid
    is_stated = word is not None and word.cost is not None and method == "fifo"
    if total is None and left is not None and (known is None or is_stated):
        agrees = known is not None and costs_agree(change.quantity, known, per_unit(left, change.quantity))
        total = known if agrees else left
        change = change._replace(inferred=False)  # whatever was concluded, the broker says it
    if total is None:
        total = paid if known is None else known
    if total is None or total == known:
        return change._replace(taken=tuple(lots), cost=total)
    costs = _spread(total, own, [lot.quantity for lot in lots]) if own else _among_unknown(total, lots)
    # What was only paid on top is not all that they cost, and what all had cost does not say it of each.
    provisional = total is paid or (known is None and len(lots) > 1)
    taken = [lot._replace(cost=cost, provisional=provisional) for lot, cost in zip(lots, costs, strict=True)]
    return change._replace(taken=tuple(taken), cost=total)


def _sum_of(amounts: Iterable[Decimal]) -> Decimal:
    with localcontext(EXACT):
        return sum(amounts, ZERO)


def _is_taken(change: Anchor) -> bool:
    whole = _sum_of(lot.quantity for lot in change.taken)
    return whole * change.quantity > ZERO and all(lot.quantity * whole > ZERO for lot in change.taken)


def _among_unknown(total: Decimal, lots: Sequence[CarriedLot]) -> list[Decimal]:
    """What is left of ``total`` goes to the lots of unknown cost, by how much each is."""
    rest = total - _sum_of(lot.cost for lot in lots if lot.cost is not None)
    unknown = [lot.quantity for lot in lots if lot.cost is None]
    if rest * unknown[0] < ZERO:
        return shares(total, [lot.quantity for lot in lots])
    parts = iter(shares(rest, unknown))
    return [next(parts) if lot.cost is None else lot.cost for lot in lots]


def as_units_of(change: Anchor) -> list[CarriedLot]:
    """The lots that a change brought, in the new book's units."""
    quantities = restated(change.quantity, [lot.quantity for lot in change.taken])
    return [lot._replace(quantity=size) for lot, size in zip(change.taken, quantities, strict=True)]


def part_of(change: Anchor, quantity: Decimal) -> Sequence[CarriedLot]:
    """So much of what a change brought, each lot in proportion."""
    if quantity == change.quantity:
        return change.taken
    sizes = restated(quantity, [lot.quantity for lot in change.taken])
    return [
        lot._replace(quantity=size, cost=None if lot.cost is None else share(lot.cost, size, lot.quantity))
        for lot, size in zip(change.taken, sizes, strict=True)
    ]


def cost_of(change: Anchor) -> Decimal | None:
    """What a change came with, whether it is told or carried; ``None``: not known."""
    if change.cost is not None or not change.taken:
        return change.cost
    costs = [lot.cost for lot in change.taken if lot.cost is not None]
    return sum(costs, ZERO) if len(costs) == len(change.taken) else None
