"""What a worker does about backups: takes the day's, deletes old ones, restores one on trial each week."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from core import logs
from core.clock import Clock, utc_now
from core.domain.backups import BackupKind, backup_is_due, drill_is_due
from core.errors import LotkeeperError
from core.process import again_and_again
from core.settings import Settings
from models.databases import holds_data
from models.queries.backups import LastRun, last_backup_runs
from models.session import Database, Writer, is_passing
from services.backup.archives import look_at
from services.backup.creating import create
from services.backup.errors import BackupLockedError
from services.backup.keys import KEEP_A_COPY, identities, opens_what_it_makes
from services.backup.records import note_created, note_drill, note_failure
from services.backup.restoring import drill
from services.backup.retention import newest, prune

log = logs.get_logger(__name__)

SETTLE_SECONDS: Final = 60.0
"""What was started just now has other things to do."""
LOOK_SECONDS: Final = 60.0


class Keeper:
    """Looks again and again. Of any number of workers one does it each time."""

    def __init__(self, database: Database, settings: Settings, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        if not self._settings.backs_up_daily:
            return
        await asyncio.sleep(SETTLE_SECONDS)
        await again_and_again(self.look, LOOK_SECONDS, name="backup_keeper", is_passing=is_passing)

    async def look(self) -> None:
        """Do what is due. A database that is nobody's yet is not backed up."""
        async with self._database.read() as reader:
            if not await holds_data(reader):
                return
            last = await last_backup_runs(reader)
        settings, now = self._settings, self._clock()
        taken, attempted = _times(last.get("backup"))
        if backup_is_due(taken, attempted, settings.backup_hour, now):
            await self._do("backup", self._back_up)
            return
        drilled, attempted = _times(last.get("drill"))
        if taken is not None and drill_is_due(drilled, attempted, settings.backup_drill_days, now):
            if not await asyncio.to_thread(opens_what_it_makes, settings):
                self._say_once(
                    "no_drill", "No backup is restored on trial: the key that opens them is not here."
                )
                return
            await self._do("drill", self._drill)

    async def _back_up(self) -> None:
        created = await create(self._settings, "schedule", clock=self._clock)
        if created.key_made is not None:
            log.warning("backup_key_made", advice=KEEP_A_COPY.format(path=created.key_made))
        async with self._database.write() as writer:
            await note_created(writer, created, self._clock())
        try:
            pruned = await asyncio.to_thread(prune, self._settings, self._clock())
        except (LotkeeperError, OSError) as error:
            # The backup is good: that old ones stay is another thing.
            self._say_once("pruning", str(error))
        else:
            self._told.pop("pruning", None)
            if pruned:
                log.info("backups_pruned", archives=len(pruned))

    async def _drill(self) -> None:
        elapsed_ms = logs.stopwatch()
        settings = self._settings
        kept = await asyncio.to_thread(lambda: look_at(newest(settings)))
        await drill(settings, kept.path, await asyncio.to_thread(identities, settings))
        took_ms = elapsed_ms()
        async with self._database.write() as writer:
            await note_drill(writer, "schedule", kept, round(took_ms / 1000, 3), self._clock())
        log.info(
            "backup_restored_on_trial",
            archive=kept.path.name,
            rows=kept.manifest.rows,
            duration_ms=took_ms,
        )

    async def _do(self, kind: BackupKind, work: Callable[[], Awaitable[None]]) -> None:
        began = time.monotonic()
        try:
            await work()
        except BackupLockedError:
            return  # another worker, or somebody, is at it
        except (LotkeeperError, OSError) as error:
            # A disk or a mount that fails is tried again as late as anything else.
            self._say_once(kind, str(error))
            async with self._database.write() as writer:
                await self._note_failure(writer, kind, error, time.monotonic() - began)
        else:
            self._told.pop(kind, None)

    async def _note_failure(self, writer: Writer, kind: BackupKind, error: Exception, seconds: float) -> None:
        await note_failure(writer, kind, "schedule", str(error), seconds, self._clock())

    def _say_once(self, what: str, reason: str) -> None:
        """Until it is another reason, or it has gone well in between."""
        if self._told.get(what) != reason:
            self._told[what] = reason
            log.warning("backup_not_possible", what=what, reason=reason)


def _times(last: LastRun | None) -> tuple[datetime | None, datetime | None]:
    return (None, None) if last is None else (last.succeeded_at, last.finished_at)
