"""The worker process: relay of facts, reader of ticks, arq worker and upkeep, side by side."""

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence

from core import logs
from core.errors import StreamUnavailableError
from core.metrics.machine import register
from core.process import again_and_again, run_service
from core.settings import Settings
from core.streams.consumer import Consumer
from core.streams.eviction import refuse_eviction
from core.streams.port import StreamPort
from core.streams.redis import RedisStreams
from core.tasks import begin_cleanup
from models.session import Database, is_passing, pools_in_use
from services.position_sync import jobs
from services.position_sync.relay import GROUP, Relay
from services.position_sync.ticks import TicksReader
from services.position_sync.turns import Turns
from services.position_sync.upkeep import Upkeep

log = logs.get_logger(__name__)

_ENTRIES_A_BATCH = 128
_TEND_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_CONNECTIONS = 6
"""Work that is under way holds one to keep others from it, and writes over another."""


Companion = Callable[[Settings, Database, StreamPort], Awaitable[None]]
"""What a worker does besides: runs until cancelled, over the worker's own connections."""


def run(settings: Settings, companions: Sequence[Companion] = (), hourly: Sequence[jobs.Hourly] = ()) -> None:
    """Run a worker until told to stop. Any number may run at once."""

    async def run_all(settings: Settings) -> None:
        await main(settings, companions, hourly)

    run_service(
        "worker",
        settings,
        run_all,
        metrics_port=settings.worker_metrics_port,
        told=lambda: _tell(settings),
    )


async def main(
    settings: Settings, companions: Sequence[Companion] = (), hourly: Sequence[jobs.Hourly] = ()
) -> None:
    """Run until cancelled.

    Raises:
        SettingsError: an address is missing or wrong, or Redis may throw facts away.
    """
    database = Database(
        settings.require_database_url(),
        application="worker",
        pool_size=_CONNECTIONS,
        has_pooler=settings.has_pooler(),
    )
    streams = RedisStreams.connect(settings)
    # A blocking read holds its connection, so each reader gets a client of its own.
    ticks_streams = RedisStreams.connect(settings)
    redis = jobs.connect(settings)
    queue = jobs.ComparisonQueue(redis, settings)
    relay = Relay(database, streams, settings, ask_for_comparison=queue.ask)
    consumer = Consumer(
        streams,
        stream=settings.facts_stream,
        group=GROUP,
        consumer=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
        handle=relay.handle,
        count=_ENTRIES_A_BATCH,
        turn=Turns(database, settings.facts_stream).taken,
    )
    log.info("worker_started", sweep_seconds=settings.sweep_seconds)
    try:
        await refuse_eviction(streams)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(consumer.run(), name="relay")
            tasks.create_task(_finish_answers(relay), name="answers")
            tasks.create_task(TicksReader(database, ticks_streams, settings).run(), name="ticks")
            tasks.create_task(jobs.run_worker(settings, database, streams, hourly), name="jobs")
            tasks.create_task(Upkeep(database, streams, settings, queue).run(), name="upkeep")
            tasks.create_task(_tend_facts(streams, settings), name="facts")
            for companion in companions:
                tasks.create_task(_accompany(companion, settings, database, streams), name="companion")
    finally:
        begin_cleanup()
        await jobs.close(redis)
        await streams.close()
        await ticks_streams.close()
        await database.close()
        log.info("worker_stopped")


async def _accompany(
    companion: Companion, settings: Settings, database: Database, streams: StreamPort
) -> None:
    await companion(settings, database, streams)


async def _finish_answers(relay: Relay) -> None:
    """What other workers left, and what nothing came after."""
    await again_and_again(
        relay.finish_answers, _LOOK_SECONDS, name="positions_answers", is_passing=is_passing
    )


async def _tend_facts(streams: StreamPort, settings: Settings) -> None:
    """Keep the stream short, for the link goes by its length."""
    while True:
        await asyncio.sleep(_TEND_SECONDS)
        try:
            await streams.trim_acknowledged(settings.facts_stream)
        except StreamUnavailableError:
            continue


def _tell(settings: Settings) -> None:
    from models.migrate import head_revision  # noqa: PLC0415 - takes a while, and only where metrics are served

    register(head_revision(), settings.profile, settings.data_dir, pools_in_use)
