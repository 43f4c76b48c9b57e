"""The broker process."""

import asyncio
import logging

from core import logs
from core.clock import utc_now
from core.metrics.machine import register
from core.process import run_service
from core.settings import Settings
from core.streams.eviction import refuse_eviction
from core.streams.redis import RedisStreams
from core.tasks import begin_cleanup
from models.session import Database, pools_in_use
from services.broker.beat import Link
from services.broker.publish import Publisher
from services.broker.recorded import Recorded
from services.broker.register import Register
from services.broker.requests import Requests
from services.broker.session import Session

log = logs.get_logger(__name__)

_FLUSH_SECONDS = 1.0
_END_SECONDS = 0.5


def silence_ib_async() -> None:
    """Keep ib_async's own records out of the log: they carry whole messages, accounts and amounts.

    What matters in them we say ourselves. At DEBUG they are asked for.
    """
    if logging.getLogger().level > logging.DEBUG:
        logging.getLogger("ib_async").setLevel(logging.CRITICAL + 1)


async def serve(settings: Settings) -> None:
    """Run the broker link until cancelled, then say goodbye: facts flushed, session ended, link down.

    Raises:
        SettingsError: an address is missing or wrong, or Redis may throw facts away.
    """
    silence_ib_async()
    streams = RedisStreams.connect(settings)
    database = Database(
        settings.require_database_url(), application="broker", pool_size=2, has_pooler=settings.has_pooler()
    )
    publisher = Publisher(streams, settings)
    link = Link(publisher, utc_now)
    register = Register(database, utc_now)
    session = Session(
        settings,
        publisher,
        link,
        register,
        Recorded(database),
        utc_now,
        has_room=lambda: publisher.has_room,
    )
    publisher.on_lost = session.facts_lost
    publisher.on_room = session.room_changed
    log.info("broker_link_starting", gateway=f"{settings.ib_host}:{settings.ib_port}")
    publishing = asyncio.create_task(publisher.run(), name="publish")
    try:
        await refuse_eviction(streams)
        async with asyncio.TaskGroup() as group:
            # It outlives the group, to flush what the end of the others still puts; not the other way round.
            group.create_task(_outlive(publishing), name="publish-watch")
            group.create_task(link.run(), name="beat")
            group.create_task(session.run(), name="session")
            group.create_task(Requests(streams, settings, session).run(), name="requests")
    finally:
        begin_cleanup()
        await publisher.flush(_FLUSH_SECONDS)
        await session.end(_END_SECONDS)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await publisher.close()
        await streams.close()
        await database.close()
        log.info("broker_link_stopped")


async def _outlive(publishing: "asyncio.Task[None]") -> None:
    """Fail as ``publishing`` fails: without it facts would pile up unseen. Being cancelled leaves it be."""
    await asyncio.shield(publishing)


def run(settings: Settings) -> None:
    """Run the broker link until SIGTERM or SIGINT."""
    run_service(
        "broker",
        settings,
        serve,
        metrics_port=settings.broker_metrics_port,
        told=lambda: _tell(settings),
    )


def _tell(settings: Settings) -> None:
    from models.migrate import head_revision  # noqa: PLC0415 - takes a while, and only where metrics are served

    register(head_revision(), settings.profile, settings.data_dir, pools_in_use)
