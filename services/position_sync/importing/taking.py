"""Take a file's records in, batch by batch, into the tables of what statements state.

Nothing is locked meanwhile that live work writes: accounts and instruments are written at the end, and what
refers to them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from core.domain.books import BookKey
from core.domain.instruments import Instrument
from core.domain.money import is_usable
from core.domain.stated import (
    REPORTED_AS,
    Ignored,
    StatedAccount,
    StatedBalance,
    StatedCashFlow,
    StatedChange,
    StatedEvent,
    StatedInstrument,
    StatedInventory,
    StatedLot,
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
from models.stores.accounts import ensure_accounts, state_instruments
from models.stores.staged_trades import StagedTrade
from models.stores.stated_names import bring_accounts, bring_identities
from services.position_sync.importing.finding import Finding
from services.position_sync.importing.names import Names
from services.position_sync.importing.report import Period, Report

SECTIONS: Final = {
    "corporate_actions": "events",
    "stated_positions": "positions",
    "cash_flows": "cash",
    "cash_balances": "cash_balances",
    "fx_rates": "fx_rates",
    "stated_values": "values",
    "stated_changes": "changes",
}
"""What the report calls the rows of each table."""

_TRADES: Final = "trades"
_DEFERRED: Final = "corporate_actions"
"""Refers to instruments, so that it can be brought only once they are there."""


@dataclass(slots=True)
class _Batch:
    """A batch, sorted by what becomes of it."""

    trades: list[StagedTrade] = field(default_factory=list)
    lots: list[StatedLot] = field(default_factory=list)
    periods: list[StatedPeriod] = field(default_factory=list)
    rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    """By table."""


class Taking:
    """One file on its way in. ``keys`` are the books that its events and positions are about.

    ``report`` says what came of it.
    """

    def __init__(self, connection: Writer, import_id: int, report: Report, now: datetime) -> None:
        self._connection = connection
        self._import_id = import_id
        self.report = report
        self._now = now
        self._names = Names(report.kind)
        self._finding = Finding(connection, report.name)
        self._trades = 0
        self._brought: Counter[str] = Counter()
        self._deferred: list[tuple[object, ...]] = []
        self._accounts: dict[str, StatedAccount | None] = {}
        self._instruments: dict[int, Instrument] = {}
        self._identified: dict[int, StatedInstrument] = {}
        self._lots = 0
        self._left_out: set[str] = set()
        self.keys: set[BookKey] = set()
        self.periods: list[StatedPeriod] = []

    @property
    def accounts(self) -> set[str]:
        """The accounts of which it tells."""
        return {*self._accounts}

    async def begin(self) -> None:
        """Make room for the file's trades."""
        await staged_trades.begin(self._connection)

    async def take(self, batch: Sequence[Statement]) -> None:
        """Store a batch; trades wait to be matched.

        Raises:
            FaultyRowsError: instruments cannot be found. It is raised at the end, by ``describe``, where more
                may come.
        """
        await self._finding.find(one for one in batch if isinstance(one, StatedInstrument) and one.name)
        parts = _Batch()
        for record in batch:
            self._sort(self._finding.found(record), parts)
        await staged_trades.lay_down(self._connection, self._import_id, parts.trades)
        if parts.lots:
            await store.bring_lots(self._connection, self._import_id, parts.lots, self._lots + 1)
            self._lots += len(parts.lots)
        await store.bring_periods(self._connection, self._import_id, parts.periods)
        for table, rows in parts.rows.items():
            await store.bring(self._connection, table, self._import_id, rows)

    async def describe(self) -> None:
        """Write the accounts and instruments that all of it was about, and what refers to them.

        Raises:
            FaultyRowsError: instruments could not be found.
        """
        self._finding.end()
        accounts = dict.fromkeys(self._accounts, self._now)
        self.report.accounts_created += await ensure_accounts(self._connection, accounts)
        named = [one for one in self._accounts.values() if one is not None]
        await bring_accounts(self._connection, self._import_id, named)
        identified = await bring_identities(self._connection, self._import_id, self._identified)
        await state_instruments(self._connection, self._instruments, identified, self._now)
        await store.name_instruments(self._connection, self._import_id, self._finding.names())
        await store.bring(self._connection, _DEFERRED, self._import_id, self._deferred)

    async def count(self) -> None:
        """Count what the rows came to."""
        for table, section in SECTIONS.items():
            outcomes = await store.outcomes(self._connection, table, self._import_id)
            repeated = self._brought[table] - sum(outcomes.values())
            if repeated:
                outcomes["repeated"] = repeated
            if outcomes:
                self.report.count(section, outcomes)
        for _, outcome, rows in await staged_trades.outcomes(self._connection):
            self.report.count(_TRADES, {outcome: rows})

    def _sort(self, record: Statement, parts: _Batch) -> None:
        # Nearly all are trades: they are not asked what else they might be.
        if isinstance(record, StatedTrade):
            self._sort_trade(record, parts)
            return
        match record:
            case Ignored():
                self.report.ignore(record.section, record.reason)
            case StatedInstrument():
                self._identified[record.instrument.conid] = record
                if record.instrument.currency:
                    self._instruments.setdefault(record.instrument.conid, record.instrument)
            case StatedAccount():
                self._accounts[record.account] = record
            case StatedPeriod():
                self._accounts.setdefault(record.account, None)
                self.periods.append(record)
                parts.periods.append(record)
                self.report.periods.append(
                    Period(record.account, record.starts_at, record.ends_at, record.complete)
                )
            case _ if not all(map(is_usable, _figures(record))):
                self.report.ignore(REPORTED_AS[type(record)], "unusable_figure")
                if isinstance(record, StatedPosition):
                    self._left_out.add(record.account)
            case StatedInventory() if record.account in self._left_out:
                pass  # it stated more than is kept
            case _:
                self._sort_rows(record, parts)

    def _sort_trade(self, one: StatedTrade, parts: _Batch) -> None:
        figures = (one.quantity, one.price, one.commission, one.realized_pnl, one.cost)
        if not all(map(is_usable, figures)):
            self.report.ignore(REPORTED_AS[StatedTrade], "unusable_figure")
            return
        self._accounts.setdefault(one.account, None)
        self._instruments.setdefault(one.instrument.conid, one.instrument)
        parts.trades.append(self._staged(one))

    def _sort_rows(self, record: StatedLot | store.Brought, parts: _Batch) -> None:
        if not isinstance(record, StatedRate):
            self._accounts.setdefault(record.account, None)
        if isinstance(record, StatedEvent | StatedPosition):
            self._instruments.setdefault(record.instrument.conid, record.instrument)
        if isinstance(record, StatedLot):
            # What the trades that closed them tell already; they are there to be compared with.
            parts.lots.append(record)
            return
        if isinstance(record, StatedEvent | StatedPosition):
            self.keys.add((record.account, record.instrument.conid))
        table, row = store.row_of(record, self._key(record))
        self._brought[table] += 1
        if table == _DEFERRED:
            self._deferred.append(row)
        else:
            parts.rows.setdefault(table, []).append(row)

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
            bool(one.exec_id or one.own_id),
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
            f"{staged_trades.OWN}{one.own_id}" if one.own_id else one.trade_id,
            one.transaction_id,
            _whole(one.order_id),
            one.order_ref,
            one.exchange,
            one.reported_on,
        )


_MOST_DIGITS = 18


def _whole(number: str) -> int:
    """A number of the broker's that PostgreSQL can count to; 0 for anything else."""
    is_one = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    return int(number) if is_one else 0


_FIGURES: Final[dict[type, tuple[str, ...]]] = {
    StatedLot: ("quantity", "cost", "realized_pnl"),
    StatedEvent: (
        *("quantity", "cost", "price", "realized_pnl"),
        *("cash", "market_value", "fx_rate_to_base", "kept_share"),
    ),
    StatedPosition: ("quantity", "cost", "mark_price", "market_value", "unrealized_pnl"),
    StatedCashFlow: ("amount", "fx_rate_to_base"),
    StatedBalance: (
        *("cash", "settled_cash", "starting_cash"),
        *("trades", "commissions", "futures", "flows"),
    ),
    StatedValue: (
        *("net_liquidation", "cash", "stock", "options", "bonds", "funds", "accruals"),
        *("dividend_accruals", "other", "gross"),
    ),
    StatedChange: ("starting", "ending", "contribution", "gain", "twr"),
    StatedRate: ("rate",),
}


def _figures(record: Statement) -> list[Decimal | None]:
    """The figures that go into the database and are reckoned with."""
    return [getattr(record, name) for name in _FIGURES.get(type(record), ())]
