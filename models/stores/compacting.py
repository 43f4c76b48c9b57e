"""Giving back the room of what was dropped of a month, beside those who read it.

A second table is filled with what is left of the month and then takes the place of its partition. Nobody is
ever shown an empty month: it does so only once everybody who reads as of a moment before it was filled has
ended. Readers wait for the exchange itself, which rewrites nothing and takes milliseconds, and behind it no
longer than ``LOCK_MS`` for each table that it needs: where it does not get its turn by then it steps back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.session import Database, Reader, Writer, execute_slowly, sqlstate
from models.stores.jobs_coalesced import hold, may_be_silent
from models.tables.jobs import THINNING
from models.tables.snapshots import SNAPSHOT_POSITIONS

LOCK_MS: Final = 50
PATIENCE_SECONDS: Final = 15.0
"""So long each step is tried again before the month is left for another time."""

_FILL_SECONDS: Final = 900.0
"""So long a month may take to be written anew: nobody waits for that."""

_PAUSE_SECONDS: Final = 0.5
_TO_COMPACT: Final = "thinned: the room of what was dropped is still to be given back"
"""Stands as the comment of a month's partition, in the transaction that drops, until that is done."""

_NO_LOCK: Final = frozenset({"55P03", "40P01"})
"""It was not to be had in time, or never would have been."""

_waiting = text(
    "SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid "
    "WHERE h.inhparent = to_regclass(:table) AND obj_description(c.oid, 'pg_class') = :mark ORDER BY 1"
)
_about = text(
    "SELECT pg_get_expr(c.relpartbound, c.oid) AS bound, pg_get_partition_constraintdef(c.oid) AS within, "
    "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n) FROM pg_index i, "
    "unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n) JOIN pg_attribute a USING (attnum) "
    "WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid) AS ordered_by "
    "FROM pg_class c WHERE c.oid = to_regclass(:name) AND obj_description(c.oid, 'pg_class') = :mark"
)
_references = text(
    "SELECT quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition, "
    "confrelid::regclass::text AS referred FROM pg_constraint "
    "WHERE conrelid = to_regclass(:name) AND contype = 'f' ORDER BY conname"
)
_transaction = text("SELECT CAST(pg_current_xact_id() AS text)")
# Of whoever reads as of a moment at which that transaction had not ended yet.
_is_seen = text(
    "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
    "AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL "
    "AND age(backend_xmin) >= age(CAST(CAST(CAST(:transaction AS text) AS xid8) AS xid)))"
)


class _Reference(NamedTuple):
    name: str
    definition: str
    referred: str


async def mark_thinned(writer: Writer, name: str) -> None:
    """Note of a partition that something was dropped of it."""
    await writer.execute(text(f"COMMENT ON TABLE {name} IS '{_TO_COMPACT}'"))


async def months_to_compact(reader: Reader) -> list[str]:
    """Partitions of which something was dropped and whose room was not given back yet."""
    rows = await reader.execute(_waiting, {"table": SNAPSHOT_POSITIONS, "mark": _TO_COMPACT})
    return list(rows.scalars())


async def compact_month(database: Database, name: str, *, patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Write a partition anew without what was dropped; false where it has to be left for another time.

    What a run that was killed has left is dropped by the next.
    """
    async with database.write() as holder:
        if not await hold(holder, THINNING, name):
            return True  # another is at it
        await may_be_silent(holder, _FILL_SECONDS + 10 * patience_seconds)
        # Not by the holder: what describes a partition keeps a lock on its parent until the transaction ends.
        async with database.read() as reader:
            about = (await reader.execute(_about, {"name": name, "mark": _TO_COMPACT})).one_or_none()
            references = [_Reference(*row) for row in await reader.execute(_references, {"name": name})]
        if about is None:
            return True  # another has done it
        return await _Anew(database, holder, name, about, references, patience_seconds).take_place()


@dataclass(frozen=True, slots=True)
class _Anew:
    """The table that takes the place of ``name``, which ``holder`` keeps others from."""

    database: Database
    holder: Writer
    name: str
    about: Any
    references: Sequence[_Reference]
    patience_seconds: float

    @property
    def _new(self) -> str:
        return f"{self.name}_anew"

    async def take_place(self) -> bool:
        # Nothing is written to the old one from here on, until the holder has ended.
        if not await self._in_time(self._held(f"LOCK TABLE {self.name} IN SHARE MODE")):
            return False
        if not await self._in_time(self._apart(f"DROP TABLE IF EXISTS {self._new}")):
            return False
        filled = await self._fill()

        async def is_seen() -> bool:
            return bool((await self.holder.execute(_is_seen, {"transaction": filled})).scalar_one())

        add = (
            f"ALTER TABLE {self._new} ADD CONSTRAINT {one.name} {one.definition} NOT VALID"
            for one in self.references
        )
        validate = (f"ALTER TABLE {self._new} VALIDATE CONSTRAINT {one.name}" for one in self.references)
        for step in (is_seen, self._apart(*add), self._apart(*validate), self._held(*self._exchange())):
            if not await self._in_time(step):
                await self._in_time(self._apart(f"DROP TABLE IF EXISTS {self._new}"))
                return False
        return True

    async def _fill(self) -> str:
        """Make it; the transaction in which that was done."""
        name, new = self.name, self._new
        async with self.database.write() as writer:
            await writer.exec_driver_sql(f"CREATE TABLE {new} (LIKE {name} INCLUDING ALL)")
            fill = f"INSERT INTO {new} SELECT * FROM {name} ORDER BY {self.about.ordered_by}"  # noqa: S608 - of the catalogue
            await execute_slowly(writer, fill, _FILL_SECONDS)
            # So that nothing has to be looked through when it takes its place.
            within = self.about.within
            await writer.exec_driver_sql(f"ALTER TABLE {new} ADD CONSTRAINT in_month CHECK ({within})")
            await writer.exec_driver_sql(f"ANALYZE {new}")
            transaction: str = (await writer.execute(_transaction)).scalar_one()
            return transaction

    def _exchange(self) -> Sequence[str]:
        name, new = self.name, self._new
        referred = ", ".join(sorted({one.referred for one in self.references}))
        return (
            f"LOCK TABLE ONLY {SNAPSHOT_POSITIONS}, {name}, {referred} IN ACCESS EXCLUSIVE MODE",
            f"ALTER TABLE {SNAPSHOT_POSITIONS} DETACH PARTITION {name}",
            f"ALTER TABLE {SNAPSHOT_POSITIONS} ATTACH PARTITION {new} {self.about.bound}",
            f"DROP TABLE {name}",
            f"ALTER TABLE {new} DROP CONSTRAINT in_month",
            f"ALTER TABLE {new} RENAME TO {name}",
        )

    def _held(self, *statements: str) -> Callable[[], Awaitable[bool]]:
        """In the holder's own transaction, and done once that ends well."""
        return partial(_briefly, self.holder, statements)

    def _apart(self, *statements: str) -> Callable[[], Awaitable[bool]]:
        """In a transaction of their own."""

        async def once() -> bool:
            async with self.database.write() as writer:
                return await _briefly(writer, statements)

        return once

    async def _in_time(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """Try it again and again, for a while."""
        until = time.monotonic() + self.patience_seconds
        while not await step():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(_PAUSE_SECONDS)
        return True


async def _briefly(writer: Writer, statements: Sequence[str]) -> bool:
    """Do all of it, or where a lock is not to be had at once nothing."""
    try:
        async with writer.begin_nested():
            for statement in (f"SET LOCAL lock_timeout = {LOCK_MS}", *statements):
                await writer.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) not in _NO_LOCK:
            raise
        return False
    return True
