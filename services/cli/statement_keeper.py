"""What a worker does about statements: fetches them once a day, watches the folder, imports what comes.

Fetching and reading belong to one service, the ledger to another; here they are put together.
"""

import asyncio
from pathlib import Path
from typing import Any

from core import logs
from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from models.stores.jobs_imports import ImportJob
from services.cli.readers import source_of
from services.position_sync.importing.report import Report
from services.position_sync.importing.run import TakenBackError, run_import, undo_import
from services.position_sync.importing.source import Source
from services.statements import daily
from services.statements.inbox import Inbox
from services.statements.uploads import Uploads

log = logs.get_logger(__name__)

SUFFIXES = frozenset({".xml", ".csv"})
"""Of files that are taken from the watched folder; what is in them tells their format."""


async def keep_statements(settings: Settings, database: Database, streams: StreamPort) -> None:
    """Fetch, watch and import until cancelled. Any number of workers may do so at once."""

    async def take(source: Source, trigger: str, *, dry_run: bool = False) -> Report:
        elapsed_ms = logs.stopwatch()
        report = await run_import(database, streams, settings, source, trigger=trigger, dry_run=dry_run)
        log.info(
            "statement_imported",
            kind=report.kind,
            already=report.already is not None,
            dry_run=dry_run,
            rows=report.taken,
            disputed=report.disputed,
            changed_books=report.changed_books,
            duration_ms=elapsed_ms(),
        )
        return report

    async def fetched(path: Path, _query_id: str) -> None:
        await take(source_of(settings, path, "flex"), "fetch")

    async def put(path: Path) -> None:
        await take(await asyncio.to_thread(source_of, settings, path), "folder")

    async def handed_in(path: Path, job: ImportJob) -> dict[str, Any]:
        source = source_of(settings, path, job.kind, job.name)
        return (await take(source, "upload", dry_run=job.dry_run)).as_json()

    async def taken_back(import_id: int) -> dict[str, Any]:
        elapsed_ms = logs.stopwatch()
        try:
            report = await undo_import(database, streams, settings, import_id)
        except TakenBackError as error:
            # By whoever asked for it as well, or by a worker that ended before it could say so.
            report = error.report
        already = report.already is not None
        log.info(
            "statement_taken_back",
            kind=report.kind,
            already=already,
            rows=report.changed_books,
            duration_ms=elapsed_ms(),
        )
        return report.as_json()

    inbox = Inbox(settings.statements_inbox_folder, SUFFIXES, put)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(daily.run(settings, database, fetched), name="fetch-statements")
        tasks.create_task(inbox.run(), name="watch-statements")
        tasks.create_task(Uploads(database, handed_in, taken_back).run(), name="take-uploads")
