"""Fold the books of an import from the start and write what differs, with the executions it brings."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import date, datetime
from typing import NamedTuple

from core.clock import Clock
from core.domain.books import Book, BookKey
from models.queries import ledger as queries
from models.queries import stored_ledger
from models.session import Writer
from models.stores.absences import note_absences
from models.stores.staged_executions import place_staged, store_placed
from services.position_sync.announce import Announcement, together
from services.position_sync.examine import Examined, fold_told, read_told
from services.position_sync.rebuild import EXECUTIONS_AT_ONCE, Written, batched, write_examined


class Bringing(NamedTuple):
    """What an import brings: its number and format, when, and how many new executions for each book."""

    import_id: int
    kind: str
    now: datetime
    executions: Mapping[BookKey, int]


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
        await store_placed(connection, *bringing[:3])
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
        async for examined in parts:
            if bringing is not None:
                await place_staged(connection, examined.staged)
            written = await write_examined(connection, examined, clock, rounds=rounds)
            announcement = together(announcement, written.announcement)
            takers |= written.takers
    return Written(announcement, takers)


async def _examined(
    connection: Writer, locked: dict[BookKey, Book], bringing: Bringing | None
) -> AsyncGenerator[Examined]:
    """The books part by part: one is folded while PostgreSQL writes the one before.

    No book is in two parts. What depends on what is written of another, for it goes on with lots of that, is
    folded again afterwards.
    """
    sizes = await stored_ledger.sizes_of(connection, sorted(locked))
    if bringing is not None:
        sizes = [
            one._replace(executions=one.executions + bringing.executions.get(one.key, 0)) for one in sizes
        ]
    folding: list[asyncio.Future[Examined]] = []
    try:
        for part in batched(sizes, EXECUTIONS_AT_ONCE):
            told = await read_told(
                connection, part, {key: locked[key] for key in part}, staged=bringing is not None
            )
            folding.append(asyncio.ensure_future(asyncio.to_thread(fold_told, told)))
            if len(folding) > 1:
                yield await _first_of(folding)
        if folding:
            yield await _first_of(folding)
    finally:
        # A thread cannot be stopped: nothing goes on before it has ended.
        await asyncio.gather(*folding, return_exceptions=True)


async def _first_of(folding: list[asyncio.Future[Examined]]) -> Examined:
    examined = await asyncio.shield(folding[0])
    del folding[0]
    return examined
