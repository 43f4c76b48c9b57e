"""What the database remembers of backups and restores on trial: their ages are told from it."""

from datetime import datetime
from decimal import Decimal

from core.domain.backups import BackupKind, BackupTrigger
from models.migrate import current_revision, head_revision
from models.session import Writer
from models.stores.backups import note_backup_run
from services.backup.archives import Kept
from services.backup.bases import Draft
from services.backup.creating import Created
from services.backup.wal import Base


async def note_created(writer: Writer, created: Created, now: datetime) -> None:
    """Keep that a backup was taken. A database of another schema than ours has no place for it yet."""
    if await current_revision(writer) != head_revision():
        return
    manifest = created.manifest
    await note_backup_run(
        writer,
        kind="backup",
        trigger=manifest.trigger,
        finished_at=now,
        seconds=_decimal(created.seconds),
        archive=created.path.name,
        taken_at=manifest.taken_at,
        size=created.bytes,
        rows=manifest.rows,
        state=manifest.state,
    )


async def note_drill(
    writer: Writer, trigger: BackupTrigger, kept: Kept, seconds: float, now: datetime
) -> None:
    """Keep that an archive was restored on trial, and was what it should be."""
    manifest = kept.manifest
    await note_backup_run(
        writer,
        kind="drill",
        trigger=trigger,
        finished_at=now,
        seconds=_decimal(seconds),
        archive=kept.path.name,
        taken_at=manifest.taken_at,
        size=kept.bytes,
        rows=manifest.rows,
        state=manifest.state,
    )


async def note_failure(
    writer: Writer, kind: BackupKind, trigger: BackupTrigger, error: str, seconds: float, now: datetime
) -> None:
    """Keep that one failed, and why."""
    if await current_revision(writer) != head_revision():
        return
    await note_backup_run(
        writer,
        kind=kind,
        trigger=trigger,
        finished_at=now,
        seconds=_decimal(seconds),
        error=error.replace("\x00", ""),
    )


async def note_base(writer: Writer, base: Base, draft: Draft, now: datetime) -> None:
    """Keep that a base backup was taken."""
    await note_backup_run(
        writer,
        kind="base",
        trigger="schedule",
        finished_at=now,
        seconds=_decimal(draft.seconds),
        archive=base.path.name,
        taken_at=base.ended_at,
        size=draft.bytes,
    )


async def note_wal(writer: Writer, now: datetime) -> None:
    """Keep that WAL is put away again."""
    await note_backup_run(writer, kind="wal", trigger="schedule", finished_at=now, seconds=_decimal(0))


def _decimal(seconds: float) -> Decimal:
    return Decimal(f"{seconds:.3f}")
