"""Snapshots, their runs, and the hours that have none."""

from datetime import datetime
from decimal import Decimal
from operator import eq, ge, lt
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, text, tuple_

from core.domain.snapshot_runs import RunStatus, SnapshotTrigger
from core.domain.snapshots import SnapshotSource
from core.errors import ErrorCategory
from models.queries.narrowing import narrowed
from models.session import Reader
from models.tables import (
    cash_balances,
    fx_rates,
    instruments,
    snapshot_positions,
    snapshot_runs,
    snapshots,
)


class SnapshotKey(NamedTuple):
    """Where a snapshot stands in the list: newest first."""

    asof_ts: datetime
    id: int


class SnapshotRow(NamedTuple):
    """What an account was worth at a moment."""

    id: int
    run_id: int
    account: str
    hour: datetime | None
    asof_ts: datetime
    taken_at: datetime
    net_liquidation: Decimal
    total_cash: Decimal | None
    gross_position_value: Decimal | None
    base_currency: str
    coverage: Decimal
    source: SnapshotSource
    payload_sha256: str | None
    thinned_at: datetime | None


class PositionThen(NamedTuple):
    """What was held of an instrument then, and what it was worth."""

    conid: int
    symbol: str
    sec_type: str
    quantity: Decimal
    average_cost: Decimal | None
    currency: str
    mark_price: Decimal | None
    mark_as_of: datetime | None
    fresh: bool
    market_value: Decimal | None
    fx_rate: Decimal | None
    market_value_base: Decimal | None
    unrealized_pnl: Decimal | None
    daily_pnl: Decimal | None
    market_open: bool | None


class RateThen(NamedTuple):
    """What one unit of a currency was worth in the base currency then."""

    currency: str
    into_currency: str
    rate: Decimal
    at: datetime


class CashThen(NamedTuple):
    """Cash in one currency then."""

    currency: str
    cash: Decimal
    at: datetime


class Parts(NamedTuple):
    """What belongs to a snapshot."""

    positions: list[PositionThen]
    rates: list[RateThen]
    cash: list[CashThen]


class RunState(NamedTuple):
    """How the run of an hour stands."""

    status: RunStatus
    attempts: int
    finished_at: datetime | None


class RunRow(NamedTuple):
    """A run and how it ended. ``failures`` are by account: category and reason."""

    id: int
    trigger: SnapshotTrigger
    hour: datetime | None
    account: str | None
    job_id: UUID | None
    status: RunStatus
    attempts: int
    taken: int
    failures: dict[str, dict[str, str]]
    error_category: ErrorCategory | None
    summary: str
    schema_version: str
    app_version: str
    started_at: datetime
    finished_at: datetime | None


class GapKey(NamedTuple):
    """Where a gap stands in the list: newest first, and of one hour by account."""

    first: datetime
    account: str


class SnapshotGap(NamedTuple):
    """Hours in a row of which an account has no snapshot, for one reason; ``last`` is the last of them."""

    account: str
    first: datetime
    last: datetime
    hours: int
    reason: str


NOT_RUNNING = "not_running"
"""Why an hour has no snapshot of which there is no run: no process of ours ran, or it had no database."""

# An account is expected from its first snapshot on, and as long as the login sees it. Nothing is written down
# of an hour in which nothing ran: that there is no run says so, however long it was, whatever the clock did.
_gaps = text(
    "WITH expected AS (SELECT a.account, h.hour FROM (SELECT account, (SELECT min(s.hour) FROM snapshots s "
    "WHERE s.account = b.account AND s.hour IS NOT NULL) AS first, CASE WHEN listed THEN CAST(:until AS "
    "timestamptz) ELSE least(:until, last_seen_at) END AS until FROM broker_accounts b "
    "WHERE CAST(:account AS text) IS NULL OR account = :account) a, "
    # The first full hour from then on: the session's zone is UTC.
    "generate_series(greatest(a.first, date_trunc('hour', CAST(:since AS timestamptz) + interval "
    "'59 minutes 59.999999 seconds')), a.until - interval '1 microsecond', interval '1 hour') AS h(hour) "
    "WHERE a.first IS NOT NULL), "
    "missing AS (SELECT e.account, e.hour, CASE WHEN r.id IS NULL THEN :not_running ELSE coalesce("
    "r.failures -> e.account ->> 'reason', nullif(r.summary, ''), r.status) END AS reason "
    # One index probe an hour, said so that no plan reads all runs there ever were for the hours of a day.
    "FROM expected e LEFT JOIN LATERAL (SELECT * FROM snapshot_runs WHERE hour = e.hour OFFSET 0) r ON true "
    "WHERE NOT EXISTS (SELECT FROM snapshots s WHERE s.account = e.account AND s.hour = e.hour OFFSET 0)), "
    "numbered AS (SELECT *, hour - row_number() OVER (PARTITION BY account, reason ORDER BY hour) "
    "* interval '1 hour' AS island FROM missing) "
    "SELECT account, min(hour) AS first, max(hour) AS last, count(*) AS hours, reason FROM numbered "
    "GROUP BY account, reason, island HAVING CAST(:after_first AS timestamptz) IS NULL "
    "OR min(hour) < :after_first OR (min(hour) = :after_first AND account > CAST(:after_account AS text)) "
    "ORDER BY first DESC, account LIMIT :most"
)
_status_before = text("SELECT status FROM snapshot_runs WHERE hour < :hour ORDER BY hour DESC LIMIT 1")
_run_of_hour = text("SELECT status, attempts, finished_at FROM snapshot_runs WHERE hour = :hour")
_newest = text(
    "SELECT min(newest) FROM (SELECT (SELECT max(s.asof_ts) FROM snapshots s WHERE s.account = a.account) "
    "AS newest FROM broker_accounts a WHERE a.listed) n"
)
_counted = text(
    "SELECT status, count(*) AS runs FROM snapshot_runs WHERE hour >= :since GROUP BY status ORDER BY status"
)


async def run_of_hour(reader: Reader, hour: datetime) -> RunState | None:
    """How the run of an hour stands; ``None``: there is none yet."""
    row = (await reader.execute(_run_of_hour, {"hour": hour})).one_or_none()
    return None if row is None else RunState(*row)


async def status_before(reader: Reader, hour: datetime) -> RunStatus | None:
    """How the last hour before this one that had a run ended."""
    found: RunStatus | None = (await reader.execute(_status_before, {"hour": hour})).scalar_one_or_none()
    return found


async def snapshots_page(
    reader: Reader,
    *,
    account: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: SnapshotKey | None = None,
    limit: int,
) -> list[SnapshotRow]:
    """At most ``limit`` snapshots after ``after``, newest first."""
    table = snapshots.c
    query = (
        select(*(table[name] for name in SnapshotRow._fields))
        .order_by(table.asof_ts.desc(), table.id.desc())
        .limit(limit)
    )
    query = narrowed(
        query,
        (table.account, eq, account),
        (table.asof_ts, ge, since),
        (table.asof_ts, lt, until),
        (tuple_(table.asof_ts, table.id), lt, after),
    )
    return [SnapshotRow._make(row) for row in await reader.execute(query)]


async def snapshot_by_id(reader: Reader, snapshot_id: int) -> SnapshotRow | None:
    """One snapshot, or ``None``."""
    table = snapshots.c
    query = select(*(table[name] for name in SnapshotRow._fields)).where(table.id == snapshot_id)
    row = (await reader.execute(query)).one_or_none()
    return None if row is None else SnapshotRow._make(row)


async def parts_of(reader: Reader, snapshot: SnapshotRow) -> Parts:
    """What was held, at which rates it was valued, and which cash there was."""
    table, named = snapshot_positions.c, instruments.c
    columns = [
        named[name] if name in {"symbol", "sec_type"} else table[name] for name in PositionThen._fields
    ]
    held = (
        select(*columns)
        .join_from(snapshot_positions, instruments, named.conid == table.conid)
        # The time names the month that its rows are in.
        .where(table.snapshot_id == snapshot.id, table.asof_ts == snapshot.asof_ts)
        .order_by(named.symbol, table.conid)
    )
    rates, cash = fx_rates.c, cash_balances.c
    used = select(*(rates[name] for name in RateThen._fields)).where(rates.snapshot_id == snapshot.id)
    balances = select(*(cash[name] for name in CashThen._fields)).where(cash.snapshot_id == snapshot.id)
    return Parts(
        [PositionThen._make(row) for row in await reader.execute(held)],
        [RateThen._make(row) for row in await reader.execute(used.order_by(rates.currency))],
        [CashThen._make(row) for row in await reader.execute(balances.order_by(cash.currency))],
    )


async def runs_page(reader: Reader, *, after: int | None = None, limit: int) -> list[RunRow]:
    """At most ``limit`` runs with a smaller number than ``after``, newest first."""
    table = snapshot_runs.c
    query = select(*(table[name] for name in RunRow._fields)).order_by(table.id.desc()).limit(limit)
    query = narrowed(query, (table.id, lt, after))
    return [RunRow._make(row) for row in await reader.execute(query)]


async def snapshot_gaps(
    reader: Reader,
    *,
    until: datetime,
    since: datetime | None = None,
    account: str | None = None,
    after: GapKey | None = None,
    limit: int,
) -> list[SnapshotGap]:
    """Hours before ``until`` (a full hour) without a snapshot, those in a row together, newest first."""
    asked: dict[str, Any] = {
        "until": until,
        "since": since,
        "account": account,
        "after_first": None if after is None else after.first,
        "after_account": None if after is None else after.account,
        "most": limit,
        "not_running": NOT_RUNNING,
    }
    return [SnapshotGap._make(row) for row in await reader.execute(_gaps, asked)]


async def oldest_of_newest(reader: Reader) -> datetime | None:
    """Of when the last snapshot is of the account that has gone longest without; ``None``: there is none."""
    found: datetime | None = (await reader.execute(_newest)).scalar_one()
    return found


async def hours_by_status(reader: Reader, since: datetime) -> dict[RunStatus, int]:
    """How the runs of the hours since then stand."""
    return {row.status: row.runs for row in await reader.execute(_counted, {"since": since})}
