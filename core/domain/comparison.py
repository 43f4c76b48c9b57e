"""What a position's closings would have realized had another cost method chosen the lots."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import NamedTuple, TypeVar

from core.domain.episodes import Episode, Event, is_certain
from core.domain.lots import Closing, CostMethod, Disposal, Lot
from core.domain.money import ZERO
from core.domain.pnl import EXACT
from core.errors import LedgerUnfoldedError

Row = TypeVar("Row")


class History(NamedTuple):
    """What is stored of an episode, from its beginning on as far as one likes, each in order of ``seq``.

    ``point_value`` turns a price into a value; ``complete`` says that no commission of a fill is awaited.
    """

    point_value: Decimal
    complete: bool
    lots: Sequence[Lot]
    events: Sequence[Event]
    disposals: Sequence[Disposal]


class Closed(NamedTuple):
    """A fill, or an adjustment, that closed something, and the lots that it closed."""

    event: Event
    disposals: tuple[Disposal, ...]


class Totals(NamedTuple):
    """Sums over disposals. ``realized_pnl`` is ``None`` when one of them is unknown: ``unknown`` are."""

    realized_pnl: Decimal | None
    commission: Decimal
    disposals: int
    unknown: int
    provisional: bool


def as_matched(history: History) -> list[Closed]:
    """The closings of an episode with their disposals as they are stored.

    Raises:
        LedgerUnfoldedError: the rows do not belong together.
    """
    long = history.events[0].quantity > ZERO if history.events else True
    disposals = iter(history.disposals)
    return [Closed(event, _taken(disposals, event)) for event in history.events if _closes(event, long=long)]


def rematch(history: History, method: CostMethod) -> list[Closed]:
    """The same closings, had ``method`` chosen the lots: what a fold of the same facts with it would give.

    What was opened, when and for how much, does not depend on the method, with one exception: what an
    adjustment cost, where that was concluded from the broker's average of all, stays as it was concluded. A
    disposal may be called provisional that a fold would know to be final, never the other way round: while a
    commission is awaited; and where the own method took an adjustment's lot in parts. Each part's cost is
    then an estimate, so that the lot's row says provisional, and no longer whether it was so from the
    beginning. Under a method that takes it whole, or all at their average, it is called so nevertheless.

    Raises:
        LedgerUnfoldedError: the rows do not belong together.
    """
    if not history.events:
        return []
    first = history.events[0]
    episode = Episode("", 0, 1, "", first.executed_at, method)
    episode.long = long = first.quantity > ZERO
    lots = iter(history.lots)
    matched: list[Closed] = []
    with localcontext(EXACT):
        for event, stored in _with_stored(history):
            if not event.quantity:
                continue  # a correction tells of what no longer counts
            if event.cause == "split":
                episode.split(event.position_after)
            elif _closes(event, long=long):
                already = len(episode.disposals)
                closing = _closing(event, stored, history)
                episode.shrink(event.type, event.quantity, closing, event.cause, event.inferred)
                matched.append(Closed(event, tuple(episode.disposals[already:])))
            else:
                _open(episode, event, _next(lots))
    return matched


def totals(disposals: Sequence[Disposal]) -> Totals:
    """What disposals amount to."""
    with localcontext(EXACT):
        known = [one.realized_pnl for one in disposals if one.realized_pnl is not None]
        return Totals(
            sum(known, ZERO) if len(known) == len(disposals) else None,
            sum((one.open_commission + one.close_commission for one in disposals), ZERO),
            len(disposals),
            len(disposals) - len(known),
            any(one.provisional for one in disposals),
        )


def _closes(event: Event, *, long: bool) -> bool:
    return event.cause != "split" and (event.quantity < ZERO if long else event.quantity > ZERO)


def _next(rows: Iterator[Row]) -> Row:
    for row in rows:
        return row
    raise LedgerUnfoldedError(
        "The stored lots of a position do not fit its events: the worker has still to fold it anew after an "
        "update. Start the worker, or wait a little, and ask again."
    )


def _taken(disposals: Iterator[Disposal], event: Event) -> tuple[Disposal, ...]:
    left = -event.quantity
    taken: list[Disposal] = []
    while left:
        taken.append(_next(disposals))
        left = EXACT.subtract(left, taken[-1].quantity)
    return tuple(taken)


def _with_stored(history: History) -> Iterator[tuple[Event, tuple[Disposal, ...]]]:
    stored = {closed.event.seq: closed.disposals for closed in as_matched(history)}
    return ((event, stored.get(event.seq, ())) for event in history.events)


def _open(episode: Episode, event: Event, lot: Lot) -> None:
    # A split restates a lot's unit cost and rounds it; what all of it had cost stays as it was.
    exact = lot.cost if lot.exec_id is None else None
    unit_cost = lot.cost / event.quantity if exact is None and lot.cost is not None else None
    episode.grow(
        event.type,
        lot.exec_id,
        lot.carried_at or lot.opened_at,
        event.quantity,
        lot.price,
        unit_cost,
        lot.commission,
        not lot.provisional,
        event.cause,
        event.inferred,
        cost=exact,
        opened_at=None if lot.carried_at is None else lot.opened_at,
    )


def _closing(event: Event, stored: Sequence[Disposal], history: History) -> Closing:
    if event.exec_id is None:
        final = is_certain(event.cause, inferred=event.inferred)
    else:
        final = history.complete or not all(one.provisional for one in stored)
    return Closing(
        event.exec_id,
        event.executed_at,
        event.price,
        None if event.price is None else event.price * history.point_value,
        event.commission,
        final,
        # Without a price only what is carried realizes anything known: nothing, or what was paid in part.
        carried=event.price is None and event.realized_pnl is not None,
        gain=event.realized_pnl,
    )
