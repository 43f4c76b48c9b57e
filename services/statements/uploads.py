"""Statements that were handed in over the API: they wait in the database for a worker that has time."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from core import logs
from core.clock import Clock, utc_now
from core.errors import DatabaseUnavailableError, LotkeeperError, StreamUnavailableError
from models.session import Database, Writer, is_passing
from models.stores.jobs_imports import (
    MOST_TRIES,
    ImportJob,
    copy_file,
    count_try,
    end_import_job,
    hold_import,
    note_reason,
)
from services.statements.limiter import Sleep

log = logs.get_logger(__name__)

LOOK_SECONDS: Final = 1.0

OnUpload = Callable[[Path, ImportJob], Awaitable[dict[str, Any]]]
"""Imports a file; returns its report. A ``LotkeeperError`` says why it cannot be used."""


class Uploads:
    """Takes what waits, one after the other."""

    def __init__(self, database: Database, on_upload: OnUpload, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._on_upload = on_upload
        self._clock = clock

    async def run(self, *, sleep: Sleep = asyncio.sleep) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                found = await self.take()
            except Exception as error:
                if not is_passing(error):
                    log.exception("upload_failed")
                found = False
            if not found:
                await sleep(LOOK_SECONDS)

    async def take(self) -> bool:
        """Import the oldest that waits; false when none does, or is due.

        The job is held over one connection while the import writes over another: whoever dies lets go of it.
        """
        async with self._database.write() as writer:
            job = await hold_import(writer, self._clock())
            if job is None:
                return False
            report: dict[str, Any] | None = None
            error: str | None = None
            if job.tries < MOST_TRIES:
                await self._count(job)
                try:
                    report = await self._import(writer, job)
                except Exception as failed:
                    error = await self._failed(job, failed)
                    if error is None:
                        raise
            else:
                error = _given_up(job.tries, job.reason)
            await end_import_job(writer, job.id, error=error, report=report, now=self._clock())
        log.info("upload_taken", ok=error is None)
        return True

    async def _count(self, job: ImportJob) -> None:
        async with self._database.write() as writer:
            await count_try(writer, job.id, self._clock())

    async def _failed(self, job: ImportJob, failed: Exception) -> str | None:
        """What to tell of a failure that is final; ``None`` where it may pass."""
        passes = isinstance(failed, DatabaseUnavailableError | StreamUnavailableError) or is_passing(failed)
        if not passes and isinstance(failed, LotkeeperError):
            return str(failed)
        if not passes:
            log.error("upload_failed", exc_info=failed)
            return f"It could not be imported ({failed.__class__.__name__}); the log says more."
        reason = str(failed) if isinstance(failed, LotkeeperError) else failed.__class__.__name__
        if job.tries + 1 < MOST_TRIES:
            async with self._database.write() as writer:
                await note_reason(writer, job.id, reason)
            return None
        return _given_up(job.tries + 1, reason)

    async def _import(self, writer: Writer, job: ImportJob) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="lotkeeper-") as folder:
            path = Path(folder) / "upload"
            await copy_file(writer, job.sha256, path)
            return await self._on_upload(path, job)


def _given_up(tries: int, reason: str) -> str:
    why = f" The last time: {reason}" if reason else " It ended the worker each time."
    return f"It was tried {tries} times and could not be imported.{why}"
