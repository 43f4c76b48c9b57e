"""Statements that were handed in over the API: they wait in the database for a worker that has time."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from core import logs
from core.clock import Clock, utc_now
from core.errors import DatabaseUnavailableError, LotkeeperError, StreamUnavailableError
from models.session import Database, is_passing
from models.stores.jobs_imports import ImportJob, end_import_job, file_of, hold_import
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
        """Import the oldest that waits; false when none does.

        The job is held over one connection while the import writes over another: whoever dies lets go of it.
        """
        async with self._database.write() as writer:
            job = await hold_import(writer)
            if job is None:
                return False
            content = await file_of(writer, job.sha256)
            report: dict[str, Any] | None = None
            error: str | None = None
            try:
                report = await self._import(job, content)
            except (DatabaseUnavailableError, StreamUnavailableError):
                raise
            except LotkeeperError as refused:
                error = str(refused)
            except Exception as unforeseen:
                if is_passing(unforeseen):
                    raise
                log.exception("upload_failed")
                error = f"It could not be imported ({unforeseen.__class__.__name__}); the log says more."
            await end_import_job(writer, job.id, error=error, report=report, now=self._clock())
        log.info("upload_taken", ok=error is None)
        return True

    async def _import(self, job: ImportJob, content: bytes) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="lotkeeper-") as folder:
            path = Path(folder) / "upload"
            await asyncio.to_thread(path.write_bytes, content)
            return await self._on_upload(path, job)
