from typing import Literal

from msgspec import Struct

from core.domain.episodes import Cause
from core.domain.lots import CostMethod
from core.domain.reconciliation import DifferenceKind
from models.queries.differences import DifferenceStatus
from services.api.schemas.common import Amount, Freshness, Moment


class Position(Struct, frozen=True, kw_only=True):
    """One episode of one instrument in one account, from flat to flat.

    ``quantity`` is signed. ``average_cost`` is per unit with multiplier and commission, as IBKR's.
    ``cost_basis`` = quantity × average_cost. ``realized_pnl`` is in ``currency``, net of commissions.
    """

    id: str
    account: str
    conid: int
    symbol: str
    local_symbol: str
    description: str
    sec_type: str
    currency: str
    multiplier: Amount
    side: Literal["long", "short"]
    status: Literal["open", "closed"]
    quantity: Amount
    average_cost: Amount | None
    cost_basis: Amount | None
    market_price: Amount | None
    market_value: Amount | None
    daily_pnl: Amount | None
    unrealized_pnl: Amount | None
    realized_pnl: Amount | None
    commission: Amount
    mark_as_of: Moment | None
    opened_at: Moment
    closed_at: Moment | None
    holding_seconds: int
    broker_quantity: Amount | None
    reconciled: bool
    provisional: bool
    freshness: Freshness


class PositionDifference(Struct, frozen=True, kw_only=True):
    """Something in which ledger and broker do not agree, as ``/reconciliations/differences`` has it."""

    id: int
    kind: DifferenceKind
    cause: Cause | None
    inferred: bool
    ours: Amount | None
    brokers: Amount | None
    since: Moment
    status: DifferenceStatus
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    note: str | None


class PositionDetail(Position, frozen=True, kw_only=True):
    """A position with what its own page shows beyond the row of a list.

    While the database is away an open position is told from memory: what it has beyond the row is null then,
    ``differences`` too. That list is empty only where it is known that there are none.

    Average prices are as traded, without commission, over the whole life; null when a part of the position
    has no price or was split. ``max_quantity`` is its largest size, unsigned. ``cost_method`` is what it was
    reckoned by. ``broker_average_cost`` is the broker's last word on the average cost, null of a closed one.
    ``differences`` stand now, open or acknowledged; they are listed with the newest position of their
    instrument only.
    """

    average_entry_price: Amount | None
    average_exit_price: Amount | None
    max_quantity: Amount | None
    cost_method: CostMethod | None
    broker_average_cost: Amount | None
    differences: tuple[PositionDifference, ...] | None


class PositionPage(Struct, frozen=True, kw_only=True):
    """Positions, newest first."""

    items: tuple[Position, ...]
    next_cursor: str | None
    freshness: Freshness


class PositionEvent(Struct, frozen=True, kw_only=True):
    """One step of a position's life. ``quantity`` is the signed change.

    ``cause`` says why the ledger was adjusted; ``inferred``: that was concluded from circumstances. A
    ``corrected`` event changes nothing itself (its quantity is zero): it tells what ``exec_id`` had reported
    before it was corrected or cancelled, as ``replaced_quantity``, signed, at ``price``. Other events have
    null there.
    """

    id: str
    position_id: str
    type: str
    executed_at: Moment
    quantity: Amount
    price: Amount | None
    position_after: Amount
    realized_pnl: Amount | None
    commission: Amount | None
    exec_id: str | None
    cause: str | None
    inferred: bool
    replaced_quantity: Amount | None


class PositionEventPage(Struct, frozen=True, kw_only=True):
    """A position's events, oldest first."""

    items: tuple[PositionEvent, ...]
    next_cursor: str | None
    freshness: Freshness
