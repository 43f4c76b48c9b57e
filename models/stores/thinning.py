"""Dropping what was taken down hour by hour long ago, but for one of each of the broker's days.

That is the one whose positions are covered best by fresh marks, and of several the last. What hours are
reckoned from stays of all of them, so that whatever a statement tells of them later, or no longer tells, is
reckoned as before: cash, rates, and the marks of futures and of what was transferred. Of a transfer that is
told only afterwards the marks around it are gone: it is valued by those of the day's one, and where that has
none not at all.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import text

from core.domain.days import BROKER_ZONE
from models.session import Reader, Writer
from models.stores.compacting import mark_thinned
from models.stores.jobs_coalesced import hold
from models.stores.partitions import months_between, next_month, partition_of
from models.tables.jobs import THINNING
from models.tables.snapshots import SNAPSHOT_POSITIONS

_AT_ONCE: Final = 200
"""Of so many snapshots the rows are dropped in one statement, which may take a minute at most."""

# An hour ends with its snapshot: at midnight that still is of the day before. What somebody asked for has no
# hour, and stays.
_DAY_TURNS = (
    f"CAST(CAST((s.hour - interval '1 microsecond') AT TIME ZONE '{BROKER_ZONE}' AS date) + {{}} "
    f"AS timestamp) AT TIME ZONE '{BROKER_ZONE}'"
)
_DOOMED = (
    "SELECT s.id, s.payload_sha256 FROM snapshots s "  # noqa: S608 - words of this program's own
    "WHERE s.asof_ts >= :start AND s.asof_ts < :ends AND s.hour IS NOT NULL AND s.thinned_at IS NULL "
    "AND EXISTS (SELECT FROM snapshots l WHERE l.account = s.account AND l.thinned_at IS NULL "
    f"AND l.hour > {_DAY_TURNS.format(0)} AND l.hour <= {_DAY_TURNS.format(1)} "
    "AND (l.coverage, l.hour) > (s.coverage, s.hour)) "
    # What is still to be reckoned of an account needs its cash.
    "AND NOT EXISTS (SELECT FROM performance_renewals r WHERE r.account = s.account)"
)
_doomed = text(_DOOMED)
_oldest = text("SELECT min(asof_ts) FROM snapshots")
_UNUSED = (
    "NOT EXISTS (SELECT FROM imports i WHERE i.sha256 = p.sha256) "
    "AND NOT EXISTS (SELECT FROM snapshots s WHERE s.payload_sha256 = p.sha256 AND s.id <> ALL(:ids))"
)
# What hours are reckoned from: see models.queries.hours.
_NOT_NEEDED = (
    "p.snapshot_id = ANY(:ids) AND p.asof_ts >= :start AND p.asof_ts < :ends "
    "AND NOT EXISTS (SELECT FROM instruments i WHERE i.conid = p.conid AND i.sec_type = 'FUT') "
    "AND p.conid <> ALL(ARRAY(SELECT q.conid FROM position_events v JOIN positions q ON q.id = v.position_id "
    "WHERE v.exec_id IS NULL AND v.cause = 'transfer' "
    "AND v.executed_at BETWEEN CAST(:start AS timestamptz) - interval '7 days' "
    "AND CAST(:ends AS timestamptz) + interval '7 days'))"
)
_count_positions = text(f"SELECT count(*) FROM snapshot_positions p WHERE {_NOT_NEEDED}")  # noqa: S608 - as above
_count_payloads = text(
    "SELECT count(*) AS payloads, coalesce(sum(octet_length(content)), 0) AS bytes FROM raw_payloads p "  # noqa: S608 - as above
    f"WHERE p.sha256 = ANY(:payloads) AND {_UNUSED}"
)
_drop_positions = text(f"DELETE FROM snapshot_positions p WHERE {_NOT_NEEDED}")  # noqa: S608 - as above
_note_thinned = text("UPDATE snapshots SET thinned_at = :now, payload_sha256 = NULL WHERE id = ANY(:ids)")
_drop_payloads = text(f"DELETE FROM raw_payloads p WHERE p.sha256 = ANY(:payloads) AND {_UNUSED}")  # noqa: S608 - as above

_Key = TypeVar("_Key", int, str)


class Thinned(NamedTuple):
    """How much went of snapshots whose detail is no longer kept."""

    snapshots: int = 0
    positions: int = 0
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
    gone = Counter[str](snapshots=len(doomed.ids))
    for ids in _parts(doomed.ids):
        asked: dict[str, Any] = {"ids": ids, "start": month, "ends": next_month(month)}
        gone["positions"] += (await writer.execute(_drop_positions, asked)).rowcount
        await writer.execute(_note_thinned, {"ids": asked["ids"], "now": now})
    # Now that none of them is made of its payload any more.
    for payloads in _parts(doomed.payloads):
        asked = {"payloads": payloads, "ids": []}
        gone["payload_bytes"] += int((await writer.execute(_count_payloads, asked)).one().bytes)
        gone["payloads"] += (await writer.execute(_drop_payloads, asked)).rowcount
    await mark_thinned(writer, partition_of(SNAPSHOT_POSITIONS, month))
    return Thinned(**gone)


async def _doomed_of(connection: Reader | Writer, month: datetime) -> _Doomed:
    rows = list(await connection.execute(_doomed, {"start": month, "ends": next_month(month)}))
    return _Doomed([row.id for row in rows], [row.payload_sha256 for row in rows])


def _parts(every: Sequence[_Key]) -> Iterator[Sequence[_Key]]:
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
