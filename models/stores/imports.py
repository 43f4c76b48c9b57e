"""Imports: the file, its report, and what it states besides trades."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import json
from sqlalchemy import Table, insert, select, text, update

from core.domain.stated import (
    EXTERNAL,
    StatedBalance,
    StatedCashFlow,
    StatedChange,
    StatedEvent,
    StatedInventory,
    StatedLot,
    StatedPeriod,
    StatedPosition,
    StatedRate,
    StatedValue,
)
from models.session import Writer
from models.standing import NEWEST_FIRST, STANDING, newest
from models.stores.bulk import BulkCopy, BulkInsert, copy_line
from models.tables import (
    cash_balances,
    cash_flows,
    corporate_actions,
    fx_rates,
    imports,
    stated_changes,
    stated_instruments,
    stated_inventories,
    stated_lots,
    stated_periods,
    stated_positions,
    stated_values,
)

_one_at_a_time = text("SELECT pg_advisory_xact_lock(:key)")
_LOCK = 0x10C7_1390
_insert_raw = text(
    "INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) "
    "VALUES (:sha256, :size_bytes, :content, :now) ON CONFLICT DO NOTHING"
)
# One that is known already was kept when it came first.
_complete_raw = text("UPDATE raw_payloads SET content = :content WHERE sha256 = :sha256 AND content = ''")
_DAY = "(at AT TIME ZONE 'US/Eastern')::date"
_NUMBERED = (
    f"SELECT event_key, account, conid, cause, {_DAY} AS day, event_id, row_number() OVER (PARTITION BY "
    f"account, conid, cause, {_DAY}, event_id ORDER BY event_key) AS number"
)
_OTHERS = newest(
    "corporate_actions o",
    ("event_key",),
    where="o.import_id <> :id AND (o.account, o.conid) IN (SELECT account, conid FROM corporate_actions "
    "WHERE import_id = :id AND event_id <> '')",
)
_name_events = text(
    f"WITH others AS ({_OTHERS}), "  # noqa: S608 - no input in it
    "mine AS (SELECT * FROM corporate_actions WHERE import_id = :id), "
    f"unknown AS ({_NUMBERED} FROM mine WHERE event_id <> '' "
    "AND event_key NOT IN (SELECT event_key FROM others)), "
    f"known AS ({_NUMBERED} FROM others WHERE event_id <> '' "
    "AND event_key NOT IN (SELECT event_key FROM mine)) "
    "UPDATE corporate_actions e SET event_key = known.event_key FROM unknown JOIN known "
    "USING (account, conid, cause, day, event_id, number) "
    "WHERE e.import_id = :id AND e.event_key = unknown.event_key"
)


class _Brought:
    """How records of one kind become rows of their table, and what tells that two say the same."""

    def __init__(
        self, table: Table, keys: Sequence[str], said: Sequence[str], noted: Sequence[str] = ()
    ) -> None:
        self.name = table.name
        self.columns = ("import_id", "line", *keys, *said, *noted)
        self.insert = BulkInsert(table, self.columns, conflict="ON CONFLICT DO NOTHING")
        same_key = " AND ".join(f"o.{name} = n.{name}" for name in keys)
        content = ", ".join(f"{{0}}.{name}" for name in said)
        # Compared with the newest of the other imports that stand.
        self.count = text(
            f"SELECT CASE WHEN o.import_id IS NULL THEN 'new' "  # noqa: S608 - names of this program's own
            f"WHEN ({content.format('o')}) IS DISTINCT FROM ({content.format('n')}) THEN 'corrected' "
            f"ELSE 'matched' END AS outcome, count(*) AS rows FROM {table.name} n LEFT JOIN LATERAL ("
            f"SELECT o.* FROM {table.name} o {STANDING.format('o')} "
            f"WHERE {same_key} AND o.import_id <> n.import_id ORDER BY {NEWEST_FIRST} LIMIT 1) o ON true "
            "WHERE n.import_id = :import_id GROUP BY 1 ORDER BY 1"
        )


_name_instruments = BulkInsert(
    stated_instruments, ("import_id", "line", "name", "conid"), conflict="ON CONFLICT DO NOTHING"
)

_BOOK = ("account", "conid")
BROUGHT: Mapping[str, _Brought] = {
    one.name: one
    for one in (
        _Brought(
            corporate_actions,
            ("event_key",),
            (
                *(*_BOOK, "at", "cause", "kind", "quantity", "carried", "cost", "price", "realized_pnl"),
                *("event_group", "description", "cash", "market_value", "fx_rate_to_base", "reported_on"),
                "kept_share",
            ),
            ("event_id",),
        ),
        _Brought(
            stated_positions,
            (*_BOOK, "as_of"),
            ("quantity", "cost", "mark_price", "market_value", "unrealized_pnl"),
        ),
        _Brought(stated_inventories, ("account", "as_of"), ()),
        _Brought(
            cash_flows,
            ("flow_key",),
            (
                *("account", "kind", "external", "at", "amount", "currency", "fx_rate_to_base", "conid"),
                *("symbol", "description", "reported_on"),
            ),
            ("transaction_id",),
        ),
        _Brought(
            cash_balances,
            ("account", "currency", "as_of"),
            (
                *("cash", "settled_cash", "starts_on", "starting_cash"),
                *("trades", "commissions", "futures", "flows"),
            ),
        ),
        _Brought(fx_rates, ("currency", "into_currency", "as_of"), ("rate",)),
        _Brought(
            stated_values,
            ("account", "as_of"),
            (
                *("currency", "net_liquidation", "cash", "stock", "options", "bonds", "funds", "accruals"),
                *("dividend_accruals", "other", "gross"),
            ),
        ),
        _Brought(
            stated_changes,
            ("account", "starts_on", "ends_on"),
            ("currency", "starting", "ending", "contribution", "gain", "twr"),
        ),
    )
}
"""By table."""

_bring_periods = BulkInsert(
    stated_periods,
    ("import_id", "line", "account", "starts_at", "ends_at", "complete"),
    conflict="ON CONFLICT DO NOTHING",
)
_bring_lots = BulkCopy(
    stated_lots,
    (
        *("import_id", "line", "number", "account", "conid", "opened_at", "closed_at"),
        *("quantity", "cost", "realized_pnl"),
    ),
)

Brought = (
    StatedEvent
    | StatedPosition
    | StatedInventory
    | StatedCashFlow
    | StatedBalance
    | StatedValue
    | StatedChange
    | StatedRate
)


class File(NamedTuple):
    """An imported file: what it is, and all of it, deflated; without content that is still to come."""

    name: str
    kind: str
    sha256: str
    size_bytes: int
    deflated: bytes


async def keep_file(connection: Writer, file: File, now: datetime) -> None:
    """Keep a file, once."""
    await connection.execute(
        _insert_raw,
        {"sha256": file.sha256, "size_bytes": file.size_bytes, "content": file.deflated, "now": now},
    )


async def complete_file(connection: Writer, sha256: str, deflated: bytes) -> None:
    """Keep the content of a file that was still to come. It has to be there before the transaction ends."""
    await connection.execute(_complete_raw, {"sha256": sha256, "content": deflated})


async def one_at_a_time(connection: Writer) -> None:
    """Wait for an import under way to end: two of one file would not see each other."""
    await connection.execute(_one_at_a_time, {"key": _LOCK})


async def standing_import(connection: Writer, sha256: str) -> tuple[int, datetime, Any, list[str]] | None:
    """The import of this very file, when it was, its report and the accounts it tells of, if it stands."""
    table = imports.c
    row = (
        await connection.execute(
            select(table.id, table.imported_at, table.report, table.accounts).where(
                table.sha256 == sha256, table.status == "done"
            )
        )
    ).first()
    return None if row is None else (row.id, row.imported_at, row.report, list(row.accounts))


async def begin_import(
    connection: Writer, file: File, *, trigger: str, stated_at: datetime, now: datetime
) -> int:
    """Keep the file, and give what it brings an id."""
    await keep_file(connection, file, now)
    begun = await connection.execute(
        insert(imports)
        .values(
            kind=file.kind,
            name=file.name,
            sha256=file.sha256,
            status="done",
            trigger=trigger,
            stated_at=stated_at,
            imported_at=now,
            report={},
        )
        .returning(imports.c.id)
    )
    return int(begun.scalar_one())


async def date_import(connection: Writer, import_id: int, stated_at: datetime) -> None:
    """Record when its file was written: of several that state the same the latest counts."""
    await connection.execute(update(imports).where(imports.c.id == import_id).values(stated_at=stated_at))


async def end_import(connection: Writer, import_id: int, report: object, accounts: Iterable[str]) -> None:
    """Record what it came to, and whom it concerns."""
    ended = {"report": json.decode(json.encode(report)), "accounts": sorted(accounts)}
    await connection.execute(update(imports).where(imports.c.id == import_id).values(ended))


async def bring(connection: Writer, table: str, import_id: int, rows: Iterable[tuple[Any, ...]]) -> None:
    """Store what a file states; ``rows`` are made by ``row_of``. What it repeats is stored once."""
    brought = BROUGHT[table]
    await brought.insert(connection, [(import_id, *row) for row in rows])


async def bring_periods(connection: Writer, import_id: int, periods: Iterable[StatedPeriod]) -> None:
    """Store the times that a file covers."""
    rows = [(import_id, one.line, one.account, one.starts_at, one.ends_at, one.complete) for one in periods]
    await _bring_periods(connection, rows)


async def bring_lots(
    connection: Writer, import_id: int, lots: Iterable[StatedLot], first_number: int
) -> None:
    """Store the lots that a file states were closed, numbered on from ``first_number``."""
    lines = [
        copy_line(
            (
                *(import_id, one.line, number, one.account, one.instrument.conid, one.opened_at),
                *(one.closed_at, one.quantity, one.cost, one.realized_pnl),
            )
        )
        for number, one in enumerate(lots, first_number)
    ]
    await _bring_lots(connection, lines)


async def name_events(connection: Writer, import_id: int) -> None:
    """Give events that are known by another name that name: each those of one of another import.

    Names are made of what is said, so a corrected event has another; but the broker's number stays.
    """
    await connection.execute(_name_events, {"id": import_id})


async def outcomes(connection: Writer, table: str, import_id: int) -> dict[str, int]:
    """How many of an import's rows are new, say what another said, or say something else."""
    rows = await connection.execute(BROUGHT[table].count, {"import_id": import_id})
    return {row.outcome: row.rows for row in rows}


async def name_instruments(connection: Writer, import_id: int, named: Iterable[tuple[int, str, int]]) -> None:
    """Note what a file's names for instruments, each with its line, were taken for."""
    await _name_instruments(connection, [(import_id, *one) for one in sorted(named)])


def row_of(record: Brought, key: str) -> tuple[str, tuple[Any, ...]]:
    """The table of a record and its row, from ``line`` on. ``key`` names an event or a flow."""
    match record:
        case StatedEvent():
            return "corporate_actions", (
                *(record.line, key, record.account, record.instrument.conid, record.at, record.cause),
                *(record.kind, record.quantity, record.carried, record.cost, record.price),
                *(record.realized_pnl, record.group, record.description, record.cash, record.market_value),
                *(record.fx_rate_to_base, record.reported_on, record.kept_share, record.event_id),
            )
        case StatedPosition():
            return "stated_positions", (
                *(record.line, record.account, record.instrument.conid, record.as_of, record.quantity),
                *(record.cost, record.mark_price, record.market_value, record.unrealized_pnl),
            )
        case StatedInventory():
            return "stated_inventories", (record.line, record.account, record.as_of)
        case StatedCashFlow():
            return "cash_flows", (
                *(record.line, key, record.account, record.kind, record.kind in EXTERNAL, record.at),
                *(record.amount, record.currency, record.fx_rate_to_base, record.conid, record.symbol),
                *(record.description, record.reported_on, record.transaction_id),
            )
        case _:
            return _row_of_account(record)


def _row_of_account(
    record: StatedBalance | StatedValue | StatedChange | StatedRate,
) -> tuple[str, tuple[Any, ...]]:
    match record:
        case StatedBalance():
            return "cash_balances", (
                *(record.line, record.account, record.currency, record.as_of),
                *(record.cash, record.settled_cash, record.starts_on, record.starting_cash),
                *(record.trades, record.commissions, record.futures, record.flows),
            )
        case StatedRate():
            return "fx_rates", (record.line, record.currency, record.into, record.as_of, record.rate)
        case StatedValue():
            return "stated_values", (
                *(record.line, record.account, record.as_of, record.currency, record.net_liquidation),
                *(record.cash, record.stock, record.options, record.bonds, record.funds, record.accruals),
                *(record.dividend_accruals, record.other, record.gross),
            )
        case StatedChange():
            return "stated_changes", (
                *(record.line, record.account, record.starts_on, record.ends_on, record.currency),
                *(record.starting, record.ending, record.contribution, record.gain, record.twr),
            )
