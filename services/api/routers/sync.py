"""Why the data is as fresh as it is, and asking for it anew."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from core import logs
from core.domain.outages import STEPS, HistoryRange, Missing, bars, next_relogin
from core.domain.snapshot_runs import hour_of
from core.errors import StreamUnavailableError
from core.events import requests
from models.queries.gaps import open_gaps
from models.queries.jobs import due_counts
from models.queries.outages import first_hour, link_away
from models.queries.snapshots import snapshot_gaps
from models.queries.sync import (
    dead_by_category,
    last_errors,
    outbox_entries,
    recent_jobs,
)
from models.stores.jobs_asked import ask_resync, fail_job
from services.api.context import Context, Shared
from services.api.exchange import job_id_of
from services.api.live.reports import (
    RECENT_JOBS,
    dataset_reports,
    due_report,
    job_record,
    link_report,
    login_reports,
    reports_of_streams,
)
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.schemas.common import encode
from services.api.schemas.sync import (
    DeadReport,
    ErrorReport,
    GapReport,
    Job,
    JobAnswer,
    StreamReport,
    SyncBar,
    SyncHistory,
    SyncReport,
)
from services.api.stated import own_freshness

log = logs.get_logger(__name__)

router = APIRouter(prefix="/api/v1", tags=["sync"])

RECENT_ERRORS = 20
MOST_GAPS = 100
MOST_MISSING = 5_000
"""Times without a snapshot that bars are made of: more would be a day of them for each account."""
SAY_AGAIN = timedelta(seconds=5)


async def stream_reports(context: Context) -> tuple[StreamReport, ...] | None:
    """The streams as Redis has them; ``None`` while it is away. What is in them is of all accounts."""
    if context.accounts is not None:
        return ()
    return await reports_of_streams(context.settings, context.streams)


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
        jobs = await recent_jobs(reader, limit=RECENT_JOBS)
        errors = await last_errors(reader, limit=RECENT_ERRORS)
        unpublished = await outbox_entries(reader)
        gaps = await open_gaps(reader, newest=MOST_GAPS)
        due = await due_counts(reader)
    streams = await stream_reports(context)
    judged = context.hub.judge()
    report = SyncReport(
        links=link_report(context.hub.feed, judged.verdict),
        logins=login_reports(context.hub.feed, judged),
        datasets=dataset_reports(context.hub.feed, judged),
        gaps=tuple(GapReport(**row._asdict()) for row in gaps),
        streams=streams,
        outbox_entries=unpublished,
        dead_facts=tuple(DeadReport(**row._asdict()) for row in dead),
        jobs=tuple(job_record(row) for row in jobs),
        jobs_due=due_report(due),
        last_errors=tuple(ErrorReport(**row._asdict()) for row in errors),
        freshness=context.hub.feed.positions_freshness(judged),
    )
    return json_response(encode(report))


@router.get("/sync/history", summary="Whether data came, bar by bar", responses=answers(SyncHistory))
async def history(
    context: Shared,
    chosen: Annotated[
        HistoryRange, Query(alias="range", description="bars of an hour, of two hours or of a day")
    ] = "24h",
) -> Response:
    """Each bar has the worst of its time; what was before the first snapshot is unknown."""
    context.picture_ready()
    now = context.clock()
    # The hour that is not over has its bar, too; no snapshot of it can be missing yet.
    this_hour = hour_of(now)
    until = this_hour + timedelta(hours=1)
    step, many = STEPS[chosen]
    since = until - step * many
    async with context.database.read() as reader:
        first = await first_hour(reader)
        gaps = await snapshot_gaps(reader, since=since, until=this_hour, limit=MOST_MISSING)
        # What was noted of links is of all accounts.
        away = {} if context.accounts is not None else await link_away(reader, since, until, step)
    missing = (Missing(gap.first, gap.last, gap.reason) for gap in gaps)
    report = SyncHistory(
        range=chosen,
        items=tuple(SyncBar(**bar._asdict()) for bar in bars(chosen, until, first, missing, away)),
        relogin_at=next_relogin(now),
        freshness=own_freshness(context.hub.judge()),
    )
    return json_response(encode(report))


@router.post(
    "/sync/resync",
    status_code=202,
    summary="Compare everything with the broker now",
    responses=answers(JobAnswer, status=202),
)
async def resync(context: Shared, request: Request) -> Response:
    """Joins a resync that is not finished; the broker link answers when it has gone through everything."""
    now = context.clock()
    async with context.database.write() as writer:
        asked = await ask_resync(writer, job_id=job_id_of(request), requested_by="api", now=now)
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
