"""Fold the books of an import from the start and write what differs, with the executions it brings."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from datetime import date, datetime
from itertools import chain
from typing import Final, NamedTuple

from core.clock import Clock
from core.domain.books import Book, BookKey
from models.queries import ledger as queries
from models.queries import stored_ledger
from models.queries.stored_ledger import BookSize
from models.session import Writer
from models.stores import staged_executions
from models.stores.absences import note_absences
from models.stores.staged_executions import placed, store_placed
from services.position_sync.announce import Announcement, together
from services.position_sync.examine import Examined, Told, fold_told, read_told
from services.position_sync.rebuild import EXECUTIONS_AT_ONCE, Written, batched, write_examined

_FIRST_EXECUTIONS: Final = 2_500
"""PostgreSQL has nothing to write before the first books are folded."""


class Bringing(NamedTuple):
    """What an import brings: its number and format, when, and how many new executions for each book."""

    import_id: int
    kind: str
    now: datetime
    executions: Mapping[BookKey, int]


class _Part(NamedTuple):
    """Some books, folded, and where what is brought stands in them."""

    examined: Examined
    placed: list[str]


async def fold_all(
    connection: Writer,
    locked: dict[BookKey, Book],
    since: date | None,
    clock: Clock,
    bringing: Bringing | None = None,
) -> Announcement | None:
    """Fold the locked books from the start and write what differs; ``bringing`` is stored on the way.

    What was open at the end of a day, from ``since`` on, that a statement leaves out was not held: such books
    are folded again, and so are those that go on with other lots of another book than they did.
    """
    await stored_ledger.go_by_indexes(connection)
    announcement, again = await _fold_once(connection, locked, clock, bringing)
    if bringing is not None:
        await staged_executions.end(connection, *bringing[:3])
    # Who goes on with lots of others comes first: what it holds, and since when, follows from them.
    rounds = 0
    while again or (again := await note_absences(connection, locked, since)):
        rounds += 1
        others = await queries.lock_books(connection, again)
        after, again = await _fold_once(connection, others, clock, None, rounds)
        announcement = together(announcement, after)
    return announcement


async def _fold_once(
    connection: Writer,
    locked: dict[BookKey, Book],
    clock: Clock,
    bringing: Bringing | None,
    rounds: int = 0,
) -> Written:
    announcement: Announcement | None = None
    takers: set[BookKey] = set()
    async with aclosing(_examined(connection, locked, bringing)) as parts:
        async for part in parts:
            if bringing is not None:
                await store_placed(connection, part.placed, *bringing[:3])
            written = await write_examined(connection, part.examined, clock, rounds=rounds)
            announcement = together(announcement, written.announcement)
            takers |= written.takers
    return Written(announcement, takers)


async def _examined(
    connection: Writer, locked: dict[BookKey, Book], bringing: Bringing | None
) -> AsyncGenerator[_Part]:
    """The books part by part: one is folded while PostgreSQL writes the one before.

    No book is in two parts. What depends on what is written of another, for it goes on with lots of that, is
    folded again afterwards.
    """
    sizes = await stored_ledger.sizes_of(connection, sorted(locked))
    if bringing is not None:
        sizes = [
            one._replace(executions=one.executions + bringing.executions.get(one.key, 0)) for one in sizes
        ]
    folding: list[asyncio.Future[_Part]] = []
    try:
        for part in _parts(sizes):
            told = await read_told(
                connection, part, {key: locked[key] for key in part}, staged=bringing is not None
            )
            folding.append(asyncio.ensure_future(asyncio.to_thread(_fold, told)))
            if len(folding) > 1:
                yield await _first_of(folding)
        if folding:
            yield await _first_of(folding)
    finally:
        # A thread cannot be stopped: nothing goes on before it has ended.
        await asyncio.gather(*folding, return_exceptions=True)


def _parts(sizes: list[BookSize]) -> Iterator[list[BookKey]]:
    first = next(batched(sizes, min(_FIRST_EXECUTIONS, EXECUTIONS_AT_ONCE)), [])
    return chain([first] if first else [], batched(sizes[len(first) :], EXECUTIONS_AT_ONCE))


async def _first_of(folding: list[asyncio.Future[_Part]]) -> _Part:
    part = await asyncio.shield(folding[0])
    del folding[0]
    return part


def _fold(told: Told) -> _Part:
    examined = fold_told(told)
    return _Part(examined, placed(examined.staged))
