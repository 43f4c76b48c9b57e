"""Compare an account's books with the broker's last word, and hold the ledger to it where they differ."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from core import logs
from core.clock import Clock, utc_now
from core.domain.books import Book, BookKey
from core.domain.causes import UNEXPLAINED, Conclusion
from core.domain.pnl import per_unit
from core.domain.reconciliation import (
    Candidate,
    Verdict,
    cost_kind,
    covers,
    difference_kind,
    is_settled,
    judge,
)
from core.events.changes import Change
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries import reconciliation as queries
from models.queries.anchors import told_of_by_statements
from models.queries.ledger import lock_books
from models.queries.reconciliation import OpenDifference, StandingAdjustment
from models.session import Database, Reader, Writer
from models.stores import ledger as ledger_store
from models.stores import reconciliation as store
from models.stores.ledger import Statement
from models.stores.reconciliation import Difference
from services.position_sync import metrics
from services.position_sync.announce import Announcement
from services.position_sync.booking import Arrivals, book
from services.position_sync.explain import circumstances, note_changed, weigh, weigh_again
from services.position_sync.horizon import horizon

log = logs.get_logger(__name__)


class Compared(NamedTuple):
    """What comparing an account came to. ``unsettled``: ask again once things have been quiet for a while."""

    checked: int
    differences: int
    unsettled: bool


@dataclass(slots=True)
class _Findings:
    """What an account's books came to, and what is to be done about it."""

    counts: Counter[str] = field(default_factory=Counter)
    differences: dict[int, Difference] = field(default_factory=dict)
    """By conid: a book has one at most."""
    hold: list[BookKey] = field(default_factory=list)
    """Books to be held to the broker's word, once they are locked and still differ."""
    settle: list[BookKey] = field(default_factory=list)
    """Books that agree and did not when they were last compared."""
    untold: set[int] = field(default_factory=set)
    """Books that cannot be compared now: what is known of them stands."""
    unsettled: bool = False
    adjusted: int = 0
    changes: list[Change] = field(default_factory=list)

    def note(self, difference: Difference) -> None:
        self.counts[difference.kind] += 1
        self.differences[difference.conid] = difference

    def news(self, known: Sequence[OpenDifference]) -> list[Difference]:
        """The differences that are not stored as they are."""
        stored = {one[:6] for one in known}
        return [one for one in self.differences.values() if one[1:7] not in stored]

    def gone(self, known: Sequence[OpenDifference]) -> list[tuple[int, str]]:
        """The differences that stand open and are there no longer, or have turned into another kind."""
        standing = {(one.conid, one.kind) for one in self.differences.values()}
        return [
            (one.conid, one.kind)
            for one in known
            if one.conid not in self.untold and (one.conid, one.kind) not in standing
        ]


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
    known_until = await horizon(database, streams, settings, account, started_at)
    async with database.read() as reader:
        found, known = await _look(reader, account, started_at, known_until.at, settle)
    announcement: Announcement | None = None
    if found.hold or found.settle or trigger != "change" or found.news(known) or found.gone(known):
        async with database.write() as connection:
            if found.hold or found.settle:
                await _act(connection, found, known_until.at, settle, clock())
            news, gone = found.news(known), found.gone(known)
            if gone:
                await store.resolve_differences(connection, account, gone, clock())
            if news:
                await store.record_differences(connection, news)
            if trigger != "change" or found.adjusted or news or gone:
                await store.record_reconciliation(
                    connection, account, trigger, started_at, clock(), found.counts
                )
            announcement = await Announcement.prepare(connection, found.changes)
    if announcement is not None:
        await announcement.publish(database, streams, settings)
    metrics.RECONCILIATIONS.labels(trigger).inc()
    if found.adjusted:
        log.warning("ledger_adjusted_to_broker", books=found.adjusted, trigger=trigger)
    checked = sum(found.counts.values())
    unsettled = found.unsettled and known_until.worth_waiting
    return Compared(checked, checked - found.counts["matched"], unsettled)


async def _look(
    reader: Reader, account: str, now: datetime, known_until: datetime | None, settle: timedelta
) -> tuple[_Findings, list[OpenDifference]]:
    """Compare without touching anything; books that agree as they did before are only counted."""
    known = await queries.open_differences_of(reader, account)
    standing = {one.conid: one for one in await queries.standing_adjustments(reader, account)}
    found = _Findings()
    adjusted = sorted(standing)
    settled_until = None if known_until is None else known_until - settle
    found.counts["matched"] = await queries.agreeing_books(reader, account, adjusted)
    candidates = await queries.books_to_compare(reader, account, adjusted, settled_until)
    found.untold = await queries.unsettled_books(reader, account, adjusted, settled_until)
    found.unsettled = bool(found.untold)
    for candidate in candidates:
        one = candidate.book
        verdict = judge(one, known_until, settle)
        found.unsettled = found.unsettled or verdict is Verdict.UNSETTLED
        if verdict is Verdict.DIFFERENT:
            found.hold.append(one.key)
        elif verdict is Verdict.MATCHED:
            if not is_settled(one):
                found.settle.append(one.key)
            _compare(found, candidate, standing.get(one.conid), now)
        else:
            found.untold.add(one.conid)
    return found, known


def _compare(
    found: _Findings, candidate: Candidate, adjusted: StandingAdjustment | None, now: datetime
) -> None:
    """Classify a book whose quantity is the broker's, it may be because it was adjusted to it."""
    one, cost = candidate[:2]
    if adjusted is not None:
        kind = difference_kind(adjusted.ours, adjusted.brokers)
        found.note(
            Difference(
                one.account,
                one.conid,
                kind,
                adjusted.cause,
                adjusted.inferred,
                adjusted.ours,
                adjusted.brokers,
                now,
            )
        )
        return
    by_cost = cost_kind(candidate)
    if by_cost == "matched" or cost is None:
        found.counts["matched"] += 1
        return
    average = per_unit(cost, one.quantity)
    found.note(
        Difference(one.account, one.conid, by_cost, None, False, average, one.broker_average_cost, now)
    )


async def _act(
    connection: Writer, found: _Findings, known_until: datetime | None, settle: timedelta, now: datetime
) -> None:
    """Settle what agrees and hold to the broker what differs, as both are once they are locked.

    A transaction locks books once, in key order: then it cannot deadlock with the relay.
    """
    around = await circumstances(connection, found.hold, now) if found.hold else None
    companions = around.keys if around else set()
    locked = await lock_books(connection, {*found.hold, *found.settle, *companions})
    verdicts = {key: judge(one, known_until, settle) for key, one in locked.items()}
    agreeing = [locked[key] for key in found.settle if verdicts[key] is Verdict.MATCHED]
    restated = await _settle(connection, agreeing, now)
    if restated:
        booked = await book(connection, Arrivals(anew=restated, locked=restated), now)
        found.changes.extend(booked.changes)
        locked = await lock_books(connection, locked)  # with those that go on with lots of them
    differing = [locked[key] for key in sorted(found.hold) if verdicts[key] is Verdict.DIFFERENT]
    found.untold.update(key[1] for key in found.hold if verdicts[key] is not Verdict.DIFFERENT)
    if around is None or not differing:
        return
    released = await ledger_store.release_anchors(connection, [one.key for one in differing], now)
    # A book's first anchor gives it its opening balance: that is no difference.
    adjusted = [one for one in differing if one.first_anchor_at is not None and one.key not in released]
    weighed = await weigh(connection, adjusted, around.without(released))
    await note_changed(connection, weighed)
    anchored = {one.key: weighed.causes.get(one.key, UNEXPLAINED) for one in differing}
    as_locked = {key: locked[key] for key in {*anchored, *weighed.anew} - released}
    booked = await book(connection, Arrivals(anchored=anchored, anew=weighed.anew, locked=as_locked), now)
    found.changes.extend(booked.changes)
    exercised = [key for key, why in anchored.items() if why.cause == "exercise_or_assignment"]
    if exercised:
        found.changes.extend(await weigh_again(connection, exercised, now))
    found.counts["matched"] += len(differing) - len(adjusted)
    found.adjusted = len(adjusted)
    for difference in _adjusted(adjusted, weighed.causes, now):
        found.note(difference)


def _adjusted(
    books: Collection[Book], causes: Mapping[BookKey, Conclusion], now: datetime
) -> list[Difference]:
    return [
        Difference(
            one.account,
            one.conid,
            difference_kind(one.quantity, brokers),
            causes[one.key].cause or "unexplained",
            causes[one.key].cause is not None,
            one.quantity,
            brokers,
            now,
        )
        for one, brokers in ((one, one.broker_quantity or Decimal(0)) for one in books)
    ]


async def _settle(connection: Writer, agreeing: Sequence[Book], now: datetime) -> dict[BookKey, Book]:
    """Books that agree: what they are held to has proved right. One without an anchor gets its first.

    From then on a difference is unexplained, and no longer something that was there before we looked. Returns
    the books that want folding, for their first anchor says more of what a statement left open.
    """
    if not agreeing:
        return {}
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
        for one in agreeing
        if one.first_anchor_at is None
        and covers(one)
        and one.broker_quantity is not None
        and one.broker_as_of is not None
    ]
    await ledger_store.insert_statements(connection, fresh)
    at = {(one.account, one.conid): one.as_of for one in fresh}
    anchored = {
        one.key: one._replace(
            first_anchor_at=at[one.key], last_anchor_at=max(one.last_anchor_at or at[one.key], at[one.key])
        )
        for one in agreeing
        if one.key in at
    }
    await ledger_store.update_books(connection, anchored.values())
    keys = [one.key for one in agreeing]
    await ledger_store.settle_anchors(connection, keys)
    await store.mark_reconciled(connection, keys, now)
    told_of = await told_of_by_statements(connection, anchored) if anchored else set()
    return {key: anchored[key]._replace(reconciled_at=now) for key in told_of}
