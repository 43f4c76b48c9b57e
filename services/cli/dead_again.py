"""Try what was set aside again, as the worker would: for a command, and for who asked over the API.

Reading a gateway's frame belongs to one service, the ledger to another; here they are put together.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from core.events.facts import Fact
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.dead_facts import DeadFactRow, spoken_with
from models.session import Database
from services.position_sync import jobs
from services.position_sync.dead import Reread
from services.position_sync.relay import Relay


def rereading(database: Database, settings: Settings) -> Reread:
    """Reads a gateway's frame as the broker link would."""

    async def read_again(row: DeadFactRow) -> Sequence[Fact]:
        # ib_async asks for an event loop when it is imported.
        from services.broker.reread import reread  # noqa: PLC0415 - see above

        async with database.read() as reader:
            spoken = await spoken_with(reader, row.epoch)
        return reread(row.payload, row.first_seen_at, settings, **spoken._asdict())

    return read_again


@asynccontextmanager
async def relaying(database: Database, settings: Settings) -> AsyncIterator[Relay]:
    """The worker's own. Without Redis changes wait in the outbox, and the next sweep compares."""
    if settings.redis_url is None:

        async def nobody(_account: str, _trigger: str) -> None: ...

        yield Relay(database, None, settings, ask_for_comparison=nobody)
        return
    streams: Any = RedisStreams.connect(settings)
    redis = jobs.connect(settings)
    try:
        queue = jobs.ComparisonQueue(redis, settings)
        yield Relay(database, streams, settings, ask_for_comparison=queue.ask)
    finally:
        await streams.close()
        await jobs.close(redis)
