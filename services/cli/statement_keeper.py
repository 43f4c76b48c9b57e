"""What a worker does about statements: fetches them once a day, watches the folder, imports what comes.

Fetching and reading belong to one service, the ledger to another; here they are put together.
"""

import asyncio
from pathlib import Path
from typing import Any

from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from models.stores.jobs_imports import ImportJob
from services.cli.readers import READERS
from services.position_sync.importing.run import run_import
from services.position_sync.importing.source import Source
from services.statements import daily
from services.statements.inbox import Inbox
from services.statements.uploads import Uploads

SUFFIXES = frozenset({".xml"})


async def keep_statements(settings: Settings, database: Database, streams: StreamPort) -> None:
    """Fetch, watch and import until cancelled. Any number of workers may do so at once."""

    async def take(path: Path, trigger: str) -> None:
        await run_import(database, streams, settings, Source(path, "flex", READERS["flex"]), trigger=trigger)

    async def fetched(path: Path, _query_id: str) -> None:
        await take(path, "fetch")

    async def put(path: Path) -> None:
        await take(path, "folder")

    async def handed_in(path: Path, job: ImportJob) -> dict[str, Any]:
        source = Source(path, job.kind, READERS[job.kind], job.name)
        report = await run_import(database, streams, settings, source, trigger="upload", dry_run=job.dry_run)
        return report.as_json()

    inbox = Inbox(settings.statements_inbox_folder, SUFFIXES, put)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(daily.run(settings, database, fetched), name="fetch-statements")
        tasks.create_task(inbox.run(), name="watch-statements")
        tasks.create_task(Uploads(database, handed_in).run(), name="take-uploads")
