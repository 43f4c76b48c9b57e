"""What the database counts for Prometheus: one connection, one moment, whatever is told of it."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import text

from core.domain.backups import BackupKind
from core.domain.disputes import DisputeCause, DisputeKind
from core.domain.market_hours import open_at
from core.domain.snapshot_runs import RunStatus, hour_of
from models.queries.backups import LastRun, WalSlot, last_backup_runs, wal_slot
from models.queries.disputes.compare import difference_counts
from models.queries.issues import CheckRow, OpenCount, open_counts, rule_checks_of
from models.queries.jobs import DueCounts, due_counts
from models.queries.reconciliation import standing_differences
from models.queries.snapshots import hours_by_status, snapshot_gaps
from models.queries.sync import DeadRow, Tally, dead_by_category, tally
from models.queries.watched import (
    JobCount,
    account_names,
    hours_of_what_is_held,
    jobs_by_status,
    newest_snapshots,
    provisional_executions,
)
from models.session import Database, Reader
from services.api.live.load import DATABASE_AWAY

READ_SECONDS: Final = 2.0
COUNT_SECONDS: Final = 60.0
COUNTED_FOR: Final = timedelta(minutes=10)
"""What was counted longer ago is told no more."""
_COUNTED: Final = timedelta(hours=24)
_MOST_GAPS: Final = 5_000


class Counted(NamedTuple):
    """All of it, as of one moment. ``names`` are what accounts are called where their numbers must not be."""

    names: dict[str, str]
    dead: list[DeadRow]
    numbers: Tally
    provisional_executions: int
    due: DueCounts
    jobs: list[JobCount]
    differences: dict[tuple[str, bool], int]
    disputes: list[tuple[DisputeKind, DisputeCause, int]]
    snapshots: dict[str, datetime | None]
    missing_hours: dict[str, int]
    snapshot_hours: dict[RunStatus, int]
    issues: list[OpenCount]
    checks: dict[str, CheckRow]
    market_open: bool | None
    backups: dict[BackupKind, LastRun]
    wal: WalSlot | None


class Counts(NamedTuple):
    """Whether PostgreSQL answers, and what was counted last, how many seconds ago; ``None``: not of late."""

    is_up: bool
    counted: Counted | None
    age_seconds: int


class Counting:
    """Counts for whoever asks, one at a time.

    That it takes longer than somebody waits, as over a long ledger that is in no cache, is another thing than
    that PostgreSQL is away: then what was counted before is told, and how old that is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest: tuple[datetime, Counted] | None = None
        self._counting: asyncio.Task[bool] | None = None

    async def counts(self, now: datetime) -> Counts:
        """As they are known within some seconds."""
        if self._counting is None:
            self._counting = asyncio.create_task(self._count(now), name="api-counting")
        # Whoever asks goes away: others may wait for the same.
        counting = self._counting
        done, _ = await asyncio.wait({counting}, timeout=READ_SECONDS)
        if done and self._counting is counting:
            self._counting = None
        is_up = (done and counting.result()) or await self._answers()
        if not is_up or self._latest is None or now - self._latest[0] > COUNTED_FOR:
            return Counts(is_up, None, 0)
        return Counts(is_up, self._latest[1], max(0, round((now - self._latest[0]).total_seconds())))

    async def close(self) -> None:
        """Stop counting."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)

    async def _count(self, now: datetime) -> bool:
        try:
            async with asyncio.timeout(COUNT_SECONDS), self._database.read_one_moment() as reader:
                self._latest = now, await _read(reader, now)
        except DATABASE_AWAY:
            return False
        return True

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(READ_SECONDS), self._database.read_one_moment() as reader:
                await reader.execute(text("SELECT 1"))
        except DATABASE_AWAY:
            return False
        return True


async def _read(reader: Reader, now: datetime) -> Counted:
    since = now - _COUNTED
    snapshots = await newest_snapshots(reader)
    return Counted(
        names=await account_names(reader),
        dead=await dead_by_category(reader),
        numbers=await tally(reader),
        provisional_executions=await provisional_executions(reader),
        due=await due_counts(reader),
        jobs=await jobs_by_status(reader, since),
        differences=await standing_differences(reader),
        disputes=await difference_counts(reader),
        snapshots=snapshots,
        missing_hours=await _missing_hours(reader, snapshots, now),
        snapshot_hours=await hours_by_status(reader, since),
        issues=await open_counts(reader),
        checks=await rule_checks_of(reader),
        market_open=is_any_open(await hours_of_what_is_held(reader), now),
        backups=await last_backup_runs(reader),
        wal=await wal_slot(reader),
    )


async def _missing_hours(
    reader: Reader, snapshots: dict[str, datetime | None], now: datetime
) -> dict[str, int]:
    missing = Counter({account: 0 for account, asof_ts in snapshots.items() if asof_ts is not None})
    until = hour_of(now)
    for gap in await snapshot_gaps(reader, since=until - _COUNTED, until=until, limit=_MOST_GAPS):
        missing[gap.account] += round((gap.last - gap.first) / timedelta(hours=1)) + 1
    return dict(missing)


def is_any_open(hours: list[tuple[str, str]], now: datetime) -> bool | None:
    """Whether one of these is open; ``None`` where none is known to be and not all are known to be closed."""
    found = {open_at(spelled, zone, now) for spelled, zone in hours}
    if True in found:
        return True
    return False if found == {False} else None
