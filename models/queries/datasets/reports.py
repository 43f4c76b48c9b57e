"""Reports: the very queries that the API pages through, and the views for those who query the database."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy import CompoundSelect, Select, union_all
from sqlalchemy.dialects.postgresql import asyncpg

from models.queries.executions import ExecutionRow, executions_told
from models.queries.performance import PerformanceRow, performance_told
from models.queries.realized import RealizedRow, realized_told

_dialect: Any = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own has no types


class Report(NamedTuple):
    """A report: SQL of its rows, what tells them apart, and the column that says of when each is."""

    name: str
    description: str
    select: Callable[[], str]
    key: tuple[str, ...]
    time: str | None = None


def _sql(query: Select[Any] | CompoundSelect[Any], columns: tuple[str, ...]) -> str:
    """The query with its values in it, its columns under these names."""
    spelled = query.compile(dialect=_dialect, compile_kwargs={"literal_binds": True})
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT {listed} FROM ({spelled}) told ({listed})"  # noqa: S608 - words of this program's own


def _executions() -> str:
    return _sql(executions_told(corrected=False), ExecutionRow._fields)


def _realized() -> str:
    by_day = _sql(realized_told("day"), RealizedRow._fields)
    rest = ", ".join(f'"{name}"' for name in RealizedRow._fields[1:])
    return f"SELECT CAST(key AS date) AS day, {rest} FROM ({by_day}) r"  # noqa: S608 - as above


def _performance() -> str:
    both = union_all(performance_told("hour"), performance_told("day"))
    return _sql(both, PerformanceRow._fields)


def _open_lots() -> str:
    return (
        "SELECT p.account, p.conid, n.symbol, n.local_symbol, n.sec_type, n.currency, n.multiplier, "
        "l.position_id, l.seq, l.exec_id, l.opened_at, l.carried_at, l.quantity, l.remaining, l.price, "
        "l.unit_cost, l.remaining_cost, l.remaining_commission, l.provisional "
        "FROM lots l JOIN positions p ON p.id = l.position_id JOIN instruments n ON n.conid = p.conid "
        "WHERE l.remaining <> 0"
    )


def _view(name: str) -> Callable[[], str]:
    return lambda: f"SELECT * FROM {name}"  # noqa: S608 - as above


REPORTS: Final = (
    Report(
        "asset_allocation_by_global_instrument",
        "what each account held when its newest snapshot was taken, cash included",
        _view("asset_allocation_by_global_instrument"),
        ("account", "is_cash", "global_instrument_id", "name", "market_value_base"),
    ),
    Report(
        "daily_portfolio_value",
        "what each account was worth at the end of each day",
        _view("daily_portfolio_value"),
        ("account", "day"),
        "day",
    ),
    Report(
        "executions_report",
        "executions as the API lists them: the newest versions, with instrument and commission",
        _executions,
        ("executed_at", "exec_id"),
        "executed_at",
    ),
    Report(
        "latest_snapshot_per_broker_account",
        "the newest snapshot of each account",
        _view("latest_snapshot_per_broker_account"),
        ("account",),
    ),
    Report(
        "open_lots",
        "what is held, lot by lot, with its instrument and its cost",
        _open_lots,
        ("account", "conid", "position_id", "seq"),
    ),
    Report(
        "performance_report",
        "what accounts were worth and earned by hour and by day, as the API lists it",
        _performance,
        ("account", "resolution", "ts", "source"),
        "ts",
    ),
    Report(
        "positions_history",
        "each position from flat to flat, with what its lots realized",
        _view("positions_history"),
        ("account", "conid", "ordinal"),
    ),
    Report(
        "realized_by_day",
        "realized profit and loss by day (UTC), account and currency, ours and the broker's",
        _realized,
        ("day", "account", "currency"),
        "day",
    ),
)
