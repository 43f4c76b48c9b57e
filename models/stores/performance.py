"""The performance of accounts, as it was reckoned: written where it differs from what is stored."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from core.domain.days import BROKER_ZONE
from core.domain.performance import DayPerformance
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import performance_metrics

_COLUMNS = (
    *("account", "resolution", "ts", "source", "day", "currency", "net_liquidation", "total_cash"),
    *(
        "gross_position_value",
        "daily_pnl",
        "unrealized_pnl",
        "realized_pnl",
        "net_contribution",
        "twr",
        "drawdown",
    ),
    *("data_quality", "import_id"),
)
_FIGURES = _COLUMNS[5:]
_write = BulkInsert(
    performance_metrics,
    _COLUMNS,
    alias="p",
    conflict="ON CONFLICT (account, resolution, ts, source) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _FIGURES)
    + f" WHERE ({', '.join(f'p.{name}' for name in _FIGURES)}) IS DISTINCT FROM "
    f"({', '.join(f'excluded.{name}' for name in _FIGURES)})",
)
_forget = text(
    "DELETE FROM performance_metrics WHERE account = :account AND resolution = 'day' "
    "AND source = 'statement' AND NOT day = ANY(:days)"
)
_ends = text(
    "SELECT day, CAST(day + 1 AS timestamp) AT TIME ZONE CAST(:zone AS text) AS ts "
    "FROM unnest(CAST(:days AS date[])) AS d(day)"
)


async def store_stated_days(
    connection: Writer,
    account: str,
    rows: Sequence[DayPerformance],
    realized: Mapping[date, Decimal | None],
) -> None:
    """Have these be all the days that an account's statements tell of, with what was ``realized`` on each."""
    days = [row.value.day for row in rows]
    await connection.execute(_forget, {"account": account, "days": days})
    ends = await connection.execute(_ends, {"days": days, "zone": BROKER_ZONE.key})
    by_day: dict[date, Any] = {row.day: row.ts for row in ends}
    await _write(
        connection,
        [
            (
                *(account, "day", by_day[one.value.day], "statement", one.value.day, one.value.currency),
                *(one.value.net_liquidation, one.value.cash, one.value.gross, one.daily_pnl),
                *(one.value.unrealized, realized.get(one.value.day), one.net_contribution, one.twr),
                *(one.drawdown, one.quality),
                one.value.import_id,
            )
            for one in rows
        ],
    )
