"""Why the data is as fresh as it is, and asking for it anew."""

import uuid
from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from core import logs
from core.domain.freshness import CADENCES
from core.domain.money import plain
from core.errors import StreamUnavailableError
from core.events import requests
from core.streams.port import StreamInfo
from models.queries.gaps import open_gaps
from models.queries.jobs import due_counts
from models.queries.sync import (
    JobRow,
    dead_by_category,
    job_by_id,
    last_errors,
    outbox_entries,
    recent_jobs,
)
from models.stores.jobs_asked import ask_resync, fail_job
from services.api.context import Context, Shared
from services.api.freshness import whole_age
from services.api.live.feed import Judged
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.problems import not_found
from services.api.schemas.common import encode
from services.api.schemas.sync import (
    DatasetReport,
    DeadReport,
    DueReport,
    ErrorReport,
    GapReport,
    GroupReport,
    Job,
    JobAnswer,
    JobRecord,
    LinkReport,
    StreamReport,
    SyncReport,
)

log = logs.get_logger(__name__)

router = APIRouter(prefix="/api/v1", tags=["sync"])

RECENT = 20
SAY_AGAIN = timedelta(seconds=5)


def _record(row: JobRow) -> JobRecord:
    return JobRecord(
        id=str(row.id),
        kind=row.kind,
        status=row.status,
        progress=None if row.progress is None else plain(row.progress),
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _links(context: Context, judged: Judged) -> LinkReport:
    link, verdict = context.hub.picture.link, judged.verdict
    return LinkReport(
        gateway=verdict.links.gateway,
        ibkr=verdict.links.ibkr,
        reason=verdict.reason,
        since=verdict.since,
        complete=link is not None and link.complete and verdict.reason is None,
        state=verdict.state,
        last_beat_at=link.beat_at if link else None,
        last_message_at=link.last_message_at if link else None,
        clock_offset_seconds=link.clock_offset_seconds if link else None,
    )


def _datasets(context: Context, judged: Judged) -> tuple[DatasetReport, ...]:
    reports = []
    for (account, name), state in sorted(context.hub.picture.datasets.items()):
        cadence = CADENCES.get(name)
        as_of = context.hub.feed.dataset_as_of(account, name) or state.as_of
        reports.append(
            DatasetReport(
                account=account,
                dataset=name,
                as_of=as_of,
                age_seconds=whole_age(as_of, judged.now),
                cadence_seconds=None if cadence is None else int(cadence.total_seconds()),
                complete=state.complete,
                error=state.error or None,
            )
        )
    return tuple(reports)


def _stream(name: str, info: StreamInfo) -> StreamReport:
    return StreamReport(
        name=name,
        length_entries=info.length_entries,
        last_id=info.last_id,
        groups=tuple(
            GroupReport(name=group.name, pending_entries=group.pending_entries, lag_entries=group.lag_entries)
            for group in info.groups
        ),
    )


async def stream_reports(context: Context) -> tuple[StreamReport, ...] | None:
    """The streams as Redis has them; ``None`` while it is away."""
    settings = context.settings
    names = {
        "facts": settings.facts_stream,
        "ticks": settings.ticks_stream,
        "changes": settings.changes_stream,
        "requests": settings.requests_stream,
    }
    try:
        return tuple([_stream(name, await context.streams.info(key)) for name, key in names.items()])
    except StreamUnavailableError:
        return None


@router.get(
    "/sync",
    summary="Links, downloads, gaps, streams, jobs and what went wrong",
    responses=answers(SyncReport),
)
async def sync(context: Shared) -> Response:
    """Everything that freshness follows from."""
    context.picture_ready()
    async with context.database.read() as reader:
        dead = await dead_by_category(reader)
        jobs = await recent_jobs(reader, limit=RECENT)
        errors = await last_errors(reader, limit=RECENT)
        unpublished = await outbox_entries(reader)
        gaps = await open_gaps(reader)
        due = await due_counts(reader)
    streams = await stream_reports(context)
    judged = context.hub.judge()
    report = SyncReport(
        links=_links(context, judged),
        datasets=_datasets(context, judged),
        gaps=tuple(GapReport(**row._asdict()) for row in gaps),
        streams=streams,
        outbox_entries=unpublished,
        dead_facts=tuple(DeadReport(**row._asdict()) for row in dead),
        jobs=tuple(_record(row) for row in jobs),
        jobs_due=DueReport(due=due.due, overdue_seconds=int(due.overdue_seconds), failing=due.failing),
        last_errors=tuple(ErrorReport(**row._asdict()) for row in errors),
        freshness=context.hub.feed.positions_freshness(judged),
    )
    return json_response(encode(report))


@router.post(
    "/sync/resync",
    status_code=202,
    summary="Compare everything with the broker now",
    responses=answers(JobAnswer, status=202),
)
async def resync(context: Shared) -> Response:
    """Joins a resync that is not finished; the broker link answers when it has gone through everything."""
    now = context.clock()
    async with context.database.write() as writer:
        asked = await ask_resync(writer, job_id=uuid.uuid4(), requested_by="api", now=now)
    # Said again where it waits: the first time may have been while the broker link was not listening.
    waits = asked.status == "queued" and now - asked.asked_at > SAY_AGAIN
    if waits or not asked.joined:
        await _send(context, asked.id)
    job = Job(id=str(asked.id), kind="resync", status=asked.status, progress=None, error=None)
    return json_response(encode(JobAnswer(job=job)), HTTPStatus.ACCEPTED)


async def _send(context: Context, job_id: UUID) -> None:
    wish = requests.RequestEnvelope(request=requests.ResyncRequested(job_id=str(job_id), requested_by="api"))
    try:
        await context.streams.append(
            context.settings.requests_stream,
            [requests.encode(wish)],
            keep_entries=requests.REQUESTS_KEPT,
        )
    except StreamUnavailableError as error:
        async with context.database.write() as writer:
            await fail_job(writer, job_id, error=str(error), now=context.clock())
        raise
    log.info("resync_requested", job=str(job_id))


@router.get("/jobs/{job_id}", summary="How a job is doing", responses=answers(JobAnswer, 404))
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
