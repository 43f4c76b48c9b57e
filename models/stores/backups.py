"""The record of backups and of restores on trial."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import delete, insert

from core.domain.backups import BackupKind, BackupTrigger
from models.session import Writer
from models.tables import backup_runs

KEPT: Final = timedelta(days=730)


async def note_backup_run(
    writer: Writer,
    *,
    kind: BackupKind,
    trigger: BackupTrigger,
    finished_at: datetime,
    seconds: Decimal,
    archive: str = "",
    taken_at: datetime | None = None,
    size: int | None = None,
    rows: int | None = None,
    state: str | None = None,
    error: str | None = None,
) -> None:
    """Keep how it went; ``error`` is given where it failed. What is older than ``KEPT`` is forgotten."""
    await writer.execute(
        insert(backup_runs).values(
            kind=kind,
            trigger=trigger,
            outcome="success" if error is None else "fail",
            archive=archive,
            taken_at=taken_at,
            bytes=size,
            rows=rows,
            state=state,
            seconds=seconds,
            error=error,
            finished_at=finished_at,
        )
    )
    await writer.execute(delete(backup_runs).where(backup_runs.c.finished_at < finished_at - KEPT))
