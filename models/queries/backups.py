"""How the last backup and the last restore on trial went."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from core.domain.backups import WAL_SLOT, BackupKind, BackupOutcome
from models.session import Reader, Writer


class LastRun(NamedTuple):
    """The last one of a kind, and when one last went well.

    ``succeeded_at`` is the moment that a good backup shows, also a base backup; of all else, its end.
    ``bytes`` is of the last good one.
    """

    kind: BackupKind
    outcome: BackupOutcome
    finished_at: datetime
    error: str | None
    succeeded_at: datetime | None
    bytes: int | None


# A row a kind is looked up by the index, however many there are.
_last = text(
    "SELECT k.kind, l.outcome, l.finished_at, l.error, "
    "CASE WHEN k.kind IN ('backup', 'base') THEN s.taken_at ELSE s.finished_at END AS succeeded_at, s.bytes "
    "FROM (VALUES ('backup'), ('drill'), ('base'), ('wal')) AS k(kind) "
    "CROSS JOIN LATERAL (SELECT o.outcome, r.finished_at, r.error FROM (VALUES ('success'), ('fail')) "
    "AS o(outcome) CROSS JOIN LATERAL (SELECT finished_at, error FROM backup_runs WHERE kind = k.kind "
    "AND outcome = o.outcome ORDER BY finished_at DESC LIMIT 1) r ORDER BY r.finished_at DESC LIMIT 1) l "
    "LEFT JOIN LATERAL (SELECT taken_at, finished_at, bytes FROM backup_runs r WHERE r.kind = k.kind "
    "AND r.outcome = 'success' ORDER BY r.finished_at DESC LIMIT 1) s ON true"
)


class WalSlot(NamedTuple):
    """Whether WAL is fetched from an embedded server, and how much was not yet, in bytes."""

    is_fetched: bool
    behind_bytes: int


_slot = text(
    "SELECT active, CASE WHEN pg_is_in_recovery() THEN 0 "
    "ELSE coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint END "
    "FROM pg_replication_slots WHERE slot_name = :slot"
)


async def wal_slot(reader: Reader) -> WalSlot | None:
    """Of the server; ``None``: its WAL is not fetched at all."""
    row = (await reader.execute(_slot, {"slot": WAL_SLOT})).one_or_none()
    return None if row is None else WalSlot(*row)


async def last_backup_runs(reader: Reader | Writer) -> dict[BackupKind, LastRun]:
    """By kind; of one that never was there is none."""
    return {row.kind: LastRun(*row) for row in await reader.execute(_last)}
