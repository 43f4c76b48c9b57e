"""Long work that was asked for, as a list and one by one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.money import plain
from models.queries.jobs_listed import JobKey, JobStatus, jobs_page
from models.queries.sync import job_by_id
from services.api.context import Shared
from services.api.live.reports import job_record
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, cut, job_cursor, job_key, json_response
from services.api.parameters import Text
from services.api.problems import not_found
from services.api.schemas.common import encode
from services.api.schemas.jobs import JobPage
from services.api.schemas.sync import Job, JobAnswer
from services.api.stated import own_freshness

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])


@router.get("", summary="Jobs, newest first", responses=answers(JobPage, 400))
async def list_jobs(
    context: Shared,
    status: JobStatus | None = None,
    kind: Annotated[
        Text | None, Query(description="what is to be done: resync, import, snapshot, rules, dead_retry")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """What was asked for over the API, how it stands and what became of it."""
    after = job_key(cursor)
    async with context.database.read() as reader:
        found = await jobs_page(reader, status=status, kind=kind, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = JobPage(
        items=tuple(job_record(row) for row in rows),
        next_cursor=None if last is None else job_cursor(JobKey(last.created_at, last.id)),
        freshness=own_freshness(context.hub.judge()),
    )
    return json_response(encode(page))


@router.get("/{job_id}", summary="How a job is doing", responses=answers(JobAnswer, 404))
async def job(context: Shared, job_id: UUID) -> Response:
    """The job that a 202 told of."""
    async with context.database.read() as reader:
        row = await job_by_id(reader, job_id)
    if row is None:
        raise not_found("job_not_found", "There is no such job.")
    progress = None if row.progress is None else plain(row.progress)
    answer = Job(
        id=str(row.id),
        kind=row.kind,
        status=row.status,
        progress=progress,
        error=row.error,
        result=row.details if row.status == "succeeded" else None,
    )
    return json_response(encode(JobAnswer(job=answer)))
