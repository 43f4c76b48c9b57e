"""Positions and what they are made of."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from lotkeeper_client.rows.common import Freshness


class Position(Struct, frozen=True, kw_only=True):
    """One episode of one instrument in one account, from flat to flat."""

    id: str
    account: str
    conid: int
    symbol: str
    local_symbol: str
    description: str
    sec_type: str
    currency: str
    multiplier: Decimal
    side: str
    status: str
    quantity: Decimal
    average_cost: Decimal | None
    cost_basis: Decimal | None
    market_price: Decimal | None
    market_value: Decimal | None
    daily_pnl: Decimal | None
    unrealized_pnl: Decimal | None
    realized_pnl: Decimal | None
    commission: Decimal
    mark_as_of: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    holding_seconds: int
    broker_quantity: Decimal | None
    reconciled: bool
    provisional: bool
    freshness: Freshness


class PositionDifference(Struct, frozen=True, kw_only=True):
    """Something in which ledger and broker do not agree, as `/reconciliations/differences` has it."""

    id: int
    kind: str
    cause: str | None
    inferred: bool
    ours: Decimal | None
    brokers: Decimal | None
    since: datetime
    status: str
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None


class PositionDetail(Position, frozen=True, kw_only=True):
    """A position with what its own page shows beyond the row of a list."""

    average_entry_price: Decimal | None
    average_exit_price: Decimal | None
    max_quantity: Decimal | None
    cost_method: str | None
    broker_average_cost: Decimal | None
    differences: tuple[PositionDifference, ...] | None


class PositionNote(Struct, frozen=True, kw_only=True):
    """What somebody wrote about a position."""

    id: int
    position_id: str
    body: str
    author: str
    written_at: datetime
    changed_at: datetime | None
    changed_by: str | None


class Tag(Struct, frozen=True, kw_only=True):
    """A tag, and how many positions have it."""

    name: str
    positions: int


class Price(Struct, frozen=True, kw_only=True):
    """What one unit was worth, as it is quoted, and when that was told."""

    ts: datetime
    price: Decimal


class PositionEvent(Struct, frozen=True, kw_only=True):
    """One step of a position's life. `quantity` is the signed change."""

    id: str
    position_id: str
    type: str
    executed_at: datetime
    quantity: Decimal
    price: Decimal | None
    position_after: Decimal
    realized_pnl: Decimal | None
    commission: Decimal | None
    exec_id: str | None
    cause: str | None
    inferred: bool
    replaced_quantity: Decimal | None


class LotDisposal(Struct, frozen=True, kw_only=True):
    """A lot, or a part of it, closed by one fill (or, without `exec_id`, by an adjustment)."""

    seq: int
    exec_id: str | None
    closed_at: datetime
    holding_seconds: int
    quantity: Decimal
    close_price: Decimal | None
    cost: Decimal | None
    proceeds: Decimal | None
    open_commission: Decimal
    close_commission: Decimal
    realized_pnl: Decimal | None
    provisional: bool


class Lot(Struct, frozen=True, kw_only=True):
    """What one fill opened (or, without `exec_id`, an adjustment), and what became of it."""

    seq: int
    exec_id: str | None
    opened_at: datetime
    carried_at: datetime | None
    quantity: Decimal
    remaining: Decimal
    price: Decimal | None
    unit_cost: Decimal | None
    commission: Decimal
    remaining_commission: Decimal
    provisional: bool
    disposals: tuple[LotDisposal, ...]
