"""Dropping what was taken down hour by hour long ago, but for the last of each of the broker's days."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.domain.days import BROKER_ZONE
from models.session import Reader, Writer
from models.stores.jobs_coalesced import hold
from models.stores.partitions import months_between, next_month, partition_of
from models.tables.jobs import THINNING
from models.tables.snapshots import SNAPSHOT_POSITIONS

_TO_COMPACT: Final = "thinned: the room of what was dropped is still to be given back"
"""Stands as the comment of a month's partition, in the transaction that drops, until that is done."""

# An hour ends with its snapshot: at midnight that still is of the day before. What somebody asked for has no
# hour, and stays.
_DAY_ENDS = (
    f"CAST(CAST((s.hour - interval '1 microsecond') AT TIME ZONE '{BROKER_ZONE}' AS date) + 1 AS timestamp) "
    f"AT TIME ZONE '{BROKER_ZONE}'"
)
_DOOMED = (
    "SELECT s.id, s.payload_sha256 FROM snapshots s "  # noqa: S608 - words of this program's own
    "WHERE s.asof_ts >= :start AND s.asof_ts < :ends AND s.hour IS NOT NULL AND s.thinned_at IS NULL "
    "AND EXISTS (SELECT FROM snapshots l WHERE l.account = s.account AND l.hour > s.hour "
    f"AND l.hour <= {_DAY_ENDS}) "
    # What is still to be reckoned of an account needs its cash.
    "AND NOT EXISTS (SELECT FROM performance_renewals r WHERE r.account = s.account)"
)
_doomed = text(_DOOMED)
_oldest = text("SELECT min(asof_ts) FROM snapshots")
_UNUSED = (
    "NOT EXISTS (SELECT FROM imports i WHERE i.sha256 = p.sha256) "
    "AND NOT EXISTS (SELECT FROM snapshots s WHERE s.payload_sha256 = p.sha256 AND s.id <> ALL(:ids))"
)
_count_positions = text(
    "SELECT count(*) FROM snapshot_positions WHERE snapshot_id = ANY(:ids) "
    "AND asof_ts >= :start AND asof_ts < :ends"
)
_count_rates = text("SELECT count(*) FROM fx_rates WHERE snapshot_id = ANY(:ids)")
_count_cash = text("SELECT count(*) FROM cash_balances WHERE snapshot_id = ANY(:ids)")
_count_payloads = text(
    "SELECT count(*) AS payloads, coalesce(sum(octet_length(content)), 0) AS bytes FROM raw_payloads p "  # noqa: S608 - as above
    f"WHERE p.sha256 = ANY(:payloads) AND {_UNUSED}"
)
_drop_positions = text(
    "DELETE FROM snapshot_positions WHERE snapshot_id = ANY(:ids) AND asof_ts >= :start AND asof_ts < :ends"
)
_drop_rates = text("DELETE FROM fx_rates WHERE snapshot_id = ANY(:ids)")
_drop_cash = text("DELETE FROM cash_balances WHERE snapshot_id = ANY(:ids)")
_note_thinned = text("UPDATE snapshots SET thinned_at = :now, payload_sha256 = NULL WHERE id = ANY(:ids)")
_drop_payloads = text(f"DELETE FROM raw_payloads p WHERE p.sha256 = ANY(:payloads) AND {_UNUSED}")  # noqa: S608 - as above
_waiting = text(
    "SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid "
    "WHERE h.inhparent = to_regclass(:table) AND obj_description(c.oid, 'pg_class') = :mark ORDER BY 1"
)
_key_of = text(
    "SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid "
    "WHERE i.indrelid = to_regclass(:name) AND i.indisprimary"
)


class Thinned(NamedTuple):
    """How much went of snapshots whose detail is no longer kept."""

    snapshots: int = 0
    positions: int = 0
    rates: int = 0
    cash: int = 0
    payloads: int = 0
    payload_bytes: int = 0


class _Doomed(NamedTuple):
    ids: Sequence[int]
    payloads: Sequence[str]


async def full_months_before(reader: Reader, before: datetime) -> list[datetime]:
    """The months that hold snapshots and had ended by then, each by its first moment, oldest first."""
    oldest = (await reader.execute(_oldest)).scalar_one()
    if oldest is None:
        return []
    return [month for month in months_between(oldest, before) if next_month(month) <= before]


async def count_month(reader: Reader, month: datetime) -> Thinned:
    """What would go of a month."""
    doomed = await _doomed_of(reader, month)
    if not doomed.ids:
        return Thinned()
    asked = {"ids": doomed.ids, "start": month, "ends": next_month(month)}
    of_ids = {"ids": doomed.ids}
    kept = (await reader.execute(_count_payloads, {**of_ids, "payloads": doomed.payloads})).one()
    return Thinned(
        snapshots=len(doomed.ids),
        positions=(await reader.execute(_count_positions, asked)).scalar_one(),
        rates=(await reader.execute(_count_rates, of_ids)).scalar_one(),
        cash=(await reader.execute(_count_cash, of_ids)).scalar_one(),
        payloads=kept.payloads,
        payload_bytes=int(kept.bytes),
    )


async def thin_month(writer: Writer, month: datetime, now: datetime) -> Thinned:
    """Drop it; nothing where another is at this month. Whoever drops tells so in the same transaction."""
    if not await hold(writer, THINNING, f"{month:%Y-%m}"):
        return Thinned()
    doomed = await _doomed_of(writer, month)
    if not doomed.ids:
        return Thinned()
    of_ids: dict[str, Any] = {"ids": doomed.ids}
    of_payloads = {**of_ids, "payloads": doomed.payloads}
    kept = (await writer.execute(_count_payloads, of_payloads)).one()
    positions = await writer.execute(_drop_positions, {**of_ids, "start": month, "ends": next_month(month)})
    rates = await writer.execute(_drop_rates, of_ids)
    cash = await writer.execute(_drop_cash, of_ids)
    await writer.execute(_note_thinned, {**of_ids, "now": now})
    payloads = await writer.execute(_drop_payloads, of_payloads)
    name = partition_of(SNAPSHOT_POSITIONS, month)
    await writer.execute(text(f"COMMENT ON TABLE {name} IS '{_TO_COMPACT}'"))
    return Thinned(
        snapshots=len(doomed.ids),
        positions=positions.rowcount,
        rates=rates.rowcount,
        cash=cash.rowcount,
        payloads=payloads.rowcount,
        payload_bytes=int(kept.bytes),
    )


async def months_to_compact(reader: Reader) -> list[str]:
    """Partitions of which something was dropped and whose room was not given back yet."""
    rows = await reader.execute(_waiting, {"table": SNAPSHOT_POSITIONS, "mark": _TO_COMPACT})
    return list(rows.scalars())


async def compact_month(writer: Writer, name: str) -> None:
    """Write a partition anew without what was dropped. Whoever reads that month waits for it.

    Unlike an emptied or a replaced table it shows those who read as of an earlier moment what was there then.
    """
    if not await hold(writer, THINNING, name):
        return
    key = (await writer.execute(_key_of, {"name": name})).scalar_one()
    # Who waits for it holds up whoever reads after him: rather another time.
    await writer.execute(text("SET LOCAL lock_timeout = '2s'"))
    await writer.execute(text(f"CLUSTER {name} USING {key}"))
    await writer.execute(text(f"COMMENT ON TABLE {name} IS NULL"))


async def _doomed_of(connection: Reader | Writer, month: datetime) -> _Doomed:
    rows = list(await connection.execute(_doomed, {"start": month, "ends": next_month(month)}))
    return _Doomed([row.id for row in rows], [row.payload_sha256 for row in rows])
