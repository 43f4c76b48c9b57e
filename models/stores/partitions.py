"""Tables that are kept month by month: the month's partition is there before its first row."""

from datetime import UTC, datetime

from sqlalchemy import text

from models.session import Writer
from models.tables.snapshots import SNAPSHOT_POSITIONS

MONTHLY = (SNAPSHOT_POSITIONS,)
"""Partitioned by the month, in UTC."""

MONTHS_AHEAD = 2

_LOCK = 0x10C7_9A27
"""Any constant of our own: of those who make partitions one goes first."""
_one_at_a_time = text("SELECT pg_advisory_xact_lock(:key)")
# Read from the catalogue: to_regclass answers from a memory that forgets only when a table is locked.
_there = text("SELECT EXISTS (SELECT FROM pg_class WHERE relname = :name AND pg_table_is_visible(oid))")


async def ensure_partitions(
    writer: Writer, moment: datetime, *, months_ahead: int = MONTHS_AHEAD
) -> list[str]:
    """Make what is missing of the month that ``moment`` is in and of some after it; the names of what was.

    Who reads or writes the table goes on meanwhile: ``CREATE TABLE … PARTITION OF`` would wait for all of
    them to end, and who comes after it for it. Its indexes and keys are made by attaching.
    """
    made: list[str] = []
    for table in MONTHLY:
        for ahead in range(months_ahead + 1):
            month = _month(moment, ahead)
            name = partition_of(table, month)
            if await _is_there(writer, name):
                continue
            await writer.execute(_one_at_a_time, {"key": _LOCK})
            if await _is_there(writer, name):
                continue
            bounds = f"FROM ('{month.isoformat()}') TO ('{_month(month, 1).isoformat()}')"
            await writer.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES)"))
            await writer.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}"))
            made.append(name)
    return made


def partition_of(table: str, moment: datetime) -> str:
    """The partition that a moment's rows are in."""
    return f"{table}_{moment.astimezone(UTC):%Y_%m}"


def next_month(month: datetime) -> datetime:
    """The first moment of the month after that of a moment."""
    return _month(month, 1)


def months_between(first: datetime, last: datetime) -> list[datetime]:
    """The months from that of one moment to that of another, each by its first moment."""
    months = [_month(first, 0)]
    while (month := next_month(months[-1])) <= last:
        months.append(month)
    return months


def _month(moment: datetime, ahead: int) -> datetime:
    """The first moment of the month so many after that of ``moment``."""
    moment = moment.astimezone(UTC)
    months = moment.year * 12 + moment.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


async def _is_there(writer: Writer, name: str) -> bool:
    return bool((await writer.execute(_there, {"name": name})).scalar_one())
