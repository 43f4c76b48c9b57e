"""Statements handed in over the API, or to be taken back: they wait until a worker has time."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from core import logs
from core.clock import Clock, utc_now
from core.errors import BrokenOffError, DatabaseUnavailableError, LotkeeperError, StreamUnavailableError
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
from models.tables.jobs import IMPORT, UNDO
from services.statements.limiter import Sleep

log = logs.get_logger(__name__)

LOOK_SECONDS: Final = 1.0

OnUpload = Callable[[Path, ImportJob], Awaitable[dict[str, Any]]]
"""Imports a file; returns its report. A ``LotkeeperError`` says why it cannot be used."""

OnUndo = Callable[[int], Awaitable[dict[str, Any]]]
"""Takes an import back; returns the report. A ``LotkeeperError`` says why it cannot be."""


class Uploads:
    """Takes what waits, one after the other."""

    def __init__(
        self, database: Database, on_upload: OnUpload, on_undo: OnUndo, *, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._on_upload = on_upload
        self._on_undo = on_undo
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
            elapsed_ms = logs.stopwatch()
            with logs.caused_by(str(job.id)):
                error = await self._do(writer, job)
        kind = IMPORT if job.undoes is None else UNDO
        with logs.caused_by(str(job.id)):
            log.info("job_ended", job=str(job.id), kind=kind, ok=error is None, duration_ms=elapsed_ms())
        return True

    async def _do(self, writer: Writer, job: ImportJob) -> str | None:
        """Do it and note how it ended; returns why it failed for good."""
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
            error = _given_up(job, job.tries, job.reason)
        await end_import_job(writer, job.id, error=error, report=report, now=self._clock())
        return error

    async def _count(self, job: ImportJob) -> None:
        async with self._database.write() as writer:
            await count_try(writer, job.id, self._clock())

    async def _failed(self, job: ImportJob, failed: Exception) -> str | None:
        """What to tell of a failure that is final; ``None`` where it may pass."""
        passing = DatabaseUnavailableError | StreamUnavailableError | BrokenOffError
        passes = isinstance(failed, passing) or is_passing(failed)
        if not passes and isinstance(failed, LotkeeperError):
            return str(failed)
        if not passes:
            log.error("upload_failed", exc_info=failed)
            return f"It could not be done ({failed.__class__.__name__}); the log says more."
        reason = str(failed) if isinstance(failed, LotkeeperError) else failed.__class__.__name__
        if job.tries + 1 < MOST_TRIES:
            async with self._database.write() as writer:
                await note_reason(writer, job.id, reason)
            return None
        return _given_up(job, job.tries + 1, reason)

    async def _import(self, writer: Writer, job: ImportJob) -> dict[str, Any]:
        if job.undoes is not None:
            return await self._on_undo(job.undoes)
        with tempfile.TemporaryDirectory(prefix="lotkeeper-") as folder:
            path = Path(folder) / "upload"
            await copy_file(writer, job.sha256, path)
            return await self._on_upload(path, job)


def _given_up(job: ImportJob, tries: int, reason: str) -> str:
    why = f" The last time: {reason}" if reason else " It ended the worker each time."
    what = "imported" if job.undoes is None else "taken back"
    return f"It was tried {tries} times and could not be {what}.{why}"
