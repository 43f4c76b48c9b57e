"""The periodic sweep: whatever was missed while someone was away is found here."""

from datetime import timedelta
from typing import get_args

from core import logs
from core.clock import Clock, utc_now
from core.domain.reconciliation import DifferenceKind
from core.errors import StreamUnavailableError
from core.events.changes import JobChanged
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries import reconciliation as queries
from models.queries.ledger import dirty_books, unfolded_commissions
from models.session import Database
from models.stores.inbox import prune_inbox
from models.stores.jobs import delete_expired_sessions, fail_unanswered
from models.stores.jobs_coalesced import want
from models.tables.jobs import RECONCILE
from services.position_sync import metrics
from services.position_sync.announce import Announcement, publish_left_over
from services.position_sync.booking import Arrivals, book
from services.position_sync.relay import fold_commissions
from services.position_sync.work import compare_when_due

log = logs.get_logger(__name__)

_BOOKS_AT_ONCE = 200
_EXECUTIONS_AT_ONCE = 1000
_JOB_PATIENCE = timedelta(minutes=10)
_INBOX_KEPT = timedelta(days=30)


async def sweep(
    database: Database, streams: StreamPort, settings: Settings, *, clock: Clock = utc_now
) -> list[str]:
    """Do everything that may have been left undone; returns the accounts, which may not all have settled."""
    await _fold_left_over(database, streams, settings, clock)
    async with database.write() as connection:
        accounts = await queries.accounts(connection)
        await want(connection, RECONCILE, dict.fromkeys(accounts, "sweep"), 0)
    for account in accounts:
        await compare_when_due(database, streams, settings, account, clock=clock)
    await _close_overdue(database, streams, settings, clock)
    async with database.read() as reader:
        standing = await queries.open_differences(reader)
    for kind in get_args(DifferenceKind):
        metrics.DIFFERENCES.labels(kind).set(standing.get(kind, 0))
    try:
        left = await publish_left_over(database, streams, settings)
        metrics.OUTBOX_LEFT.inc(left)
        trimmed = await streams.trim_acknowledged(settings.facts_stream)
        log.debug("swept", accounts=len(accounts), published=left, trimmed=trimmed)
    except StreamUnavailableError:
        log.debug("sweep_without_redis")
    return accounts


async def _fold_left_over(database: Database, streams: StreamPort, settings: Settings, clock: Clock) -> None:
    async with database.read() as reader:
        dirty = await dirty_books(reader, 10_000)
    for start in range(0, len(dirty), _BOOKS_AT_ONCE):
        async with database.write() as connection:
            booked = await book(connection, Arrivals(anew=dirty[start : start + _BOOKS_AT_ONCE]), clock())
            announcement = await Announcement.prepare(connection, booked.changes)
        await announcement.publish(database, streams, settings)
    # Afterwards: folding anew tells which commissions still lack what they need.
    async with database.read() as reader:
        exec_ids = await unfolded_commissions(reader, None)
    for start in range(0, len(exec_ids), _EXECUTIONS_AT_ONCE):
        part = exec_ids[start : start + _EXECUTIONS_AT_ONCE]
        await fold_commissions(database, streams, settings, part, clock())


async def _close_overdue(database: Database, streams: StreamPort, settings: Settings, clock: Clock) -> None:
    now = clock()
    error = "The broker link did not answer. Check that it runs and is connected, then ask again."
    async with database.write() as connection:
        await delete_expired_sessions(connection, now)
        await prune_inbox(connection, now - _INBOX_KEPT)
        jobs = await fail_unanswered(connection, before=now - _JOB_PATIENCE, at=now, error=error)
        announcement = await Announcement.prepare(connection, [JobChanged(**job._asdict()) for job in jobs])
    await announcement.publish(database, streams, settings)
