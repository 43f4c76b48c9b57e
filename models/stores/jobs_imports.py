"""Imports that somebody asked for over the API: the file waits in the database until a worker has time."""

import asyncio
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

from msgspec import json
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert as insert_once

from core.domain.formats import Format
from models.session import Writer
from models.stores.imports import File, keep_file
from models.stores.jobs_coalesced import may_be_silent
from models.stores.jobs_held import hold_job
from models.tables import jobs
from models.tables.jobs import IMPORT, UNDO

HELD_SECONDS = 3600.0
"""Longer than any import may take. A worker that stands still for longer lets go of it."""

MOST_TRIES = 5
"""What fails so often, though it might have passed, is given up."""

_FIRST_WAIT = timedelta(seconds=10)
_MOST_WAIT = timedelta(minutes=10)
_PIECE_BYTES = 1 << 20

_waiting = text(
    "SELECT id, details FROM jobs WHERE kind IN ('import', 'undo') AND status IN ('queued', 'running') "
    "ORDER BY created_at, id LIMIT 100"
)
_as_it_is = text("SELECT status FROM jobs WHERE id = :id AND kind IN ('import', 'undo')")
_count_try = text(
    "UPDATE jobs SET status = 'running', started_at = coalesce(started_at, :now), "
    "details = details || jsonb_build_object('tries', coalesce(CAST(details ->> 'tries' AS int), 0) + 1, "
    "'tried_at', CAST(:now AS timestamptz)) WHERE id = :id"
)
_note_reason = text(
    "UPDATE jobs SET details = details || jsonb_build_object('reason', CAST(:reason AS text)) WHERE id = :id"
)
_size = text("SELECT size_bytes, length(content) AS kept_bytes FROM raw_payloads WHERE sha256 = :sha256")
_piece = text(
    "SELECT substring(content FROM :start FOR :length) AS piece FROM raw_payloads WHERE sha256 = :sha256"
)


class ImportJob(NamedTuple):
    """A file that waits to be imported: begun ``tries`` times before, last in vain for ``reason``.

    With ``undoes`` it is no file, but the import of that number that is to be taken back.
    """

    id: UUID
    name: str
    kind: Format
    sha256: str
    dry_run: bool
    tries: int = 0
    reason: str = ""
    undoes: int | None = None


def wait_after(tries: int) -> timedelta:
    """How long to leave alone what was tried so often in vain."""
    wait: timedelta = _FIRST_WAIT * 4 ** (tries - 1)
    return min(wait, _MOST_WAIT)


async def ask_import(writer: Writer, job_id: UUID, file: File, *, dry_run: bool, now: datetime) -> str:
    """Keep a file and ask for its import; returns how that stands.

    Asked again under its id it is the same.
    """
    await keep_file(writer, file, now)
    await writer.execute(
        insert_once(jobs)
        .values(
            id=job_id,
            kind=IMPORT,
            status="queued",
            requested_by="api",
            created_at=now,
            details={"name": file.name, "kind": file.kind, "sha256": file.sha256, "dry_run": dry_run},
        )
        .on_conflict_do_nothing()
    )
    row = (await writer.execute(_as_it_is, {"id": job_id})).one()
    return str(row.status)


async def ask_undo(writer: Writer, job_id: UUID, import_id: int, *, now: datetime) -> str:
    """Ask for an import to be taken back; returns how that stands.

    Asked again under its id it is the same.
    """
    await writer.execute(
        insert_once(jobs)
        .values(
            id=job_id,
            kind=UNDO,
            status="queued",
            requested_by="api",
            created_at=now,
            details={"undoes": import_id},
        )
        .on_conflict_do_nothing()
    )
    row = (await writer.execute(_as_it_is, {"id": job_id})).one()
    return str(row.status)


async def hold_import(writer: Writer, now: datetime) -> ImportJob | None:
    """The oldest that waits, is due, and that no other worker has: held until the transaction ends.

    A worker that is killed over it lets go of it, and it is done anew: after a while, and not for ever.
    """
    await may_be_silent(writer, HELD_SECONDS)
    for row in list(await writer.execute(_waiting)):
        told = row.details
        tried_at = told.get("tried_at")
        if tried_at is not None and now < datetime.fromisoformat(tried_at) + wait_after(told["tries"]):
            continue
        # Not its row: how often it was tried is written there while it is held.
        if not await hold_job(writer, row.id):
            continue
        return ImportJob(
            row.id,
            told.get("name", ""),
            told.get("kind", "flex"),
            told.get("sha256", ""),
            told.get("dry_run", False),
            told.get("tries", 0),
            told.get("reason", ""),
            told.get("undoes"),
        )
    return None


async def count_try(writer: Writer, job_id: UUID, now: datetime) -> None:
    """Note that an import is begun once more; in a transaction of its own, whatever becomes of the import."""
    await writer.execute(_count_try, {"id": job_id, "now": now})


async def note_reason(writer: Writer, job_id: UUID, reason: str) -> None:
    """Note why it failed, to tell it should it never succeed."""
    await writer.execute(_note_reason, {"id": job_id, "reason": reason})


async def copy_file(writer: Writer, sha256: str, path: Path) -> None:
    """Write a file as it came, piece by piece.

    Raises:
        LookupError: it is not kept.
        ValueError: what is kept is not what came.
        OSError: it cannot be written.
    """
    row = (await writer.execute(_size, {"sha256": sha256})).first()
    if row is None:
        raise LookupError(sha256)
    inflater, left = zlib.decompressobj(), row.size_bytes
    with path.open("wb") as file:
        for start in range(0, row.kept_bytes, _PIECE_BYTES):
            found = await writer.execute(
                _piece, {"sha256": sha256, "start": start + 1, "length": _PIECE_BYTES}
            )
            left = await asyncio.to_thread(_write, file, inflater, found.scalar_one(), left)
    if left or not inflater.eof:
        raise ValueError("what is kept of the file ends before it should")


def _write(file: BinaryIO, inflater: Any, piece: bytes, left: int) -> int:
    """Write what a piece inflates to, never more than is left of the file; returns what is left then."""
    while piece or not left:
        content = inflater.decompress(piece, min(left, _PIECE_BYTES) + 1)
        left -= len(content)
        if left < 0:
            raise ValueError("what is kept of the file is more than came")
        file.write(content)
        piece = inflater.unconsumed_tail
        if not content:
            break
    return left


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
