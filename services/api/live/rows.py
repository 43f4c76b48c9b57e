"""Rows of the contract from what the picture knows. Pure; REST and WebSocket both come through here."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import cast

from core.domain import statistics
from core.domain.account_values import GROSS_POSITION_VALUE, NET_LIQUIDATION, TOTAL_CASH
from core.domain.executions import Side
from core.domain.lots import CostMethod
from core.domain.money import plain
from core.events.changes import PositionChanged
from core.events.facts import MarkReported, PnlReported
from models.queries.accounts import TradeFigures
from models.queries.executions import ExecutionRow
from services.api.schemas.accounts import ALL_ACCOUNTS, Account, Summary
from services.api.schemas.common import Coverage, Freshness
from services.api.schemas.executions import Execution
from services.api.schemas.positions import Position

VALUE_KEYS = (NET_LIQUIDATION, TOTAL_CASH, GROSS_POSITION_VALUE)


@dataclass(slots=True, kw_only=True)
class AccountState:
    """What the picture knows of one account. Values are in its base currency."""

    account: str
    login: str = ""
    alias: str | None = None
    base_currency: str | None = None
    paper: bool = False
    listed: bool = True
    cost_method: CostMethod = "fifo"
    values: dict[str, Decimal | None] = field(default_factory=dict)
    values_as_of: dict[str, datetime] = field(default_factory=dict)
    pnl: PnlReported | None = None
    figures: TradeFigures = field(default_factory=TradeFigures)

    def newest_value_as_of(self) -> datetime | None:
        """From when the newest of its values is."""
        return max(self.values_as_of.values(), default=None)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def merge_mark(old: MarkReported | None, new: MarkReported) -> MarkReported:
    """The newest word on each figure. ``None`` is unknown and does not erase what was known.

    Figures that were counted for another quantity do not outlive it; a price does.
    """
    if old is None:
        return new
    same = new.quantity is None or old.quantity is None or new.quantity == old.quantity

    def pick(name: str, *, counted: bool = True) -> Decimal | None:
        value: Decimal | None = getattr(new, name)
        if value is not None or (counted and not same):
            return value
        kept: Decimal | None = getattr(old, name)
        return kept

    return MarkReported(
        received_at=max(old.received_at, new.received_at),
        account=new.account,
        conid=new.conid,
        quantity=pick("quantity", counted=False),
        market_price=pick("market_price", counted=False),
        market_value=pick("market_value"),
        daily_pnl=pick("daily_pnl"),
        unrealized_pnl=pick("unrealized_pnl"),
        realized_pnl=pick("realized_pnl"),
    )


def market_price(position: PositionChanged, mark: MarkReported) -> Decimal | None:
    """The mark's price, or what its value implies: value ÷ (quantity × multiplier ÷ price magnifier)."""
    if mark.market_price is not None:
        return mark.market_price
    quantity = position.quantity if mark.quantity is None else mark.quantity
    if mark.market_value is None or not quantity or not position.multiplier:
        return None
    return mark.market_value * position.price_magnifier / (quantity * position.multiplier)


def valued(
    position: PositionChanged, mark: MarkReported
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Price, market value and unrealized profit or loss of what is held now.

    A mark made for another quantity (a fill came between) gives its price; the value follows from it.
    """
    price = market_price(position, mark)
    if mark.quantity is None or mark.quantity == position.quantity:
        return price, mark.market_value, mark.unrealized_pnl
    if price is None:
        return None, None, None
    value = position.quantity * price * position.multiplier / position.price_magnifier
    unrealized = None if position.cost_basis is None else value - position.cost_basis
    return price, value, unrealized


def position_row(
    position: PositionChanged, mark: MarkReported | None, freshness: Freshness, now: datetime
) -> Position:
    """The row of a position. One that is closed has no market."""
    price = value = unrealized = daily = None
    is_open = position.status == "open"
    if is_open and mark is not None:
        price, value, unrealized = valued(position, mark)
        daily = mark.daily_pnl
    held_for = (position.closed_at or now) - position.opened_at
    return Position(
        id=position.id,
        account=position.account,
        conid=position.conid,
        symbol=position.symbol,
        local_symbol=position.local_symbol,
        description=position.description,
        sec_type=position.sec_type,
        currency=position.currency,
        multiplier=plain(position.multiplier),
        side=position.side,
        status=position.status,
        quantity=plain(position.quantity),
        average_cost=_text(position.average_cost),
        cost_basis=_text(position.cost_basis),
        market_price=_text(price),
        market_value=_text(value),
        daily_pnl=_text(daily),
        unrealized_pnl=_text(unrealized),
        realized_pnl=_text(position.realized_pnl),
        commission=plain(position.commission),
        mark_as_of=mark.received_at if is_open and mark is not None else None,
        opened_at=position.opened_at,
        closed_at=position.closed_at,
        holding_seconds=max(0, int(held_for.total_seconds())),
        broker_quantity=_text(position.broker_quantity),
        reconciled=position.reconciled,
        provisional=position.provisional,
        freshness=freshness,
    )


def execution_row(row: ExecutionRow) -> Execution:
    """The row of an execution."""
    return Execution(
        exec_id=row.exec_id,
        order_ref=row.order_ref,
        perm_id=row.perm_id,
        account=row.account,
        conid=row.conid,
        symbol=row.symbol,
        local_symbol=row.local_symbol,
        sec_type=row.sec_type,
        side=cast("Side", row.side),
        quantity=plain(row.quantity),
        price=plain(row.price),
        commission=_text(row.commission),
        commission_currency=row.commission_currency,
        commission_rate=_text(row.commission_rate),
        realized_pnl=_text(row.realized_pnl),
        broker_realized_pnl=_text(row.broker_realized_pnl),
        currency=row.currency,
        executed_at=row.executed_at,
        corrected_by=row.corrected_by,
        position_id=None if row.position_id is None else str(row.position_id),
        source=row.source,
    )


def account_row(state: AccountState, freshness: Freshness) -> Account:
    """The row of an account."""
    return Account(
        account=state.account,
        alias=state.alias,
        base_currency=state.base_currency,
        paper=state.paper,
        listed=state.listed,
        cost_method=state.cost_method,
        freshness=freshness,
    )


def win_rate(figures: TradeFigures) -> str | None:
    """As the statistics have it."""
    return _text(statistics.win_rate(figures.won, figures.decided))


def summary_row(state: AccountState, coverage: Coverage, freshness: Freshness) -> Summary:
    """The summary of one account."""
    pnl = state.pnl
    return Summary(
        account=state.account,
        base_currency=state.base_currency,
        net_liquidation=_text(state.values.get(NET_LIQUIDATION)),
        total_cash=_text(state.values.get(TOTAL_CASH)),
        gross_position_value=_text(state.values.get(GROSS_POSITION_VALUE)),
        daily_pnl=_text(pnl.daily_pnl if pnl else None),
        unrealized_pnl=_text(pnl.unrealized_pnl if pnl else None),
        realized_pnl=_text(pnl.realized_pnl if pnl else None),
        win_rate=win_rate(state.figures),
        open_positions=coverage.total,
        total_trades=state.figures.trades,
        coverage=coverage,
        freshness=freshness,
    )


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    """The sum, or ``None`` when a part is unknown: unknown is not zero, a total is never made smaller."""
    total = Decimal(0)
    counted = False
    for value in values:
        if value is None:
            return None
        total += value
        counted = True
    return total if counted else None


def all_row(states: list[AccountState], coverage: Coverage, freshness: Freshness) -> Summary:
    """The sums over all accounts; money only where they share one base currency."""
    currencies = {state.base_currency for state in states}
    currency = next(iter(currencies)) if len(currencies) == 1 else None
    figures = TradeFigures(*(sum(column) for column in zip(*(s.figures for s in states), strict=True)))

    def total(values: Iterable[Decimal | None]) -> str | None:
        return _text(_sum(values)) if currency is not None else None

    return Summary(
        account=ALL_ACCOUNTS,
        base_currency=currency,
        net_liquidation=total(state.values.get(NET_LIQUIDATION) for state in states),
        total_cash=total(state.values.get(TOTAL_CASH) for state in states),
        gross_position_value=total(state.values.get(GROSS_POSITION_VALUE) for state in states),
        daily_pnl=total(state.pnl.daily_pnl if state.pnl else None for state in states),
        unrealized_pnl=total(state.pnl.unrealized_pnl if state.pnl else None for state in states),
        realized_pnl=total(state.pnl.realized_pnl if state.pnl else None for state in states),
        win_rate=win_rate(figures),
        open_positions=coverage.total,
        total_trades=figures.trades,
        coverage=coverage,
        freshness=freshness,
    )
