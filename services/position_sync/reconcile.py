"""Compare an account's books with the broker's last word, and hold the ledger to it where they differ."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from core import logs
from core.clock import Clock, utc_now
from core.domain.books import Book, BookKey
from core.domain.reconciliation import Verdict, covers, difference_kind, judge
from core.events.changes import Change
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries import reconciliation as queries
from models.queries.ledger import lock_books
from models.session import Database, Writer
from models.stores import ledger as ledger_store
from models.stores import reconciliation as store
from models.stores.ledger import Statement
from models.stores.reconciliation import Difference
from services.position_sync import metrics
from services.position_sync.announce import Announcement
from services.position_sync.booking import Arrivals, book

log = logs.get_logger(__name__)


class Compared(NamedTuple):
    """What comparing an account came to. ``unsettled``: ask again once things have been quiet for a while."""

    checked: int
    differences: int
    unsettled: bool


async def reconcile(
    database: Database,
    streams: StreamPort,
    settings: Settings,
    account: str,
    trigger: str,
    *,
    clock: Clock = utc_now,
) -> Compared:
    """Compare one account. Safe to run at the same time as itself and as the relay."""
    started_at = clock()
    settle = timedelta(seconds=settings.settle_seconds)
    async with database.read() as reader:
        books = await queries.books_to_compare(reader, account)
    verdicts = [(one, judge(one, started_at, settle)) for one in books]
    agreeing = [one for one, verdict in verdicts if verdict is Verdict.MATCHED]
    differing = [one.key for one, verdict in verdicts if verdict is Verdict.DIFFERENT]
    found: list[Difference] = []
    changes: Sequence[Change] = ()
    # Each transaction locks books once, in key order: then it cannot deadlock with the relay.
    if agreeing:
        async with database.write() as connection:
            await _settle(connection, agreeing, clock)
    async with database.write() as connection:
        if differing:
            found, changes = await _hold_to_broker(connection, differing, settle, clock)
        resolved = await store.resolve_differences(connection, account, clock())
        if trigger != "change" or found or resolved:
            await store.record_reconciliation(
                connection, account, trigger, started_at, clock(), len(books), len(found)
            )
        announcement = await Announcement.prepare(connection, changes)
    await announcement.publish(database, streams, settings)
    metrics.RECONCILIATIONS.labels(trigger).inc()
    if found:
        log.warning("ledger_adjusted_to_broker", books=len(found), trigger=trigger)
    return Compared(len(books), len(found), any(verdict is Verdict.UNSETTLED for _, verdict in verdicts))


async def _hold_to_broker(
    connection: Writer, keys: Iterable[BookKey], settle: timedelta, clock: Clock
) -> tuple[list[Difference], Sequence[Change]]:
    """Anchor the books that still differ once they are locked, and fold them anew."""
    now = clock()
    locked = await lock_books(connection, keys)
    differing = [one for one in locked.values() if judge(one, now, settle) is Verdict.DIFFERENT]
    if not differing:
        return [], ()
    early = await queries.provisionally_anchored(connection, [one.key for one in differing])
    await ledger_store.drop_provisional_anchors(connection, early)
    booked = await book(connection, Arrivals(anchored={one.key: one.key in early for one in differing}), now)
    found = [
        Difference(
            one.account,
            one.conid,
            difference_kind(one.quantity, one.broker_quantity),
            "unexplained",
            one.quantity,
            one.broker_quantity,
            now,
        )
        for one in differing
        # A book's first anchor gives it its opening balance: that is no difference.
        if one.first_anchor_at is not None and one.key not in early and one.broker_quantity is not None
    ]
    await store.record_differences(connection, found)
    after = await lock_books(connection, [one.key for one in differing])
    await store.mark_reconciled(
        connection,
        [(one.key, one.version) for one in after.values() if one.quantity == one.broker_quantity],
        now,
    )
    return found, booked.changes


async def _settle(connection: Writer, agreeing: Sequence[Book], clock: Clock) -> None:
    """Books that agree: what they are held to has proved right. One without an anchor gets its first.

    From then on a difference is unexplained, and no longer something that was there before we looked.
    """
    now = clock()
    locked = await lock_books(connection, [one.key for one in agreeing])
    # What was written since it was read is left to the next comparison.
    unchanged = [one for one in agreeing if locked[one.key].version == one.version]
    fresh = [
        Statement(
            one.account,
            one.conid,
            one.broker_quantity,
            one.broker_average_cost,
            one.broker_as_of,
            now,
            *one.word,
            "settled",
            now,
        )
        for one in unchanged
        if one.first_anchor_at is None
        and covers(one)
        and one.broker_quantity is not None
        and one.broker_as_of is not None
    ]
    await ledger_store.insert_statements(connection, fresh)
    at = {(one.account, one.conid): one.as_of for one in fresh}
    await ledger_store.update_books(
        connection,
        [locked[key]._replace(first_anchor_at=as_of, last_anchor_at=as_of) for key, as_of in at.items()],
    )
    await ledger_store.settle_anchors(connection, [one.key for one in unchanged])
    await store.mark_reconciled(connection, [(one.key, one.version) for one in unchanged], now)
