"""Fold every book from what is stored about it and write what differs, while workers go on.

Books are taken in batches of so many executions, each batch in a transaction of its own that locks its books
in key order as the workers do. Killed in the middle, what was committed stands and the next run finds the
rest. A book is never split, so the largest one sets what memory is needed at least.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from core.clock import Clock, utc_now
from core.domain.books import BookKey
from core.domain.money import ZERO
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries import ledger as queries
from models.queries import stored_ledger
from models.queries.stored_ledger import NULL, BookSize
from models.session import Database, Writer
from models.stores import executions as execution_store
from models.stores import ledger as ledger_store
from models.stores.episodes import Lines, replace_episodes
from models.stores.executions import UNPLACED
from models.tables.positions import FOLDED_COLUMNS
from services.position_sync.announce import Announcement, position_changes, together
from services.position_sync.asking import want_statements
from services.position_sync.examine import Examined, RowDifference, examine
from services.position_sync.folding import Folded
from services.position_sync.handing import hand_on

EXECUTIONS_AT_ONCE = 10_000
_BOOKS_AT_ONCE = 1_000
_BATCHES_AT_ONCE = 3
"""So that PostgreSQL writes one batch while this process folds another."""
_PLACES_AT_ONCE = 5_000

Progress = Callable[[int, int], None]
"""Told how many executions are done, of how many."""


@dataclass(slots=True)
class Realized:
    """Realized P&L of positions in one currency: the sum of what is known, and how many are not."""

    known: Decimal = ZERO
    unknown: int = 0

    def add(self, spelled: str) -> None:
        """Count in one position's figure as COPY spells it."""
        if spelled == NULL:
            self.unknown += 1
        else:
            self.known += Decimal(spelled)


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild came to, or would."""

    books: int = 0
    executions: int = 0
    changed_books: int = 0
    written: Counter[str] = field(default_factory=Counter)
    """Rows by table that were not there as they should be; those of an episode are written all anew."""
    removed_positions: int = 0
    before: dict[str, Realized] = field(default_factory=dict)
    """By currency. Currency trades are left out: IBKR realizes nothing on them."""
    after: dict[str, Realized] = field(default_factory=dict)

    def by_currency(self) -> list[tuple[str, Realized, Realized]]:
        """Realized figures before and after."""
        return [
            (one, self.before.get(one, Realized()), self.after.get(one, Realized()))
            for one in sorted(self.before.keys() | self.after.keys())
        ]

    def count(self, examined: Examined) -> None:
        """Count in what was read."""
        self.books += len(examined.books)
        self.executions += examined.executions
        _add_realized(self.before, examined, examined.stored)
        _add_realized(self.after, examined, examined.fresh)


_POSITION = FOLDED_COLUMNS["positions"]
_CONID, _REALIZED = _POSITION.index("conid"), _POSITION.index("realized_pnl")


def _add_realized(sums: dict[str, Realized], examined: Examined, lines: Lines) -> None:
    for line in lines["positions"]:
        fields = line.split("\t", _REALIZED + 1)
        instrument = examined.instruments[int(fields[_CONID])]
        if instrument.sec_type != "CASH":
            sums.setdefault(instrument.currency, Realized()).add(fields[_REALIZED])


async def rebuild(
    database: Database,
    streams: StreamPort | None,
    settings: Settings,
    *,
    account: str | None = None,
    progress: Progress | None = None,
    executions_at_once: int = EXECUTIONS_AT_ONCE,
    clock: Clock = utc_now,
) -> Rebuilt:
    """Fold every book (of ``account``) and write what differs.

    What changed is announced; without ``streams``, or while Redis is away, it waits in the outbox.
    """
    sizes = await _sizes(database, account)
    missing = [size.key for size in sizes if not size.known]
    if missing:
        # On its own: a transaction must not hold a book before it has locked those that come first.
        async with database.write() as connection:
            await ledger_store.ensure_books(connection, missing)
    total = sum(size.executions for size in sizes)
    rebuilt = Rebuilt()
    batches = iter(list(batched(sizes, executions_at_once)))

    async def work() -> None:
        for keys in batches:
            await _rebuild_batch(database, streams, settings, keys, rebuilt, clock)
            if progress is not None:
                progress(rebuilt.executions, total)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_BATCHES_AT_ONCE):
                tasks.create_task(work())
    except ExceptionGroup as group:
        # What stopped the first stops them all.
        raise group.exceptions[0] from None
    return rebuilt


async def rehearse(
    database: Database,
    differences: Callable[[RowDifference], None],
    *,
    account: str | None = None,
    progress: Progress | None = None,
    executions_at_once: int = EXECUTIONS_AT_ONCE,
) -> Rebuilt:
    """Say what a rebuild would change, difference by difference, and write nothing."""
    rebuilt = Rebuilt()
    async for examined, total in examine_all(database, account, executions_at_once):
        rebuilt.count(examined)
        _count_writes(rebuilt, examined)
        for one in examined.differences():
            differences(one)
        if progress is not None:
            progress(rebuilt.executions, total)
    return rebuilt


async def examine_all(
    database: Database, account: str | None, executions_at_once: int = EXECUTIONS_AT_ONCE
) -> AsyncIterator[tuple[Examined, int]]:
    """Every book in batches, each read at one moment, and how many executions there are in all."""
    sizes = await _sizes(database, account)
    total = sum(size.executions for size in sizes)
    for keys in batched(sizes, executions_at_once):
        async with database.read_one_moment() as reader:
            examined = await examine(reader, keys, await stored_ledger.books_of(reader, keys))
        yield examined, total


async def _sizes(database: Database, account: str | None) -> list[BookSize]:
    async with database.read() as reader:
        return await stored_ledger.book_sizes(reader, account)


def batched(sizes: Iterable[BookSize], executions_at_once: int) -> Iterator[list[BookKey]]:
    """Books in order, as many at once as have so many executions; a larger one stands alone."""
    keys: list[BookKey] = []
    executions = 0
    for size in sizes:
        if keys and (executions + size.executions > executions_at_once or len(keys) == _BOOKS_AT_ONCE):
            yield keys
            keys, executions = [], 0
        keys.append(size.key)
        executions += size.executions
    if keys:
        yield keys


async def _rebuild_batch(
    database: Database,
    streams: StreamPort | None,
    settings: Settings,
    keys: Sequence[BookKey],
    rebuilt: Rebuilt,
    clock: Clock,
) -> None:
    async with database.write() as connection:
        await stored_ledger.go_by_indexes(connection)
        locked = await queries.lock_books(connection, keys)
        examined = await examine(connection, keys, locked)
        announcement, takers = await write_examined(connection, examined, clock)
        rounds = 0
        while takers:
            rounds += 1
            again = await examine(connection, sorted(takers), await queries.lock_books(connection, takers))
            after, takers = await write_examined(connection, again, clock, rounds=rounds)
            announcement = together(announcement, after)
        if announcement is not None:
            await want_statements(connection, dict.fromkeys(account for account, _ in keys))
    rebuilt.count(examined)
    _count_writes(rebuilt, examined)
    if announcement is not None and streams is not None:
        await announcement.publish(database, streams, settings)


def _count_writes(rebuilt: Rebuilt, examined: Examined) -> None:
    changed = examined.changed_positions
    for table, lines in examined.fresh.items():
        rebuilt.written[table] += sum(line[:36] in changed for line in lines) if changed else 0
    rebuilt.written["executions"] += len(examined.places)
    kept = {line[:36] for line in examined.fresh["positions"]}
    rebuilt.removed_positions += len(changed - kept)
    rebuilt.changed_books += len(_touched(examined, changed))


def _touched(examined: Examined, changed: set[str]) -> set[BookKey]:
    """Books of which anything differs, their mark of having to be folded included."""
    keys = examined.changed_books() | {place.key for place in examined.places}
    keys |= {key for (key, _), place in examined.staged.items() if place != UNPLACED}
    keys |= {key for key, book in examined.stored_books.items() if book.dirty}
    if changed:
        keys |= {key for name, key in examined.owners().items() if name in changed}
    return keys


class Written(NamedTuple):
    """What is to be announced, and books that go on with other lots than they did: to be folded again."""

    announcement: Announcement | None
    takers: set[BookKey]


async def write_examined(connection: Writer, examined: Examined, clock: Clock, *, rounds: int = 0) -> Written:
    """Write what differs of books that this transaction has locked; ``rounds`` is as for ``hand_on``.

    Executions that are still to be stored are left to who brings them.
    """
    changed = examined.changed_positions
    touched = _touched(examined, changed)
    if not touched:
        return Written(None, set())
    now = clock()
    books = {
        key: book._replace(version=book.version + 1) if key in touched else book
        for key, book in examined.books.items()
    }
    episodes = [one for one in examined.episodes if str(one.id) in changed]
    stale = changed & {line[:36] for line in examined.stored["positions"]}
    removed = await replace_episodes(
        connection,
        stale,
        {table: [line for line in lines if line[:36] in changed] for table, lines in examined.fresh.items()},
        [books[one.account, one.conid].version for one in episodes],
        now,
    )
    for start in range(0, len(examined.places), _PLACES_AT_ONCE):
        part = examined.places[start : start + _PLACES_AT_ONCE]
        await execution_store.place_executions(connection, [(one.exec_id, one.place) for one in part])
    await ledger_store.update_books(connection, [books[key] for key in touched])
    kept = {episode.id for episode in episodes}
    folded = Folded(episodes, [one for one in removed if one.id not in kept])
    changes = list(position_changes(folded, books, examined.instruments))
    announcement = await Announcement.prepare(connection, changes)
    return Written(announcement, await hand_on(connection, examined.handed, rounds=rounds))
