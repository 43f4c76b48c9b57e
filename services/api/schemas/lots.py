from msgspec import Struct

from services.api.schemas.common import Amount, Freshness, Moment


class LotDisposal(Struct, frozen=True, kw_only=True):
    """A lot, or a part of it, closed by one fill (or, without ``exec_id``, by an adjustment).

    ``quantity`` is signed like the lot. ``cost`` and ``proceeds`` are without commissions; ``realized_pnl``
    is net of both, in the instrument's currency.
    """

    seq: int
    exec_id: str | None
    closed_at: Moment
    holding_seconds: int
    quantity: Amount
    close_price: Amount | None
    cost: Amount | None
    proceeds: Amount | None
    open_commission: Amount
    close_commission: Amount
    realized_pnl: Amount | None
    provisional: bool


class Lot(Struct, frozen=True, kw_only=True):
    """What one fill opened (or, without ``exec_id``, an adjustment), and what became of it.

    ``unit_cost`` is per unit with the multiplier and without commission; an adjustment's is the broker's
    average cost, which has it. ``carried_at`` is when it came from another instrument, in a merger, say; it
    was opened in that one.
    """

    seq: int
    exec_id: str | None
    opened_at: Moment
    carried_at: Moment | None
    quantity: Amount
    remaining: Amount
    price: Amount | None
    unit_cost: Amount | None
    commission: Amount
    remaining_commission: Amount
    provisional: bool
    disposals: tuple[LotDisposal, ...]


class LotPage(Struct, frozen=True, kw_only=True):
    """A position's lots, oldest first, and the averages of its whole life.

    Average prices are as traded, without commission; null when a part of the position has no price.
    """

    average_entry_price: Amount | None
    average_exit_price: Amount | None
    max_quantity: Amount
    holding_seconds: int
    items: tuple[Lot, ...]
    next_cursor: str | None
    freshness: Freshness
