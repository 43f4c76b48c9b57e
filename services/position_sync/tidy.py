"""What ends by time: nobody asks for it, and nothing else waits for it."""

from datetime import timedelta

from core.clock import Clock, utc_now
from core.events.changes import JobChanged
from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from models.stores.audit import prune_audit
from models.stores.inbox import prune_inbox
from models.stores.jobs import delete_expired_sessions, fail_unanswered
from models.stores.jobs_coalesced import claim_turn
from models.tables.jobs import TIDY
from services.position_sync.announce import Announcement

_JOB_PATIENCE = timedelta(minutes=10)
_INBOX_KEPT = timedelta(days=30)
_UNANSWERED = "The broker link did not answer. Check that it runs and is connected, then ask again."


async def tidy(
    database: Database, streams: StreamPort, settings: Settings, *, clock: Clock = utc_now
) -> None:
    """Forget what has expired and fail what nobody answered, if it is time for that."""
    now = clock()
    async with database.write() as connection:
        if not await claim_turn(connection, TIDY, every_seconds=settings.sweep_seconds):
            return
        await delete_expired_sessions(connection, now)
        await prune_audit(connection, now - timedelta(days=settings.audit_days))
        await prune_inbox(connection, now - _INBOX_KEPT)
        jobs = await fail_unanswered(connection, before=now - _JOB_PATIENCE, at=now, error=_UNANSWERED)
        announcement = await Announcement.prepare(connection, [JobChanged(**job._asdict()) for job in jobs])
    await announcement.publish(database, streams, settings)
