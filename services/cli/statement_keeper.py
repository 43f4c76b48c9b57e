"""What a worker does about statements: fetches them once a day, watches the folder, imports what comes.

Fetching and reading belong to one service, the ledger to another; here they are put together.
"""

import asyncio
from pathlib import Path

from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from services.position_sync.importing.run import run_import
from services.position_sync.importing.source import Source
from services.statements import daily
from services.statements.flex import FlexFile
from services.statements.inbox import Inbox

SUFFIXES = frozenset({".xml"})


async def keep_statements(settings: Settings, database: Database, streams: StreamPort) -> None:
    """Fetch, watch and import until cancelled. Any number of workers may do so at once."""

    async def take(path: Path, trigger: str) -> None:
        await run_import(database, streams, settings, Source(path, "flex", FlexFile), trigger=trigger)

    async def fetched(path: Path, _query_id: str) -> None:
        await take(path, "fetch")

    async def put(path: Path) -> None:
        await take(path, "folder")

    inbox = Inbox(settings.statements_inbox_folder, SUFFIXES, put)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(daily.run(settings, database, fetched), name="fetch-statements")
        tasks.create_task(inbox.run(), name="watch-statements")
