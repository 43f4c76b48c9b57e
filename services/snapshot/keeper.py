"""What a worker does about snapshots: looks whether the hour has its own, and takes what is asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from core import logs
from core.clock import Clock, utc_now
from core.domain.market_hours import hours_in
from core.errors import StreamUnavailableError
from core.events.requests import REQUESTS_KEPT, InstrumentsRequested, RequestEnvelope, encode
from core.process import again_and_again
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries.last_known import hours_of_holdings
from models.reckoned import renew
from models.session import Database, is_passing
from models.stores.jobs_coalesced import claim_turn
from models.stores.jobs_snapshots import (
    SnapshotJob,
    begin_snapshot_job,
    end_snapshot_job,
    hold_snapshot_job,
)
from models.stores.partitions import ensure_partitions
from models.stores.performance import renewals_wanted
from models.tables.jobs import SNAPSHOT, THINNING, TRADING_HOURS
from services.snapshot.runs import RunReport, Snapshots
from services.snapshot.thin import Thinner

log = logs.get_logger(__name__)

LOOK_SECONDS = 5.0
SETTLE_SECONDS = 15.0
"""What was started together with the link waits so long for it before it looks what is missing."""
ASKED_SECONDS = 1.0
LOOK_AHEAD_SECONDS = 3600.0
_HOURS_AHEAD: Final = timedelta(hours=12)


class Keeper:
    """Looks again and again; what arq, Redis or a worker forgot is taken within the hour."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        streams: StreamPort | None = None,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._settings = settings
        self._streams = streams
        self._clock = clock
        self._snapshots = Snapshots(database, settings, clock=clock)
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_on(), name="snapshot-hour")
            tasks.create_task(_again(self.take_asked, ASKED_SECONDS), name="snapshot-asked")
            tasks.create_task(_again(self.renew, LOOK_SECONDS), name="snapshot-performance")
            tasks.create_task(_again(self.make_room, LOOK_AHEAD_SECONDS), name="snapshot-partitions")
            tasks.create_task(_again(self.renew_hours, LOOK_AHEAD_SECONDS), name="snapshot-hours")
            tasks.create_task(_again(self.thin, LOOK_AHEAD_SECONDS), name="snapshot-thinning")

    async def _look_on(self) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        await _again(self.look, LOOK_SECONDS)

    async def look(self) -> None:
        """Take the hour's snapshot, if it is missing."""
        await self._snapshots.take_hour()

    async def make_room(self) -> None:
        """Have the partitions of this month and the next ones there before the month turns."""
        async with self._database.write() as writer:
            made = await ensure_partitions(writer, self._clock())
        if made:
            log.info("partitions_made", partitions=made)

    async def renew(self) -> None:
        """Reckon the performance of accounts anew of which something else is known now."""
        async with self._database.read() as reader:
            accounts = await renewals_wanted(reader)
        for account in accounts:
            try:
                while await self._renew_part(account):
                    pass
                self._failing.discard(account)
            except Exception as error:
                if is_passing(error):
                    raise
                # This account's alone, as far as anybody knows; it is tried again, and said once.
                if account not in self._failing:
                    log.exception("performance_not_reckoned")
                self._failing.add(account)

    async def _renew_part(self, account: str) -> bool:
        async with self._database.write() as writer:
            return await renew(writer, account, self._clock())

    async def renew_hours(self) -> None:
        """Ask the broker link for the trading hours of what is held, where those known will be over soon."""
        if self._streams is None:
            return
        async with self._database.read() as reader:
            known = await hours_of_holdings(reader)
        soon = self._clock() + _HOURS_AHEAD
        ending = [
            conid
            for conid, spelled, zone in known
            if (hours := hours_in(spelled, zone)) is not None and hours.until < soon
        ]
        if not ending:
            return
        with suppress(StreamUnavailableError):
            async with self._database.write() as writer:
                if not await claim_turn(writer, TRADING_HOURS, every_seconds=LOOK_AHEAD_SECONDS * 0.9):
                    return
                request = RequestEnvelope(request=InstrumentsRequested(conids=tuple(ending)))
                await self._streams.append(
                    self._settings.requests_stream, [encode(request)], keep_entries=REQUESTS_KEPT
                )

    async def thin(self) -> None:
        """Keep of long ago one snapshot a day, if that is wanted; one worker does it each time.

        Where it is not, what somebody thinned by hand and was killed over is finished all the same.
        """
        async with self._database.write() as writer:
            if not await claim_turn(writer, THINNING, every_seconds=LOOK_AHEAD_SECONDS * 0.9):
                return
        thinner = Thinner(self._database, self._settings, clock=self._clock)
        await (thinner.run() if self._settings.snapshot_thin else thinner.compact())

    async def take_asked(self) -> None:
        """Take a snapshot that somebody asked for over the API."""
        async with self._database.write() as holder:
            job = await hold_snapshot_job(holder)
            if job is None:
                return
            with logs.caused_by(str(job.id)):
                elapsed_ms = logs.stopwatch()
                async with self._database.write() as writer:
                    await begin_snapshot_job(writer, job.id, self._clock())
                report = await self._snapshots.take_now("api", account=job.account, job_id=job.id)
                await self._end(job, report)
                ok = report.status != "fail"
                log.info("job_ended", job=str(job.id), kind=SNAPSHOT, ok=ok, duration_ms=elapsed_ms())

    async def _end(self, job: SnapshotJob, report: RunReport) -> None:
        error = None
        if report.status == "fail":
            error = f"No snapshot could be taken. {report.summary}."
        result: dict[str, Any] = {
            "account": job.account,
            "run_id": report.run_id,
            "status": report.status,
            "taken": report.taken,
            "failed": len(report.failures),
            "summary": report.summary,
        }
        async with self._database.write() as writer:
            await end_snapshot_job(writer, job.id, error=error, result=result, now=self._clock())


async def _again(step: Callable[[], Awaitable[None]], seconds: float) -> None:
    await again_and_again(step, seconds, name="snapshot_keeper", is_passing=is_passing)
