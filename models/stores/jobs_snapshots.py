"""Snapshots that somebody asked for over the API: they wait in the database until a worker has time."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import json
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert as insert_once

from models.session import Writer
from models.stores.jobs_coalesced import may_be_silent
from models.stores.jobs_held import hold_job
from models.tables import jobs
from models.tables.jobs import SNAPSHOT

_waiting = text(
    "SELECT id, details ->> 'account' AS account FROM jobs WHERE kind = 'snapshot' "
    "AND status IN ('queued', 'running') ORDER BY created_at, id LIMIT 100"
)
_begun = text("UPDATE jobs SET status = 'running', started_at = coalesce(started_at, :now) WHERE id = :id")
_as_it_is = text("SELECT status, error FROM jobs WHERE id = :id AND kind = 'snapshot'")


class SnapshotJob(NamedTuple):
    """A snapshot that somebody waits for, of one account or of all."""

    id: UUID
    account: str | None


class AskedSnapshot(NamedTuple):
    """How what was asked for stands."""

    status: str
    error: str | None


async def ask_snapshot(writer: Writer, job_id: UUID, account: str | None, now: datetime) -> AskedSnapshot:
    """Ask for a snapshot. Asked again under the same id it is the same one."""
    await writer.execute(
        insert_once(jobs)
        .values(
            id=job_id,
            kind=SNAPSHOT,
            status="queued",
            requested_by="api",
            created_at=now,
            details={"account": account},
        )
        .on_conflict_do_nothing()
    )
    row = (await writer.execute(_as_it_is, {"id": job_id})).one()
    return AskedSnapshot(row.status, row.error)


async def hold_snapshot_job(writer: Writer) -> SnapshotJob | None:
    """The oldest that waits and that no other worker has: held until the transaction ends.

    A worker that is killed over it lets go of it.
    """
    await may_be_silent(writer)
    for row in list(await writer.execute(_waiting)):
        if await hold_job(writer, row.id):
            return SnapshotJob(row.id, row.account)
    return None


async def begin_snapshot_job(writer: Writer, job_id: UUID, now: datetime) -> None:
    """Note that it is under way."""
    await writer.execute(_begun, {"id": job_id, "now": now})


async def end_snapshot_job(
    writer: Writer, job_id: UUID, *, error: str | None, result: dict[str, Any], now: datetime
) -> None:
    """Note how it ended."""
    await writer.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(
            status="succeeded" if error is None else "failed",
            error=error,
            progress=1,
            finished_at=now,
            details=json.decode(json.encode(result)),
        )
    )
