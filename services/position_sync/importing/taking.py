"""Take a file's records in, batch by batch, into the tables of what statements state."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from core.domain.books import BookKey
from core.domain.instruments import Instrument
from core.domain.money import is_usable
from core.domain.stated import (
    Ignored,
    StatedAccount,
    StatedBalance,
    StatedCashFlow,
    StatedEvent,
    StatedInstrument,
    StatedInventory,
    StatedPeriod,
    StatedPosition,
    StatedRate,
    StatedTrade,
    StatedValue,
    Statement,
)
from models.session import Writer
from models.stores import imports as store
from models.stores import staged_trades
from models.stores.accounts import Described, describe_new, ensure_accounts, name_accounts
from models.stores.staged_trades import StagedTrade
from services.position_sync.importing.names import Names
from services.position_sync.importing.report import Period, Report

SECTIONS: Final = {
    "corporate_actions": "events",
    "stated_positions": "positions",
    "cash_flows": "cash",
    "cash_balances": "cash_balances",
    "fx_rates": "fx_rates",
    "stated_values": "values",
}
"""What the report calls the rows of each table."""


@dataclass(slots=True)
class _Batch:
    """A batch, sorted by what becomes of it."""

    trades: list[StagedTrade] = field(default_factory=list)
    rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    """By table."""
    instruments: dict[int, Instrument] = field(default_factory=dict)
    identified: list[StatedInstrument] = field(default_factory=list)
    accounts: dict[str, StatedAccount | None] = field(default_factory=dict)


class Taking:
    """One file on its way in. ``keys`` are the books that its events and positions are about."""

    def __init__(self, connection: Writer, import_id: int, report: Report, now: datetime) -> None:
        self._connection = connection
        self._import_id = import_id
        self._report = report
        self._now = now
        self._names = Names()
        self._trades = 0
        self._accounts: set[str] = set()
        self._instruments: set[int] = set()
        self._left_out: set[str] = set()
        self.keys: set[BookKey] = set()
        self.periods: list[StatedPeriod] = []

    async def take(self, batch: Iterable[Statement]) -> None:
        """Store a batch; trades wait to be matched."""
        parts = _Batch()
        for record in batch:
            self._sort(record, parts)
        await self._describe(parts)
        await staged_trades.lay_down(self._connection, parts.trades)
        for table, rows in parts.rows.items():
            await store.bring(self._connection, table, self._import_id, rows)

    def _sort(self, record: Statement, parts: _Batch) -> None:
        match record:
            case Ignored():
                self._report.ignore(record.section, record.reason)
            case StatedInstrument():
                parts.identified.append(record)
                if record.instrument.currency:
                    parts.instruments.setdefault(record.instrument.conid, record.instrument)
            case StatedAccount():
                parts.accounts[record.account] = record
            case StatedPeriod():
                parts.accounts.setdefault(record.account, None)
                self.periods.append(record)
                self._report.periods.append(
                    Period(record.account, record.starts_at, record.ends_at, record.complete)
                )
            case _ if not all(map(is_usable, _figures(record))):
                self._report.ignore(record.section, "unusable_figure")
                if isinstance(record, StatedPosition):
                    self._left_out.add(record.account)
            case StatedInventory() if record.account in self._left_out:
                pass  # it stated more than is kept
            case _:
                self._sort_rows(record, parts)

    def _sort_rows(self, record: StatedTrade | store.Brought, parts: _Batch) -> None:
        if not isinstance(record, StatedRate):
            parts.accounts.setdefault(record.account, None)
        if isinstance(record, StatedTrade | StatedEvent | StatedPosition):
            parts.instruments.setdefault(record.instrument.conid, record.instrument)
        if isinstance(record, StatedTrade):
            parts.trades.append(self._staged(record))
            return
        if isinstance(record, StatedEvent | StatedPosition):
            self.keys.add((record.account, record.instrument.conid))
        table, row = store.row_of(record, self._key(record))
        parts.rows.setdefault(table, []).append(row)

    async def count(self) -> None:
        """Count what the rows came to."""
        for table, section in SECTIONS.items():
            outcomes = await store.outcomes(self._connection, table, self._import_id)
            if outcomes:
                self._report.count(section, outcomes)
        for _, outcome, rows in await staged_trades.outcomes(self._connection):
            self._report.count("trades", {outcome: rows})

    async def _describe(self, parts: _Batch) -> None:
        new = {account: self._now for account in parts.accounts if account not in self._accounts}
        if new:
            self._accounts |= set(new)
            self._report.accounts_created += await ensure_accounts(self._connection, new)
        named = [one for one in parts.accounts.values() if one is not None]
        await name_accounts(self._connection, [(one.account, one.base_currency, one.alias) for one in named])
        fresh = {conid: one for conid, one in parts.instruments.items() if conid not in self._instruments}
        self._instruments |= set(fresh)
        await describe_new(self._connection, [Described(one, None) for one in fresh.values()], self._now)
        if parts.identified:
            await store.identify(self._connection, parts.identified)

    def _key(self, record: store.Brought) -> str:
        match record:
            case StatedEvent():
                return self._names.event(record)
            case StatedCashFlow():
                return self._names.flow(record)
            case _:
                return ""

    def _staged(self, one: StatedTrade) -> StagedTrade:
        self._trades += 1
        return StagedTrade(
            self._trades,
            one.line,
            one.section,
            self._names.trade(one),
            bool(one.exec_id),
            one.cancels,
            one.account,
            one.instrument.conid,
            one.executed_at,
            one.zone_assumed,
            one.quantity,
            one.price,
            one.commission,
            one.commission_currency or one.instrument.currency,
            one.realized_pnl,
            one.cost,
            one.opens,
            one.closes,
            one.trade_id,
            one.transaction_id,
            _whole(one.order_id),
            one.order_ref,
            one.exchange,
        )


_MOST_DIGITS = 18


def _whole(number: str) -> int:
    """A number of the broker's that PostgreSQL can count to; 0 for anything else."""
    is_one = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    return int(number) if is_one else 0


_FIGURES: Final[dict[type, tuple[str, ...]]] = {
    StatedTrade: ("quantity", "price", "commission", "realized_pnl", "cost"),
    StatedEvent: ("quantity", "cost", "price", "realized_pnl"),
    StatedPosition: ("quantity", "cost", "mark_price", "market_value", "unrealized_pnl"),
    StatedCashFlow: ("amount", "fx_rate_to_base"),
    StatedBalance: ("cash", "settled_cash"),
    StatedValue: ("net_liquidation", "cash", "stock", "options", "bonds", "funds", "accruals"),
    StatedRate: ("rate",),
}


def _figures(record: Statement) -> list[Decimal | None]:
    """The figures that go into the database and are reckoned with."""
    return [getattr(record, name) for name in _FIGURES.get(type(record), ())]
