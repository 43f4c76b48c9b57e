"""What each instrument is across brokers: worked out for all of them at once, written where it differs.

Nobody who stores instruments has to think of it. What an instrument was mapped by is kept with it, so that it
shows when one is not mapped yet or has become better known (``models.queries.identity.is_stale``).
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from core.domain.identity.known import Known
from core.domain.identity.mapping import ByHand, GlobalInstrument, Mapped, map_instruments
from models.session import Database, Writer
from models.stores.bulk import BulkInsert
from models.stores.jobs_coalesced import may_be_silent
from models.tables import global_instruments, instrument_mapping
from models.tables.identity import IDENTITY

_one_at_a_time = text("SELECT pg_advisory_xact_lock(hashtext('lotkeeper instruments'))")
_STORED: Final = ("global_instrument_id", "source", "confidence", "review")
_instruments = text(
    "SELECT i.conid, i.sec_type, i.symbol, i.local_symbol, i.currency, i.exchange, i.trading_class, "  # noqa: S608 - words of this program's own
    "i.multiplier, i.expiry, i.strike, i.option_right, i.description, i.isin, i.cusip, i.figi, "
    f"i.underlying_conid, i.issuer, {IDENTITY.format('i')} AS identity, i.mapped_identity, m.target, "
    f"m.forced, m.mapped_by, {', '.join(f'm.{name}' for name in _STORED)} "
    "FROM instruments i LEFT JOIN instrument_mapping m USING (conid)"
)
_merged = text("SELECT id, merged_into FROM global_instruments WHERE merged_into IS NOT NULL")
_described = text(f"SELECT {', '.join(GlobalInstrument._fields)} FROM global_instruments")  # noqa: S608 - as above
_describe = BulkInsert(
    global_instruments,
    (*GlobalInstrument._fields, "updated_at"),
    conflict="ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in (*GlobalInstrument._fields[1:], "updated_at")),
)
_MAPPING: Final = (*("conid", *_STORED, "target", "forced", "mapped_by", "mapped_at"),)
_map = BulkInsert(
    instrument_mapping,
    _MAPPING,
    alias="t",
    # That it was looked at again is not that it became something else.
    conflict="ON CONFLICT (conid) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _STORED)
    + ", mapped_at = CASE WHEN (t.global_instrument_id, t.source) IS DISTINCT FROM "
    "(excluded.global_instrument_id, excluded.source) THEN excluded.mapped_at ELSE t.mapped_at END",
)
_AT_ONCE: Final = 5_000
# Nobody who stores instruments is waited for: what they have in hand, or made better known since it was read,
# is stale still and mapped the next time.
_note_identities = text(
    "WITH told AS (SELECT * FROM unnest(CAST(:conids AS bigint[]), CAST(:identities AS text[])) "
    "AS t(conid, identity)), free AS (SELECT conid FROM instruments WHERE conid IN (SELECT conid FROM told) "
    "ORDER BY conid FOR NO KEY UPDATE SKIP LOCKED) "
    "UPDATE instruments i SET mapped_identity = told.identity FROM told JOIN free USING (conid) "
    "WHERE i.conid = told.conid"
)
_forget_empty = text(
    "DELETE FROM global_instruments g WHERE g.merged_into IS NULL "
    "AND NOT EXISTS (SELECT FROM instrument_mapping m WHERE m.global_instrument_id = g.id) "
    "AND NOT EXISTS (SELECT FROM global_instruments o WHERE o.merged_into = g.id)"
)
_by_hand = text(
    "UPDATE instrument_mapping SET source = 'manual', target = :target, forced = :forced, mapped_by = :by, "
    "mapped_at = :now WHERE conid = :conid"
)
_by_itself = text(
    "UPDATE instrument_mapping SET source = 'conid', target = NULL, forced = false, mapped_by = NULL "
    "WHERE conid = :conid AND source = 'manual' RETURNING conid"
)
_merge = text(
    "UPDATE global_instruments SET merged_into = :into, merged_by = :by, merged_at = :now WHERE id = :id"
)
_unmerge = text(
    "UPDATE global_instruments SET merged_into = NULL, merged_by = NULL, merged_at = NULL "
    "WHERE id = :id AND merged_into IS NOT NULL RETURNING id"
)


async def map_all(database: Database, now: datetime) -> int:
    """Map all instruments as far as they are known; returns how many became something else or were new.

    It can be done at any time, and twice. What each was mapped by is noted once that is committed, so that
    nobody who stores instruments waits meanwhile.
    """
    async with database.write() as writer:
        changed, read = await _refresh(writer, now)
    stale = [(row.conid, row.identity) for row in read if row.identity != row.mapped_identity]
    for start in range(0, len(stale), _AT_ONCE):
        part = stale[start : start + _AT_ONCE]
        async with database.write() as writer:
            conids, identities = [one[0] for one in part], [one[1] for one in part]
            await writer.execute(_note_identities, {"conids": conids, "identities": identities})
    return changed


async def refresh_mapping(connection: Writer, now: datetime) -> int:
    """As ``map_all`` in a transaction with something else; what each was mapped by is not noted.

    Others who do it wait for the transaction.
    """
    return (await _refresh(connection, now))[0]


async def _refresh(connection: Writer, now: datetime) -> tuple[int, list[Any]]:
    """How many became something else or were new, and all of them as they were read."""
    await may_be_silent(connection)
    await connection.execute(_one_at_a_time)
    rows = list(await connection.execute(_instruments))
    merged = {row.id: row.merged_into for row in await connection.execute(_merged)}
    stored = {row.id: GlobalInstrument(*row) for row in await connection.execute(_described)}
    told, mappings = await asyncio.to_thread(_work_out, rows, merged, stored, now)
    await _describe(connection, told)
    await _map(connection, mappings)
    if mappings:
        await connection.execute(_forget_empty)
    return len(mappings), rows


async def map_by_hand(
    connection: Writer, conid: int, target: str, *, forced: bool, by: str, now: datetime
) -> None:
    """Note that a person says what a mapped instrument is, and map it so."""
    parameters = {"conid": conid, "target": target, "forced": forced, "by": by, "now": now}
    await connection.execute(_by_hand, parameters)
    await refresh_mapping(connection, now)


async def unmap(connection: Writer, conid: int, now: datetime) -> bool:
    """Take back what a person said of an instrument; false where nobody said anything."""
    if not list(await connection.execute(_by_itself, {"conid": conid})):
        return False
    await refresh_mapping(connection, now)
    return True


async def merge(connection: Writer, global_id: str, into: str, *, by: str, now: datetime) -> None:
    """Note that a person says that two global instruments are one, and map their instruments so.

    The one that it goes into must not be merged itself.
    """
    await connection.execute(_merge, {"id": global_id, "into": into, "by": by, "now": now})
    await refresh_mapping(connection, now)


async def unmerge(connection: Writer, global_id: str, now: datetime) -> bool:
    """Take back that a global instrument is another; false where nobody said so."""
    if not list(await connection.execute(_unmerge, {"id": global_id})):
        return False
    await refresh_mapping(connection, now)
    return True


_LAST: Final = len(Known._fields)


def _work_out(
    rows: list[Any], merged: dict[str, str], stored: dict[str, GlobalInstrument], now: datetime
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What is to be written of global instruments, and of mappings."""
    by_hand = {row.conid: ByHand(row.target, row.forced) for row in rows if row.target is not None}
    identities = map_instruments((Known(*row[:_LAST]) for row in rows), by_hand, merged)
    told = [(*one, now) for one in identities.instruments.values() if stored.get(one.id) != one]
    return told, list(_differing(rows, identities.mapped, now))


def _differing(rows: list[Any], mapped: dict[int, Mapped], now: datetime) -> Iterator[tuple[Any, ...]]:
    for row in sorted(rows):
        one = mapped[row.conid]
        if (row.global_instrument_id, row.source, row.confidence, row.review) != one[1:]:
            yield (*one, row.target, bool(row.forced), row.mapped_by, now)
