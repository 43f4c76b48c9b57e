"""Imports that somebody asked for over the API: the file waits in the database until a worker has time."""

import zlib
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import json
from sqlalchemy import insert, select, text, update

from models.session import Writer
from models.stores.imports import File, keep_file
from models.tables import jobs, raw_payloads
from models.tables.jobs import IMPORT

HELD_SECONDS = 3600.0
"""Longer than any import may take. A worker that stands still for longer lets go of it."""

_may_be_silent = text("SELECT set_config('idle_in_transaction_session_timeout', :milliseconds, true)")


class ImportJob(NamedTuple):
    """A file that waits to be imported."""

    id: UUID
    name: str
    kind: str
    sha256: str
    dry_run: bool


async def ask_import(writer: Writer, job_id: UUID, file: File, *, dry_run: bool, now: datetime) -> None:
    """Keep a file and ask for its import."""
    await keep_file(writer, file, now)
    await writer.execute(
        insert(jobs).values(
            id=job_id,
            kind=IMPORT,
            status="queued",
            requested_by="api",
            created_at=now,
            details={"name": file.name, "kind": file.kind, "sha256": file.sha256, "dry_run": dry_run},
        )
    )


async def hold_import(writer: Writer) -> ImportJob | None:
    """The oldest that waits, and that no other worker has: held until the transaction ends.

    A worker that is killed over it lets go of it, and it is done anew.
    """
    await writer.execute(_may_be_silent, {"milliseconds": str(round(HELD_SECONDS * 1000))})
    table = jobs.c
    row = (
        await writer.execute(
            select(table.id, table.details)
            .where(table.kind == IMPORT, table.status.in_(("queued", "running")))
            .order_by(table.created_at, table.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
    ).first()
    if row is None:
        return None
    told = row.details
    return ImportJob(row.id, told["name"], told["kind"], told["sha256"], told["dry_run"])


async def file_of(writer: Writer, sha256: str) -> bytes:
    """The file, as it came.

    Raises:
        LookupError: it is not kept.
    """
    content = (
        await writer.execute(select(raw_payloads.c.content).where(raw_payloads.c.sha256 == sha256))
    ).scalar_one_or_none()
    if content is None:
        raise LookupError(sha256)
    return zlib.decompress(content)


async def end_import_job(
    writer: Writer, job_id: UUID, *, error: str | None, report: dict[str, Any] | None, now: datetime
) -> None:
    """Note how an import that was asked for ended."""
    values: dict[str, Any] = {
        "status": "succeeded" if error is None else "failed",
        "error": error,
        "progress": 1,
        "finished_at": now,
    }
    if report is not None:
        values["details"] = json.decode(json.encode(report))
    await writer.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
