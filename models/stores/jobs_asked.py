"""Jobs that are asked for. What is asked of the broker is answered by a sync fence that names the job."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, text, update

from models.session import Writer
from models.tables import jobs
from models.tables.jobs import RESYNC

_UNFINISHED = ("queued", "running")
_LOCK = 0x10C7_10B5
"""Any constant of our own: whoever adds a job of a kind that must not double holds it until the commit."""


class AskedJob(NamedTuple):
    """The job to follow. ``joined``: it had been asked for before and is not finished."""

    id: UUID
    status: str
    asked_at: datetime
    joined: bool


async def ask_resync(writer: Writer, *, job_id: UUID, requested_by: str, now: datetime) -> AskedJob:
    """Record a wish for a resync, or join the one that is not finished."""
    await writer.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    table = jobs.c
    waiting = (
        await writer.execute(
            select(table.id, table.status, table.created_at)
            .where(table.kind == RESYNC, table.status.in_(_UNFINISHED))
            .order_by(table.created_at.desc())
            .limit(1)
        )
    ).first()
    if waiting is not None:
        return AskedJob(waiting.id, waiting.status, waiting.created_at, joined=True)
    await writer.execute(
        insert(jobs).values(
            id=job_id, kind=RESYNC, status="queued", requested_by=requested_by, created_at=now
        )
    )
    return AskedJob(job_id, "queued", now, joined=False)


async def fail_job(writer: Writer, job_id: UUID, *, error: str, now: datetime) -> None:
    """Say why a job ended badly; a job that has ended stays as it is."""
    await writer.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status.in_(_UNFINISHED))
        .values(status="failed", error=error, finished_at=now)
    )
