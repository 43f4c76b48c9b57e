"""Jobs as a list, and what of them went wrong."""

from datetime import datetime, timedelta
from operator import eq, lt
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import select, text, tuple_

from models.queries.narrowing import narrowed
from models.queries.sync import JobRow
from models.session import Reader
from models.tables import jobs

JobStatus: TypeAlias = Literal["queued", "running", "succeeded", "failed"]

# What was asked for again and went well since is mended, but for files: each is another.
_failed: Final = text(
    "SELECT j.id, j.kind, j.status, j.progress, j.error, j.created_at, j.started_at, j.finished_at "
    "FROM jobs j WHERE j.status = 'failed' AND j.created_at >= :since AND (j.kind IN ('import', 'undo') OR "
    "(SELECT k.id FROM jobs k WHERE k.kind = j.kind AND k.status = 'succeeded' "
    "AND k.created_at > j.created_at ORDER BY k.created_at DESC LIMIT 1) IS NULL) "
    "ORDER BY j.created_at DESC, j.id DESC LIMIT :most"
)
_failing: Final = text(
    "SELECT kind, account, attempts, coalesce(error, '') AS error, wanted_at FROM coalesced_jobs "
    "WHERE done < wanted AND attempts > 0 ORDER BY wanted_at, kind, account LIMIT :most"
)


class JobKey(NamedTuple):
    """Where a job stands in the list: newest first."""

    created_at: datetime
    id: UUID


class FailingWork(NamedTuple):
    """Work of a worker's own that failed so often since it was last done, and is tried again by itself.

    ``account`` is empty where it is no account's.
    """

    kind: str
    account: str
    attempts: int
    error: str
    wanted_at: datetime


async def jobs_page(
    reader: Reader,
    *,
    status: JobStatus | None = None,
    kind: str | None = None,
    after: JobKey | None = None,
    limit: int,
) -> list[JobRow]:
    """At most ``limit`` jobs after ``after``, the one that was asked for last first."""
    table = jobs.c
    query = select(*(table[name] for name in JobRow._fields))
    query = narrowed(
        query.order_by(table.created_at.desc(), table.id.desc()).limit(limit),
        (table.status, eq, None if status is None else text(f"'{status}'")),
        (table.kind, eq, kind),
        (tuple_(table.created_at, table.id), lt, after),
    )
    return [JobRow._make(row) for row in await reader.execute(query)]


async def failed_jobs(reader: Reader, *, now: datetime, within: timedelta, most: int) -> list[JobRow]:
    """Jobs that failed lately and were not mended since, newest first."""
    rows = await reader.execute(_failed, {"since": now - within, "most": most})
    return [JobRow._make((*row, None)) for row in rows]


async def failing_work(reader: Reader, *, most: int) -> list[FailingWork]:
    """What the workers try in vain, the longest wanted first."""
    return [FailingWork._make(row) for row in await reader.execute(_failing, {"most": most})]
