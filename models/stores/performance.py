"""The performance of accounts, as it was reckoned: written where it differs from what is stored."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from core.domain.days import BROKER_ZONE
from core.domain.hours import HourPerformance
from core.domain.performance import DayPerformance
from models.session import Reader, Writer
from models.stores.bulk import BulkInsert, BulkUpdate
from models.tables import performance_metrics

_COLUMNS = (
    *("account", "resolution", "ts", "source", "day", "currency", "net_liquidation", "total_cash"),
    *("gross_position_value", "daily_pnl", "unrealized_pnl", "realized_pnl", "net_contribution"),
    *("twr", "drawdown", "data_quality", "linked_index", "peak_index", "import_id"),
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
    "AND source = :source AND NOT day = ANY(:days)"
)
_ends = text(
    "SELECT day, CAST(day + 1 AS timestamp) AT TIME ZONE CAST(:zone AS text) AS ts "
    "FROM unnest(CAST(:days AS date[])) AS d(day)"
)
_RECKONED = (
    *("net_contribution", "twr", "drawdown", "data_quality", "linked_index", "peak_index", "since"),
    "trades_until",
)
_KINDS = {"data_quality": "text", "since": "timestamptz", "trades_until": "timestamptz"}
_read = ", ".join(f"CAST(r.{name} AS {_KINDS.get(name, 'numeric')})" for name in _RECKONED)
_reckon = BulkUpdate(
    performance_metrics,
    ("account", "resolution", "ts", "source"),
    _RECKONED,
    where=f"({', '.join(f't.{name}' for name in _RECKONED)}) IS DISTINCT FROM ({_read})",
)
# Of several that are equal the first. Weeks begin on Mondays.
_WEEK = "date_bin('7 days', {0}, timestamptz '2001-01-01Z')"
_DAY = "date_bin('1 day', {0}, timestamptz '2001-01-01Z')"


def _is_extreme(stretch: str) -> str:
    return " OR ".join(
        f"(p.{name} IS NOT NULL AND p.ts = first_value(p.ts) OVER (PARTITION BY {stretch.format('p.ts')} "
        f"ORDER BY p.{name} {order} NULLS LAST, p.ts))"
        for name in ("net_liquidation", "twr")
        for order in ("ASC", "DESC")
    )


# Reckoned once, whatever the planner believes of a table that grew just now: joined in a loop, all of it was
# reckoned anew for each row.
_note_extremes = text(
    f"WITH f AS MATERIALIZED (SELECT p.ts, CASE WHEN {_is_extreme(_WEEK)} "  # noqa: S608 - names of this program's own
    f"THEN 2 WHEN {_is_extreme(_DAY)} THEN 1 ELSE 0 END AS extreme FROM performance_metrics p "
    "WHERE p.account = :account AND p.resolution = 'hour' AND p.source = 'snapshot' "
    f"AND p.ts >= {_WEEK.format('CAST(:first AS timestamptz)')} "
    f"AND p.ts < {_WEEK.format('CAST(:last AS timestamptz)')} + interval '7 days') "
    "UPDATE performance_metrics t SET extreme = f.extreme FROM f "
    "WHERE t.account = :account AND t.resolution = 'hour' AND t.source = 'snapshot' AND t.ts = f.ts "
    "AND t.extreme <> f.extreme"
)
# Whoever reckons an account's performance waits for who does so already, and sees what that wrote.
_one_at_a_time = text("SELECT pg_advisory_xact_lock(hashtext('lotkeeper performance'), hashtext(:account))")
_want = text(
    "INSERT INTO performance_renewals AS r (account, since) SELECT k.account, k.since FROM "
    "unnest(CAST(:accounts AS text[]), CAST(:times AS timestamptz[])) AS k(account, since) "
    "WHERE EXISTS (SELECT FROM performance_metrics p WHERE p.account = k.account "
    "AND p.resolution = 'hour' AND p.source = 'snapshot' AND p.ts > k.since) ORDER BY k.account "
    "ON CONFLICT (account) DO UPDATE SET since = excluded.since WHERE r.since > excluded.since"
)
_wanted = text("SELECT account FROM performance_renewals ORDER BY account")
_take_up = text("SELECT since FROM performance_renewals WHERE account = :account FOR UPDATE SKIP LOCKED")
_done = text("DELETE FROM performance_renewals WHERE account = :account")
_go_on = text("UPDATE performance_renewals SET since = :since WHERE account = :account")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


async def one_at_a_time(connection: Writer, account: str) -> None:
    """Wait until nobody else reckons an account's performance; nobody does until the transaction ends."""
    await connection.execute(_one_at_a_time, {"account": account})


async def want_renewal(connection: Writer, since: Mapping[str, datetime | None]) -> None:
    """Have the hours of accounts reckoned anew that end after these times, if any; ``None``: all of them.

    To be called last in a transaction: others wait for these rows until it is committed.
    """
    if not since:
        return
    ordered = sorted(since)
    times = [since[account] or _NEVER for account in ordered]
    await connection.execute(_want, {"accounts": ordered, "times": times})


async def renewals_wanted(connection: Writer | Reader) -> list[str]:
    """Accounts of which something is to be reckoned anew."""
    return [row.account for row in await connection.execute(_wanted)]


async def take_up_renewal(connection: Writer, account: str) -> datetime | None:
    """Since when an account is to be reckoned anew; ``None``: it is not, or somebody is changing that."""
    since: datetime | None = (await connection.execute(_take_up, {"account": account})).scalar_one_or_none()
    return since


async def end_renewal(connection: Writer, account: str, *, go_on: datetime | None = None) -> None:
    """Note that it is done; ``go_on`` says up to when, where it is not done to the end."""
    if go_on is None:
        await connection.execute(_done, {"account": account})
    else:
        await connection.execute(_go_on, {"account": account, "since": go_on})


async def store_hours(connection: Writer, account: str, rows: Sequence[HourPerformance]) -> None:
    """Write what was reckoned of hours that are there, where it differs."""
    await _reckon(
        connection,
        [
            (
                *(account, "hour", one.ts, "snapshot", one.net_contribution, one.twr, one.drawdown),
                *(one.quality, one.linked.value, one.linked.peak, one.since, one.trades_until),
            )
            for one in rows
        ],
    )


async def note_extremes(connection: Writer, account: str, hours: Collection[datetime]) -> None:
    """Say of the days and weeks (UTC) of these hours which of their hours were the lowest and highest."""
    if hours:
        await connection.execute(
            _note_extremes, {"account": account, "first": min(hours), "last": max(hours)}
        )


async def store_days(
    connection: Writer,
    account: str,
    rows: Collection[DayPerformance],
    realized: Mapping[date, Decimal | None],
) -> None:
    """Have these be all the days that an account's statements and snapshots tell of.

    ``realized`` is what was realized on those that statements state.
    """
    for source in ("statement", "snapshot"):
        days = [row.value.day for row in rows if row.value.source == source]
        await connection.execute(_forget, {"account": account, "source": source, "days": days})
    days = [row.value.day for row in rows]
    ends = await connection.execute(_ends, {"days": days, "zone": BROKER_ZONE.key})
    by_day: dict[date, Any] = {row.day: row.ts for row in ends}
    await _write(
        connection,
        [
            (
                *(account, "day", by_day[one.value.day], one.value.source, one.value.day),
                *(one.value.currency, one.value.net_liquidation, one.value.cash, one.value.gross),
                *(one.daily_pnl, one.value.unrealized),
                # What snapshots tell of a day stands beside it, and says nothing of what was realized.
                realized.get(one.value.day) if one.value.source == "statement" else None,
                *(
                    one.net_contribution,
                    one.twr,
                    one.drawdown,
                    one.quality,
                    one.linked.value,
                    one.linked.peak,
                ),
                one.value.import_id,
            )
            for one in rows
        ],
    )
