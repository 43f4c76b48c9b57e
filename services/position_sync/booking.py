"""Book what arrived: find and lock its books, decide how each is folded, and say what changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from core.domain.books import Book, BookKey
from core.domain.causes import Conclusion
from core.domain.executions import split_exec_id
from core.domain.instruments import Instrument
from core.events.changes import Change, ExecutionRecorded
from models.queries import ledger as queries
from models.queries.ledger import KnownExecution
from models.session import Writer
from models.stores import executions as execution_store
from models.stores import ledger as ledger_store
from models.stores.accounts import Described, upsert_instruments
from models.stores.executions import Place, Received, ReceivedCommission
from models.stores.unnamed_executions import name_as_told
from services.position_sync.announce import Announcement, position_changes
from services.position_sync.books import OpenBook
from services.position_sync.commissions import take_commissions
from services.position_sync.conclusions import conclude_others, conclude_own, lock_for_answers
from services.position_sync.folding import fold_books
from services.position_sync.intake import Sweep, Word, book_of, is_same


@dataclass(slots=True)
class Arrivals:
    """What one transaction brings for the ledger."""

    instruments: Mapping[int, Described] = field(default_factory=dict)
    executions: Mapping[str, Received] = field(default_factory=dict)
    commissions: Mapping[str, ReceivedCommission] = field(default_factory=dict)
    words: Iterable[Word] = ()
    sweeps: Sequence[Sweep] = ()
    unfolded: Collection[str] = ()
    """Stored executions that were folded before their commission, or the rate it needs, was visible."""
    anew: Iterable[BookKey] = ()
    """Books to fold from the start."""
    anchored: Mapping[BookKey, Conclusion] = field(default_factory=dict)
    """Books to hold to the broker's last word, and why they may lack what it tells."""
    locked: Mapping[BookKey, Book] = field(default_factory=dict)
    """Books that this transaction has locked already, as they are."""


@dataclass(slots=True)
class Booked:
    """What a transaction did to the ledger."""

    changes: list[Change] = field(default_factory=list)
    announced: Announcement = field(default_factory=Announcement)
    """What stands in the outbox already."""
    executions: int = 0
    differing_accounts: set[str] = field(default_factory=set)
    """Accounts whose books or broker's words changed: they want comparing."""
    restated: dict[str, datetime | None] = field(default_factory=dict)
    """Accounts of which books were folded anew, and from when on; ``None``: from the start."""
    unfinished: list[Sweep] = field(default_factory=list)
    """Positions answers of which not everything has arrived yet."""
    contradicting: list[Received] = field(default_factory=list)
    """Executions that tell something else than what is stored under their id; they are not booked."""


async def book(connection: Writer, arrivals: Arrivals, now: datetime) -> Booked:
    """Store and fold ``arrivals``. Everything is locked in key order, so workers wait, never deadlock."""
    revalued, renamed = await _store_instruments(connection, arrivals.instruments, now)
    # Commissions and stragglers name no book: their executions do.
    homeless = {*arrivals.commissions, *arrivals.unfolded} - set(arrivals.executions)
    early = await _executions_of(connection, homeless)
    keys = _keys(arrivals, early, revalued | renamed)
    if not keys and not arrivals.sweeps:  # commissions before their executions, or combos only
        _, contradicting = _take_executions(
            arrivals, {}, await _executions_of(connection, arrivals.executions)
        )
        await execution_store.upsert_commissions(connection, arrivals.commissions.values())
        await _store_combos(connection, arrivals)
        return Booked(_recorded(arrivals, []), contradicting=contradicting)
    await ledger_store.ensure_books(connection, _told_of(arrivals))
    if arrivals.sweeps:
        await lock_for_answers(connection, arrivals.sweeps, keys)
    locked = {**arrivals.locked, **await queries.lock_books(connection, keys - set(arrivals.locked))}
    works = {key: OpenBook(row) for key, row in locked.items()}
    instruments = await queries.instruments_of(connection, {key[1] for key in locked})
    dirty = [key for key, row in locked.items() if row.dirty]
    for key in (*revalued, *arrivals.anew, *dirty):
        works[key].fold_from(None)
    for key in renamed:
        works[key].restated = True
    known = await _known(connection, arrivals, homeless, works)
    await _take_words(connection, arrivals, works, now)
    new, contradicting = _take_executions(arrivals, works, known)
    told_otherwise = {one.fact.exec_id for one in contradicting}
    stated = [
        one.exec_id
        for revisions in known.values()
        for one in revisions
        if one.source != "live" and one.exec_id in arrivals.executions and one.exec_id not in told_otherwise
    ]
    if stated:
        await execution_store.note_told_live(connection, stated)
    for work in works.values():
        work.anchor_if_flat_before(now)
    await take_commissions(
        connection, arrivals.commissions, arrivals.unfolded, new, known, works, instruments
    )
    await _store_combos(connection, arrivals)
    answers, unfinished = await conclude_own(connection, arrivals.sweeps, works, now)
    for key, why in arrivals.anchored.items():
        works[key].anchor("settled", now, why)
    booked = await _fold(connection, arrivals, list(works.values()), instruments, new, now)
    booked.unfinished, booked.contradicting = unfinished, contradicting
    if answers:
        booked.announced, accounts = await conclude_others(connection, answers, works.keys(), now)
        booked.differing_accounts |= accounts
    return booked


async def _fold(
    connection: Writer,
    arrivals: Arrivals,
    works: list[OpenBook],
    instruments: Mapping[int, Instrument],
    new: list[Received],
    now: datetime,
) -> Booked:
    folded = await fold_books(connection, works, instruments, now)
    books = {work.key: work.book for work in works}
    changes: list[Change] = list(position_changes(folded, books, instruments))
    changes.extend(_recorded(arrivals, new))
    accounts = {work.book.account for work in works if work.is_different}
    return Booked(changes, executions=len(new), differing_accounts=accounts, restated=_restated(works))


def _restated(works: Iterable[OpenBook]) -> dict[str, datetime | None]:
    restated: dict[str, datetime | None] = {}
    for work in works:
        if work.refold:
            account, since = work.book.account, work.since
            earlier = restated.get(account, since)
            restated[account] = None if since is None or earlier is None else min(since, earlier)
    return restated


def _recorded(arrivals: Arrivals, new: Iterable[Received]) -> list[Change]:
    told: dict[str, Change] = {}
    for received in (
        *new,
        *(one for one in arrivals.executions.values() if one.fact.exec_id in arrivals.commissions),
    ):
        fact = received.fact
        told[fact.exec_id] = ExecutionRecorded(
            exec_id=fact.exec_id, account=fact.account, conid=fact.instrument.conid
        )
    return list(told.values())


async def _store_instruments(
    connection: Writer, told: Mapping[int, Described], now: datetime
) -> tuple[set[BookKey], set[BookKey]]:
    """Store what is new about instruments; returns the books whose value that changes, and whose name."""
    if not told:
        return set(), set()
    stored = await queries.detailed_instruments(connection, told)
    fresh: list[Described] = []
    revalued: set[int] = set()
    recoined: set[int] = set()
    renamed: set[int] = set()
    for conid, described in told.items():
        known = stored.get(conid)
        merged = described if known is None else merge(described, known)
        if merged is None:
            continue
        fresh.append(merged)
        if known is not None and known[0].currency != merged.instrument.currency:
            recoined.add(conid)
        elif known is not None and known[0].point_value != merged.instrument.point_value:
            revalued.add(conid)
        elif known is not None and known[0].description != merged.instrument.description:
            renamed.add(conid)
    await upsert_instruments(connection, fresh, now)
    touched = set(
        await queries.books_of_instruments(connection, revalued | recoined | renamed)
        if revalued | recoined | renamed
        else ()
    )
    if recoined:
        await execution_store.forget_rates(connection, [key for key in touched if key[1] in recoined])
    renamed_books = {key for key in touched if key[1] in renamed}
    return touched - renamed_books, renamed_books


def merge(told: Described, known: tuple[Instrument, datetime | None]) -> Described | None:
    """What to store of an instrument that is known; ``None`` when ``told`` adds nothing."""
    instrument, details_as_of = known
    if told.details_as_of is not None:
        # Whether they name these depends on what data the login may see.
        whole = msgspec.structs.replace(
            told.instrument,
            isin=told.instrument.isin or instrument.isin,
            cusip=told.instrument.cusip or instrument.cusip,
        )
        is_news = whole != instrument or details_as_of is None
        if is_news and (details_as_of is None or details_as_of <= told.details_as_of):
            return Described(whole, told.details_as_of)
        return None
    if details_as_of is not None or told.instrument == instrument:
        return None
    # Positions and executions each tell only a part: what one leaves out never erases what another told.
    names = (
        *("symbol", "local_symbol", "trading_class", "exchange", "expiry", "right", "description"),
        *("isin", "cusip"),
    )
    merged = {name: getattr(instrument, name) or getattr(told.instrument, name) for name in names}
    one = type(instrument.multiplier)(1)
    combined = Instrument(
        conid=instrument.conid,
        sec_type=instrument.sec_type or told.instrument.sec_type,
        currency=instrument.currency or told.instrument.currency,
        multiplier=told.instrument.multiplier if instrument.multiplier == one else instrument.multiplier,
        strike=instrument.strike if instrument.strike is not None else told.instrument.strike,
        price_magnifier=max(instrument.price_magnifier, told.instrument.price_magnifier),
        **merged,
    )
    return None if combined == instrument else Described(combined, None)


async def _executions_of(connection: Writer, exec_ids: Collection[str]) -> dict[str, list[KnownExecution]]:
    """The stored executions with these ids and their other revisions, by id without the revision."""
    if not exec_ids:
        return {}
    known: dict[str, list[KnownExecution]] = {}
    for one in await queries.known_executions(
        connection, {split_exec_id(exec_id)[0] for exec_id in exec_ids}
    ):
        known.setdefault(one.base_id, []).append(one)
    return known


async def _known(
    connection: Writer, arrivals: Arrivals, homeless: Collection[str], works: Mapping[BookKey, OpenBook]
) -> dict[str, list[KnownExecution]]:
    """What is stored of these executions, once those that a statement told of without an id are found."""
    exec_ids = {*homeless, *arrivals.executions}
    known = await _executions_of(connection, exec_ids)
    stored = {split_exec_id(one.exec_id) for revisions in known.values() for one in revisions}
    fresh = [
        one
        for exec_id, one in arrivals.executions.items()
        if split_exec_id(exec_id) not in stored and book_of(one) is not None
    ]
    named = await name_as_told(connection, fresh)
    for one in named:
        works[one.key].fold_from(min(one.executed_at, arrivals.executions[one.told].fact.executed_at))
    return await _executions_of(connection, exec_ids) if named else known


def _told_of(arrivals: Arrivals) -> set[BookKey]:
    """Books that these facts are about, so that they must exist."""
    keys = {(word.fact.account, word.fact.instrument.conid) for word in arrivals.words}
    return keys | {key for key in map(book_of, arrivals.executions.values()) if key is not None}


def _keys(
    arrivals: Arrivals, known: Mapping[str, list[KnownExecution]], revalued: Iterable[BookKey]
) -> set[BookKey]:
    keys = _told_of(arrivals)
    existing = {(one.account, one.conid) for revisions in known.values() for one in revisions}
    return keys | existing | set(revalued) | set(arrivals.anew) | set(arrivals.anchored)


async def _take_words(
    connection: Writer, arrivals: Arrivals, works: Mapping[BookKey, OpenBook], now: datetime
) -> None:
    told: dict[BookKey, datetime] = {}
    for word in arrivals.words:
        told.setdefault((word.fact.account, word.fact.instrument.conid), word.fact.as_of)
    absent = [
        work
        for work in works.values()
        if work.book.broker_quantity is None or (not work.book.broker_quantity and work.key in told)
    ]
    if absent:
        complete = await queries.complete_positions(connection, {work.book.account for work in absent})
        for work in absent:
            answer = complete.get(work.book.account)
            # A word from before the end of that answer is part of it.
            if answer is None or (work.key in told and told[work.key] <= answer[0]):
                continue
            if work.book.broker_quantity is None:
                work.assume_flat(*answer, now)
            else:
                work.stay_flat(answer[0])
    for word in arrivals.words:
        works[word.fact.account, word.fact.instrument.conid].hear(word, now)


def _take_executions(
    arrivals: Arrivals, works: Mapping[BookKey, OpenBook], known: Mapping[str, list[KnownExecution]]
) -> tuple[list[Received], list[Received]]:
    """Hand each execution that is not stored yet to its book; returns them, and those that contradict."""
    new: list[Received] = []
    contradicting: list[Received] = []
    for exec_id, received in arrivals.executions.items():
        revisions = known.get(split_exec_id(exec_id)[0], ())
        stored = next((one for one in revisions if one.exec_id == exec_id), None)
        key = book_of(received)
        if stored is not None:
            if not is_same(received.fact, stored):
                contradicting.append(received)
        elif key is not None:
            works[key].add(received, revisions)
            new.append(received)
    return new, contradicting


async def _store_combos(connection: Writer, arrivals: Arrivals) -> None:
    """A combo's own execution is kept and belongs to no book: its legs are the positions."""
    combos = [(one, Place()) for one in arrivals.executions.values() if book_of(one) is None]
    await execution_store.insert_executions(connection, combos)
