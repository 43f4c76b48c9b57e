"""Job rows: how a resync that someone asked for went on."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text

from models.session import Writer

_finish = text(
    "UPDATE jobs SET status = :status, error = :error, progress = 1, finished_at = :at, "
    "started_at = coalesce(started_at, :started_at) "
    "WHERE id = :id AND status IN ('queued', 'running') RETURNING id, kind, status, progress, error"
)
_fail_unanswered = text(
    "UPDATE jobs SET status = 'failed', finished_at = :at, error = :error "
    "WHERE kind = 'resync' AND status IN ('queued', 'running') AND created_at < :before "
    "RETURNING id, kind, status, progress, error"
)
_expire_sessions = text("DELETE FROM user_sessions WHERE expires_at < :now")


class JobRow(NamedTuple):
    """A job as it now stands."""

    id: str
    kind: str
    status: str
    progress: float | None
    error: str | None


async def finish_job(
    connection: Writer, job_id: str, *, ok: bool, error: str, started_at: datetime, at: datetime
) -> JobRow | None:
    """Record how a job ended; ``None`` where there is no such job, or it had ended before."""
    try:
        key = UUID(job_id)
    except ValueError:
        return None
    parameters = {
        "id": key,
        "status": "succeeded" if ok else "failed",
        "error": None if ok else error,
        "started_at": started_at,
        "at": at,
    }
    row = (await connection.execute(_finish, parameters)).one_or_none()
    return None if row is None else _job(row)


async def fail_unanswered(connection: Writer, *, before: datetime, at: datetime, error: str) -> list[JobRow]:
    """Fail the jobs that were asked for before a time and never answered."""
    rows = await connection.execute(_fail_unanswered, {"before": before, "at": at, "error": error})
    return [_job(row) for row in rows]


async def delete_expired_sessions(connection: Writer, now: datetime) -> int:
    """Forget logins that have expired; returns how many."""
    return (await connection.execute(_expire_sessions, {"now": now})).rowcount


def _job(row: Row[Any]) -> JobRow:
    progress = None if row.progress is None else float(row.progress)
    return JobRow(str(row.id), row.kind, row.status, progress, row.error)
