"""Runs of snapshots: of the hour, as long as it lasts, and of who asks for one.

PostgreSQL has the truth: there is one run an hour and one snapshot of an account in it, whoever takes it
and however often. A run is held while somebody is at it; one that nobody holds and that has not ended was
begun by a process that is gone, and goes on where that left off.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from core import logs
from core.clock import Clock, utc_now
from core.domain.snapshot_runs import RunStatus, SnapshotTrigger, hour_of, is_due, outcome
from core.domain.snapshots import Refusal
from core.errors import ErrorCategory
from core.settings import Settings
from core.version import installed_version
from models.migrate import head_revision
from models.queries.last_known import listed_accounts
from models.queries.snapshots import run_of_hour, status_before
from models.session import Database, is_passing
from models.stores.jobs_coalesced import hold
from models.stores.snapshot_runs import (
    Run,
    Versions,
    accounts_taken,
    begin_attempt,
    end_attempt,
    left_running,
    open_asked,
    open_hour,
)
from models.tables.jobs import SNAPSHOT
from services.snapshot import metrics
from services.snapshot.take import Taken, take_account

log = logs.get_logger(__name__)

_ABANDONED = timedelta(minutes=10)
"""No run that somebody waits for takes so long."""

_MOST_TRIES = 5

_INTERRUPTED = Refusal("database", "interrupted: the process that took it ended")
_NOBODY = "no account is known yet: the broker link has not named any"


class RunReport(NamedTuple):
    """How a run ended: ``taken`` accounts have their snapshot, with so many positions."""

    run_id: int
    status: RunStatus
    taken: int
    positions: int
    failures: dict[str, Refusal]
    summary: str


class Snapshots:
    """Takes snapshots. Any number of processes may do so at once."""

    def __init__(self, database: Database, settings: Settings, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock

    @cached_property
    def versions(self) -> Versions:
        """What is noted with each run."""
        return Versions(head_revision(), installed_version())

    async def take_hour(self) -> RunReport | None:
        """Take what is missing of this hour; ``None`` where nothing is, or not yet again, or others do.

        Raises:
            DBAPIError: PostgreSQL is away, or not able just then: the run is tried again.
        """
        now = self._clock()
        hour = hour_of(now)
        await self._close_left(hour, now)
        async with self._database.read() as reader:
            known = await run_of_hour(reader, hour)
        if known is not None and not is_due(known.status, known.attempts, known.finished_at, now):
            return None
        async with self._database.write() as holder:
            if not await hold(holder, SNAPSHOT, _lock_of(hour)):
                return None
            async with self._database.write() as writer:
                run = await open_hour(writer, hour, self.versions, now)
            # Whoever held it before may have done it.
            if not is_due(run.status, run.attempts, run.finished_at, now):
                return None
            return await self._attempt(run)

    async def take_now(
        self, trigger: SnapshotTrigger, *, account: str | None = None, job_id: UUID | None = None
    ) -> RunReport:
        """Take a snapshot of all accounts, or of one, for somebody who waits for it.

        Raises:
            DBAPIError: PostgreSQL is away, or not able just then.
        """
        async with self._database.write() as writer:
            run = await open_asked(
                writer, trigger, self.versions, self._clock(), account=account, job_id=job_id
            )
        if run.attempts >= _MOST_TRIES:
            return await self._give_up(run)
        async with self._database.write() as holder:
            await hold(holder, SNAPSHOT, _lock_of(run.id))
            return await self._attempt(run)

    async def _give_up(self, run: Run) -> RunReport:
        """End a run that its worker did not survive, so often that there is no use in trying."""
        async with self._database.write() as writer:
            done = await accounts_taken(writer, run.id)
            status: RunStatus = "partial" if done else "fail"
            summary = f"it was tried {run.attempts} times, and ended the worker each time"
            await end_attempt(
                writer,
                run.id,
                status,
                taken=len(done),
                category=_INTERRUPTED.category,
                failures={},
                summary=summary,
                now=self._clock(),
            )
        log.warning("snapshot_given_up", run=run.id, attempts=run.attempts)
        return RunReport(run.id, status, len(done), 0, {}, summary)

    async def _attempt(self, run: Run) -> RunReport:
        elapsed_ms = logs.stopwatch()
        async with self._database.write() as writer:
            attempt = await begin_attempt(writer, run, self.versions)
            done = await accounts_taken(writer, run.id)
        async with self._database.read() as reader:
            wanted = [run.account] if run.account is not None else await listed_accounts(reader)
        failures: dict[str, Refusal] = {}
        positions = unvalued = 0
        for account in wanted:
            if account in done:
                continue
            taken = await self._take(run, account)
            if isinstance(taken, Refusal):
                failures[account] = taken
                metrics.FAILURES.labels(taken.category).inc()
            else:
                done.add(account)
                positions += taken.positions
                unvalued += taken.unvalued
        status = outcome(len(done), len(failures))
        summary = _summary(wanted, failures)
        async with self._database.write() as writer:
            await end_attempt(
                writer,
                run.id,
                status,
                taken=len(done),
                category=_category(status, failures),
                failures=failures,
                summary=summary,
                now=self._clock(),
            )
        metrics.RUNS.labels(run.trigger, status).inc()
        report = RunReport(run.id, status, len(done), positions, failures, summary)
        await self._tell(run, attempt, report, unvalued, elapsed_ms())
        return report

    async def _take(self, run: Run, account: str) -> Taken | Refusal:
        try:
            return await take_account(self._database, self._settings, run, account, self._clock)
        except Exception as error:
            if is_passing(error):
                raise
            # This account's alone, as far as anybody knows: the others are taken all the same.
            log.exception("snapshot_failed_unexpectedly", run=run.id)
            category: ErrorCategory = "database" if isinstance(error, DBAPIError) else "validation"
            return Refusal(category, f"{type(error).__name__}: see the log")

    async def _close_left(self, hour: datetime, now: datetime) -> None:
        """End the runs that nobody is at any more and whose time is over."""
        async with self._database.read() as reader:
            left = await left_running(reader, now - _ABANDONED)
        for run in left:
            if run.hour is not None and run.hour >= hour:
                continue
            async with self._database.write() as holder:
                if not await hold(holder, SNAPSHOT, _lock_of(run.hour or run.id)):
                    continue
                async with self._database.write() as writer:
                    done = await accounts_taken(writer, run.id)
                    await end_attempt(
                        writer,
                        run.id,
                        "partial" if done else "fail",
                        taken=len(done),
                        category=_INTERRUPTED.category,
                        failures={},
                        summary=_INTERRUPTED.reason,
                        now=now,
                    )
            log.warning("snapshot_run_abandoned", run=run.id, taken=len(done))

    async def _tell(self, run: Run, attempt: int, report: RunReport, unvalued: int, took: float) -> None:
        """Say how it went: of what keeps failing, hour after hour, only that it began and that it is over."""
        if run.trigger == "cli":
            return  # who waits for it is told himself
        before: RunStatus | None = None
        if run.hour is not None:
            async with self._database.read() as reader:
                before = await status_before(reader, run.hour)
        failed_before = attempt > 1 or before in {"fail", "partial"}
        told = {
            "run": run.id,
            "trigger": run.trigger,
            "taken": report.taken,
            "attempt": attempt,
            "rows": report.positions,
            "duration_ms": took,
        }
        if report.status == "success":
            event = "snapshot_taken_again" if failed_before else "snapshot_taken"
            log.info(event, **told, unvalued=unvalued)
            return
        tell = log.debug if failed_before else log.warning
        tell("snapshot_incomplete", **told, failed=len(report.failures), reasons=report.summary)


def _lock_of(hour_or_run: datetime | int) -> str:
    return hour_or_run.isoformat() if isinstance(hour_or_run, datetime) else f"run {hour_or_run}"


def _category(status: RunStatus, failures: dict[str, Refusal]) -> ErrorCategory | None:
    if status == "success":
        return None
    # Without any account it is the link that has not named one.
    return next((why.category for why in failures.values()), "network")


def _summary(wanted: Sequence[str], failures: dict[str, Refusal]) -> str:
    """Why accounts have no snapshot, without naming them."""
    if not wanted:
        return _NOBODY
    if not failures:
        return ""
    reasons = Counter(f"{why.category}: {why.reason}" for why in failures.values())
    told = "; ".join(f"{reason} ({count})" if count > 1 else reason for reason, count in reasons.items())
    return f"{len(failures)} of {len(wanted)} accounts: {told}"
