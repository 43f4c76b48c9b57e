"""Jobs that are asked for, each once until it has ended. A sync fence that names the job answers a resync."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import insert, text, update

from models.session import Writer
from models.tables import jobs
from models.tables.jobs import RESYNC

_UNFINISHED = ("queued", "running")
# Whoever adds a job that must not double holds this until the commit.
_turn = text("SELECT pg_advisory_xact_lock(hashtext('lotkeeper asks for ' || :kind), hashtext(:subject))")
_asked = text(
    "SELECT id, status, created_at FROM jobs WHERE kind = :kind AND (id = :id OR "
    "(status IN ('queued', 'running') AND coalesce(details, '{}') @> CAST(:subject AS jsonb))) "
    "ORDER BY id = :id DESC, created_at DESC LIMIT 1"
)


class AskedJob(NamedTuple):
    """The job to follow. ``joined``: it had been asked for before and is not finished."""

    id: UUID
    status: str
    asked_at: datetime
    joined: bool


async def ask_job(
    writer: Writer,
    kind: str,
    job_id: UUID,
    now: datetime,
    *,
    subject: Mapping[str, int] | None = None,
    requested_by: str = "api",
) -> AskedJob:
    """Ask for a job, or join the one of its kind, about the same ``subject``, that is not finished.

    Asked again under its id it is the same. ``subject`` stands in its details.
    """
    spelled = msgspec.json.encode(dict(subject or {}), order="sorted").decode()
    await writer.execute(_turn, {"kind": kind, "subject": spelled})
    waiting = (await writer.execute(_asked, {"kind": kind, "id": job_id, "subject": spelled})).first()
    if waiting is not None:
        return AskedJob(waiting.id, waiting.status, waiting.created_at, joined=True)
    await writer.execute(
        insert(jobs).values(
            id=job_id,
            kind=kind,
            status="queued",
            requested_by=requested_by,
            created_at=now,
            **({} if subject is None else {"details": dict(subject)}),
        )
    )
    return AskedJob(job_id, "queued", now, joined=False)


async def ask_resync(writer: Writer, *, job_id: UUID, requested_by: str, now: datetime) -> AskedJob:
    """Record a wish for a resync, or join the one that is not finished."""
    return await ask_job(writer, RESYNC, job_id, now, requested_by=requested_by)


async def fail_job(writer: Writer, job_id: UUID, *, error: str, now: datetime) -> None:
    """Say why a job ended badly; a job that has ended stays as it is."""
    await writer.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status.in_(_UNFINISHED))
        .values(status="failed", error=error, finished_at=now)
    )
