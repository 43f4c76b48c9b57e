"""Fold the books of one transaction and write what comes of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from core.domain.anchors import SEEN_WITHIN, Anchor, counted, first_holding
from core.domain.books import Book, BookKey
from core.domain.days import TradingDays, trading_days
from core.domain.episodes import Episode
from core.domain.executions import split_exec_id
from core.domain.fills import Fill, Key, Report, converted, effective_fills
from core.domain.instruments import Instrument
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import CostMethod
from core.domain.money import ZERO
from core.domain.openings import NO_EFFECTS, Effects
from models.queries import ledger as queries
from models.queries.anchors import anchors_of, days_told, effects_of, told_of_by_statements
from models.queries.ledger import Expected, KnownCommission, SafeStart
from models.session import Writer
from models.stores import episodes as episode_store
from models.stores import executions as execution_store
from models.stores import ledger as ledger_store
from models.stores.episodes import RemovedEpisode
from models.stores.executions import Place, Received
from services.position_sync.books import OpenBook
from services.position_sync.handing import hand_on
from services.position_sync.rewinding import Onward, Rewound, rewind


class Folded(NamedTuple):
    """The episodes that were written, and those that no longer are."""

    episodes: list[Episode]
    removed: list[RemovedEpisode]
    books: Mapping[BookKey, Book] = MappingProxyType({})
    """Those that were folded after the others, as they go on with lots of them."""
    instruments: Mapping[int, Instrument] = MappingProxyType({})


class FoldedBook(NamedTuple):
    """A fold and what it was made of."""

    ledger: Ledger
    fills: Sequence[Fill]
    reports: Sequence[Report]
    currency: str
    """The instrument's, which the fold counts in."""
    whole: bool = False
    """Whether it was folded from the start."""

    @property
    def last_key(self) -> Key | None:
        """Where its last fill stands."""
        return self.fills[-1][:2] if self.fills else None


def fold_whole(
    key: BookKey,
    method: CostMethod,
    instrument: Instrument,
    reports: Sequence[Report],
    anchors: Sequence[Anchor],
    effects: Effects,
    days: TradingDays,
) -> FoldedBook:
    """Fold a book from the start, of all that is stored about it."""
    fills = effective_fills(reports, instrument.currency)
    ledger = fold_book(
        *key, instrument.point_value, fills, anchors, method=method, effects=effects, days=days
    )
    return FoldedBook(ledger, fills, reports, instrument.currency, whole=True)


def opened_by(
    keys: Iterable[BookKey], anchors: Mapping[BookKey, Sequence[Anchor]]
) -> dict[BookKey, datetime | None]:
    """Up to when what happened in books has a say in what they began with: their first word of a holding."""
    firsts = {key: first_holding(anchors.get(key, ())) for key in keys}
    return {key: None if first is None else first.as_of for key, first in firsts.items()}


def held_to(book: Book, anchors: Sequence[Anchor]) -> Book:
    """A book with when it is first and last held to something."""
    first = first_holding(anchors)
    return book._replace(
        first_anchor_at=None if first is None else first.as_of,
        last_anchor_at=anchors[-1].as_of if anchors else None,
    )


async def fold_books(
    connection: Writer,
    works: Sequence[OpenBook],
    instruments: Mapping[int, Instrument],
    now: datetime,
    *,
    rounds: int = 0,
) -> Folded:
    """Carry on or fold anew each book, and store executions, episodes, statements and checkpoints.

    ``rounds`` is as for ``hand_on``.
    """
    await ledger_store.insert_statements(connection, [one for work in works for one in work.statements])
    again = [work for work in works if work.refold]
    onward = [work for work in works if not work.refold and work.goes_on]
    await execution_store.insert_executions(
        connection, [(one, Place()) for work in again for one in work.executions]
    )
    back = await rewind(connection, again, instruments)
    within = [work for work in again if work.key in back.books]
    anew = [work for work in again if work.key not in back.books]
    removed, refolded = await _fold_anew(connection, anew, instruments)
    removed += back.removed
    carried = [
        *await _fold_again(connection, within, back, instruments),
        *await _carry_on(connection, onward, instruments),
    ]
    for work, result in (*refolded, *carried):
        _checkpoint(work, result, now)
    fresh, touched = _versioned(refolded), _versioned(carried)
    # What is folded anew was deleted: its rows meet no others.
    await episode_store.insert_episodes(connection, fresh, now)
    await episode_store.write_episodes(connection, touched, now)
    episodes = [*fresh, *touched]
    await ledger_store.update_books(connection, [work.book for work in works if work.folds or work.stored])
    kept = {episode.id for episode, _ in episodes}
    folded = Folded([episode for episode, _ in episodes], [one for one in removed if one.id not in kept])
    handed = {work.key: result.ledger.handed for work, result in refolded if result.whole}
    takers = await hand_on(connection, handed, rounds=rounds)
    return await _fold_takers(connection, takers, folded, works, now, rounds + 1) if takers else folded


async def _fold_takers(
    connection: Writer,
    takers: Iterable[BookKey],
    before: Folded,
    works: Iterable[OpenBook],
    now: datetime,
    rounds: int,
) -> Folded:
    """Fold the books again that go on with other lots than they did."""
    locked = await queries.lock_books(connection, takers)
    again = {key: OpenBook(book, refold=True) for key, book in locked.items()}
    instruments = await queries.instruments_of(connection, {key[1] for key in again})
    after = await fold_books(connection, list(again.values()), instruments, now, rounds=rounds)
    books = {key: work.book for key, work in again.items()} | dict(after.books)
    for work in works:
        work.book = books.get(work.key, work.book)
    others = [one for one in before.episodes if (one.account, one.conid) not in books]
    episodes = [*others, *after.episodes]
    kept = {one.id for one in episodes}
    removed = {one.id: one for one in (*before.removed, *after.removed) if one.id not in kept}
    return Folded(episodes, list(removed.values()), books, {**instruments, **after.instruments})


def _versioned(results: Iterable[tuple[OpenBook, FoldedBook]]) -> list[tuple[Episode, int]]:
    """The episodes that folds touched, each with its book's version."""
    return [(episode, work.book.version) for work, result in results for episode in result.ledger.touched]


async def _carry_on(
    connection: Writer, works: Sequence[OpenBook], instruments: Mapping[int, Instrument]
) -> list[tuple[OpenBook, FoldedBook]]:
    """Fold on from the stored state: what a new fill costs does not depend on the history's length."""
    if not works:
        return []
    arrived = [received for work in works for received in work.executions]
    commissions = await queries.commissions_of(connection, [one.fact.exec_id for one in arrived])
    onward: dict[BookKey, Onward] = {}
    for work in works:
        reports = [_report(one, commissions) for one in work.executions]
        fills = effective_fills(reports, instruments[work.book.conid].currency)
        onward[work.key] = Onward(fills, reports, work.book.episodes)
    results = await _fold_on(connection, works, onward, instruments)
    places: list[tuple[Received, Place]] = []
    for work, result in results:
        found = dict(places_of(result))
        places.extend((one, found[one.fact.exec_id]) for one in work.executions)
    await execution_store.insert_executions(connection, places)
    return results


async def _fold_again(
    connection: Writer, works: Sequence[OpenBook], back: Rewound, instruments: Mapping[int, Instrument]
) -> list[tuple[OpenBook, FoldedBook]]:
    """Fold on from where books were taken back to."""
    if not works:
        return []
    results = await _fold_on(connection, works, back.books, instruments)
    await execution_store.place_executions(
        connection, [place for _, result in results for place in places_of(result)]
    )
    return results


async def _fold_on(
    connection: Writer,
    works: Sequence[OpenBook],
    onward: Mapping[BookKey, Onward],
    instruments: Mapping[int, Instrument],
) -> list[tuple[OpenBook, FoldedBook]]:
    expected = {work.key: _expected(work.book.cost_method, onward[work.key].fills) for work in works}
    episodes = await queries.open_episodes(connection, expected)
    results: list[tuple[OpenBook, FoldedBook]] = []
    for work in works:
        fills, reports, before = onward[work.key]
        instrument = instruments[work.book.conid]
        ledger = Ledger(
            *work.key,
            instrument.point_value,
            method=work.book.cost_method,
            episodes=before,
            episode=episodes.get(work.key),
        )
        ledger.run(fills)
        results.append((work, FoldedBook(ledger, fills, reports, instrument.currency)))
    return results


def _expected(method: CostMethod, fills: Iterable[Fill]) -> Expected:
    bought = sold = ZERO
    for fill in fills:
        if fill.quantity > ZERO:
            bought += fill.quantity
        else:
            sold -= fill.quantity
    return Expected(method, bought, sold)


async def _fold_anew(
    connection: Writer, works: Sequence[OpenBook], instruments: Mapping[int, Instrument]
) -> tuple[list[RemovedEpisode], list[tuple[OpenBook, FoldedBook]]]:
    """Fold from the last safe point: the start of an episode that nothing late reaches back before."""
    if not works:
        return [], []
    keys = [work.key for work in works]
    starts, anchors = await _starts(connection, works)
    whole = [key for key in keys if key not in starts]
    effects = await effects_of(connection, opened_by(whole, anchors))
    days = await days_told(connection, whole)
    reports = await queries.history(connection, [(key, _told_since(key, starts, anchors)) for key in keys])
    removed = await episode_store.delete_episodes(
        connection, [(key, starts[key].ordinal if key in starts else 1) for key in keys]
    )
    results: list[tuple[OpenBook, FoldedBook]] = []
    for work in works:
        key, instrument, method = work.key, instruments[work.book.conid], work.book.cost_method
        told = reports.get(key, [])
        held = anchors.get(key, [])
        start = starts.get(key)
        if start is None:
            work.book = held_to(work.book, held)
            result = fold_whole(
                *(key, method, instrument, told, held, effects.get(key, NO_EFFECTS)),
                trading_days(instrument.sec_type, days.get(key, {})),
            )
            results.append((work, result))
            continue
        fills = effective_fills(told, instrument.currency)
        held = counted(held, fills, trading_days(instrument.sec_type, {}), instrument.point_value)
        fills = [fill for fill in fills if fill[:2] >= start.key]
        ledger = Ledger(*key, instrument.point_value, method=method, episodes=start.ordinal - 1)
        if start.ended is not None:
            ledger.begin_by_flip(start.ended, start.key[0])
            # It stands where it stood: in the episode that it ends.
            told = [report for report in told if report.base_id != start.key[1]]
        ledger.run(fills, [anchor for anchor in held if anchor.as_of >= start.key[0]])
        results.append((work, FoldedBook(ledger, fills, told, instrument.currency)))
    await execution_store.place_executions(
        connection, [place for _, result in results for place in places_of(result)]
    )
    return removed, results


async def _starts(
    connection: Writer, works: Sequence[OpenBook]
) -> tuple[dict[BookKey, SafeStart], dict[BookKey, list[Anchor]]]:
    """From where books can be folded anew, and the anchors that takes: all of those folded from the start.

    As long as no word tells what was held, every trade has a say in what a statement's trades began with;
    where a statement's change belongs is told by what lies around it; and of which day a trade is may be told
    by a statement. Such books are folded from the start.
    """
    since = {work.key: work.since for work in works if work.since is not None}
    unheld = [work.key for work in works if work.key in since and work.book.first_anchor_at is None]
    from_the_start = await told_of_by_statements(connection, unheld) if unheld else set()
    starts = await queries.safe_starts(
        connection, [(key, at) for key, at in since.items() if key not in from_the_start]
    )
    anchors = await anchors_of(
        connection,
        {work.key: starts[work.key].key[0] - SEEN_WITHIN if work.key in starts else None for work in works},
    )
    changed = {key for key in starts if any(one.relative for one in anchors.get(key, ()))}
    of_days = [key for key in starts if any(one.day is not None for one in anchors.get(key, ()))]
    changed |= (await days_told(connection, of_days)).keys() if of_days else set()
    if changed:
        anchors |= await anchors_of(connection, dict.fromkeys(changed))
        starts = {key: start for key, start in starts.items() if key not in changed}
    return starts, anchors


def _told_since(
    key: BookKey, starts: Mapping[BookKey, SafeStart], anchors: Mapping[BookKey, Sequence[Anchor]]
) -> datetime | None:
    """From when on a fold has to know the trades; what was traded on the evening before may be of its day."""
    if key not in starts:
        return None
    at = starts[key].key[0]
    return at - SEEN_WITHIN if any(one.day is not None for one in anchors.get(key, ())) else at


def _report(received: Received, commissions: Mapping[str, KnownCommission]) -> Report:
    fact = received.fact
    base_id, revision = split_exec_id(fact.exec_id)
    known = commissions.get(fact.exec_id)
    return Report(
        fact.executed_at,
        base_id,
        revision,
        fact.exec_id,
        fact.quantity if fact.side == "BOT" else -fact.quantity,
        fact.price,
        *(known or (None, None)),
    )


def places_of(result: FoldedBook) -> Iterable[tuple[str, Place]]:
    """Where each report stands: in the ledger, or replaced by a correction."""
    booked = result.ledger.booked
    counting = {fill.base_id: fill.exec_id for fill in result.fills}
    for report in result.reports:
        amount = converted(report.commission, report.commission_currency, report.rate, result.currency)
        folded = amount is not None
        exec_id = report.exec_id
        if report.base_id not in counting:
            continue  # before the safe start: it stands as it is
        if exec_id in booked:
            place = booked[exec_id]
            yield exec_id, Place(None, place.episode.id, place.realized_pnl, folded)
        else:
            by = counting[report.base_id]
            # A cancelled trade is nowhere in the ledger, and nothing replaced its cancellation.
            yield exec_id, Place(by if by != exec_id else None, None, None, folded)


def _checkpoint(work: OpenBook, result: FoldedBook, now: datetime) -> None:
    book, ledger = work.book, result.ledger
    last = result.last_key or (None if work.refold else book.last_key)
    work.book = book._replace(
        quantity=ledger.quantity,
        last_executed_at=last[0] if last else None,
        last_exec_base_id=last[1] if last else None,
        episodes=ledger.episodes,
        version=book.version + 1,
        dirty=False,
        touched_at=now if work.executions else book.touched_at,
    )
    work.stored = True
