from msgspec import Struct

from core.domain.episodes import EventType
from core.domain.lots import CostMethod
from services.api.schemas.common import Amount, Freshness, Moment


class MethodDisposal(Struct, frozen=True, kw_only=True):
    """A lot, or a part of it, that a cost method has a closing consume.

    ``quantity`` is signed like the lot; ``cost`` and ``proceeds`` are without commissions, ``realized_pnl``
    is net of both.
    """

    lot_seq: int
    opened_at: Moment
    quantity: Amount
    open_price: Amount | None
    cost: Amount | None
    proceeds: Amount | None
    open_commission: Amount
    close_commission: Amount
    realized_pnl: Amount | None
    provisional: bool


class MethodFigure(Struct, frozen=True, kw_only=True):
    """What a closing realized under one cost method, disposal by disposal.

    ``difference_from_own`` is this less what the position's own method made of it; null where either is
    unknown.
    """

    method: CostMethod
    realized_pnl: Amount | None
    difference_from_own: Amount | None
    commission: Amount
    provisional: bool
    disposals: tuple[MethodDisposal, ...]


class MethodTotal(Struct, frozen=True, kw_only=True):
    """What all closings of a position realized under one cost method; ``closings`` of them.

    A fee that a cancelled trade left belongs to no closing and is not in it.
    """

    method: CostMethod
    realized_pnl: Amount | None
    difference_from_own: Amount | None
    commission: Amount
    closings: int
    disposals: int
    unknown_disposals: int
    provisional: bool


class MethodClosing(Struct, frozen=True, kw_only=True):
    """A fill that closed something (or, without ``exec_id``, an adjustment), under each cost method.

    ``seq`` is that of its event.
    """

    seq: int
    type: EventType
    executed_at: Moment
    exec_id: str | None
    quantity: Amount
    price: Amount | None
    methods: tuple[MethodFigure, ...]


class MethodComparison(Struct, frozen=True, kw_only=True):
    """A position's closings under every cost method, oldest first; the totals are those of all of them.

    ``method`` is the position's own.
    """

    position_id: str
    method: CostMethod
    totals: tuple[MethodTotal, ...]
    items: tuple[MethodClosing, ...]
    next_cursor: str | None
    freshness: Freshness
