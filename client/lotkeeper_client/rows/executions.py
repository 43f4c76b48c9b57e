"""Executions, and what they realized."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class Execution(Struct, frozen=True, kw_only=True):
    """A fill. `quantity` is positive, of a cancellation zero; `side` carries the direction."""

    exec_id: str
    order_ref: str
    perm_id: int
    account: str
    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
    side: str
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: str | None
    commission_rate: Decimal | None
    realized_pnl: Decimal | None
    broker_realized_pnl: Decimal | None
    currency: str
    executed_at: datetime
    corrected_by: str | None
    position_id: str | None
    source: str


class Realized(Struct, frozen=True, kw_only=True):
    """What one account realized in one currency, in one period or symbol."""

    key: str
    account: str
    currency: str
    realized_pnl: Decimal | None
    commission: Decimal
    broker_realized_pnl: Decimal | None
    difference: Decimal | None
    realized_without_fill: Decimal | None
    disposals: int
    disposals_without_fill: int
    unknown_disposals: int
    missing_broker_figures: int
    provisional: bool
    method: str | None
    difference_from_own: Decimal | None


class RealizedDifference(Struct, frozen=True, kw_only=True):
    """A closing fill on which ours and the broker's realized figure differ by more than half a cent."""

    exec_id: str
    account: str
    conid: int
    symbol: str
    currency: str
    executed_at: datetime
    realized_pnl: Decimal
    broker_realized_pnl: Decimal
    difference: Decimal
    provisional: bool
    position_id: str


class Statistics(Struct, frozen=True, kw_only=True):
    """How the closed positions of one account in one currency ended, by account, symbol or period."""

    key: str
    account: str
    currency: str
    closed: int
    decided: int
    won: int
    lost: int
    even: int
    unknown: int
    provisional: int
    win_rate: Decimal | None
    gross_profit: Decimal
    gross_loss: Decimal
    profit_factor: Decimal | None
    average_win: Decimal | None
    average_loss: Decimal | None
    largest_win: Decimal | None
    largest_loss: Decimal | None
    expectancy: Decimal | None
    realized_pnl: Decimal | None
    commission: Decimal
    average_holding_seconds: int
    average_winner_holding_seconds: int | None
    average_loser_holding_seconds: int | None
