"""What a worker does about backups, in the shape of its other companions."""

import asyncio

from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from services.backup.continuous import Recovery
from services.backup.keeper import Keeper


async def keep_backups(settings: Settings, database: Database, _streams: StreamPort) -> None:
    """Take backups, restore them on trial and put WAL away until cancelled. Any number may do so at once."""
    async with asyncio.TaskGroup() as group:
        group.create_task(Keeper(database, settings).run(), name="backups")
        group.create_task(Recovery(database, settings).run(), name="recovery")
