"""Snapshots: what accounts were worth hour by hour, the runs that took that down, and asking for one now."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from core import logs
from core.domain.snapshot_runs import hour_of
from models.queries.snapshots import (
    GapKey,
    RunRow,
    SnapshotKey,
    SnapshotRow,
    oldest_of_newest,
    parts_of,
    runs_page,
    snapshot_by_id,
    snapshot_gaps,
    snapshots_page,
)
from models.stores.jobs_snapshots import ask_snapshot
from services.api.context import Shared
from services.api.exchange import job_id_of
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    gap_cursor,
    gap_key,
    is_row_number,
    json_response,
    moment_cursor,
    moment_place,
    number_cursor,
    row_number,
)
from services.api.parameters import Moment
from services.api.problems import ProblemError, not_found
from services.api.schemas.common import encode
from services.api.schemas.snapshots import (
    Snapshot,
    SnapshotCash,
    SnapshotDetail,
    SnapshotFailure,
    SnapshotGap,
    SnapshotGapPage,
    SnapshotPage,
    SnapshotPosition,
    SnapshotRate,
    SnapshotRun,
    SnapshotRunPage,
)
from services.api.schemas.sync import Job, JobAnswer
from services.api.spelling import spelled
from services.api.stated import kept_freshness

log = logs.get_logger(__name__)

router = APIRouter(prefix="/api/v1/snapshots", tags=["snapshots"])

_GAPS_OF: Final = timedelta(days=31)
_MOST_GAPS_OF: Final = timedelta(days=366)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)


def _run(row: RunRow) -> SnapshotRun:
    fields = row._asdict()
    fields["job_id"] = None if row.job_id is None else str(row.job_id)
    fields["failures"] = tuple(
        msgspec.convert({"account": account, **why}, SnapshotFailure)
        for account, why in sorted(row.failures.items())
    )
    return SnapshotRun(**fields)


def _snapshot(row: SnapshotRow) -> Snapshot:
    return Snapshot(**spelled(row))


@router.get("", summary="What accounts were worth, newest first", responses=answers(SnapshotPage, 400, 404))
async def list_snapshots(
    context: Shared,
    account: str | None = None,
    since: Annotated[Moment | None, Query(alias="from", description="of then or later")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="of before then")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """One an hour, and those that somebody asked for. An hour of which there is none is a gap."""
    after = moment_place(cursor, "snapshots")
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await snapshots_page(
            reader,
            account=account,
            since=since,
            until=until,
            after=None if after is None else SnapshotKey(*after),
            limit=limit + 1,
        )
    rows, last = cut(found, limit)
    page = SnapshotPage(
        items=tuple(_snapshot(row) for row in rows),
        next_cursor=None if last is None else moment_cursor("snapshots", last.asof_ts, last.id),
        freshness=kept_freshness(max((row.asof_ts for row in rows), default=None), context.hub.judge()),
    )
    return json_response(encode(page))


@router.get("/runs", summary="Runs of snapshots, newest first", responses=answers(SnapshotRunPage, 400))
async def list_runs(context: Shared, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """What was tried, what came of it, and why accounts have no snapshot."""
    after = row_number(cursor, "snapshot_runs")
    async with context.database.read() as reader:
        found = await runs_page(reader, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = SnapshotRunPage(
        items=tuple(_run(row) for row in rows),
        next_cursor=None if last is None else number_cursor("snapshot_runs", last.id),
        freshness=kept_freshness(max((row.started_at for row in rows), default=None), context.hub.judge()),
    )
    return json_response(encode(page))


@router.get(
    "/gaps", summary="Hours without a snapshot, newest first", responses=answers(SnapshotGapPage, 400, 404)
)
async def list_gaps(
    context: Shared,
    account: str | None = None,
    since: Annotated[
        Moment | None, Query(alias="from", description="default: 31 days before; at most 366")
    ] = None,
    until: Annotated[Moment | None, Query(alias="to", description="default: this hour")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Of each account since its first snapshot. What began before is shown from then on."""
    after = gap_key(cursor)
    if account is not None:
        context.known_account(account)
    # Only hours that are over can be missing.
    newest = hour_of(context.clock())
    until = newest if until is None else min(until, newest)
    since = since or max(until, _FIRST + _GAPS_OF) - _GAPS_OF
    if until - since > _MOST_GAPS_OF:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "time_invalid",
            f"Ask for at most {_MOST_GAPS_OF.days} days at once: set from and to.",
        )
    async with context.database.read() as reader:
        found = await snapshot_gaps(
            reader, until=until, since=since, account=account, after=after, limit=limit + 1
        )
        newest_snapshot = await oldest_of_newest(reader)
    rows, last = cut(found, limit)
    page = SnapshotGapPage(
        items=tuple(SnapshotGap(**row._asdict()) for row in rows),
        next_cursor=None if last is None else gap_cursor(GapKey(last.first, last.account)),
        since=since,
        until=until,
        freshness=kept_freshness(newest_snapshot, context.hub.judge()),
    )
    return json_response(encode(page))


@router.get("/{snapshot_id}", summary="One snapshot", responses=answers(SnapshotDetail, 404))
async def one_snapshot(context: Shared, snapshot_id: int) -> Response:
    """The snapshot with this number: its positions, the rates they were valued at, and the cash."""
    row = None
    async with context.database.read() as reader:
        if is_row_number(snapshot_id):
            row = await snapshot_by_id(reader, snapshot_id)
        if row is None:
            raise not_found("snapshot_not_found", "There is no snapshot with this number.")
        parts = await parts_of(reader, row)
    kept = row.thinned_at is None
    detail = SnapshotDetail(
        **spelled(row),
        positions=tuple(SnapshotPosition(**spelled(one)) for one in parts.positions) if kept else None,
        rates=tuple(SnapshotRate(**spelled(one)) for one in parts.rates),
        cash=tuple(SnapshotCash(**spelled(one)) for one in parts.cash),
        freshness=kept_freshness(row.asof_ts, context.hub.judge()),
    )
    return json_response(encode(detail))


@router.post(
    "", status_code=202, summary="Save a snapshot now", responses=answers(JobAnswer, 404, status=202)
)
async def save_snapshot(
    context: Shared,
    request: Request,
    account: Annotated[str | None, Query(description="only of this one")] = None,
) -> Response:
    """A worker takes it from what the broker told last, if that is fresh; the job says how it went."""
    if account is not None:
        context.known_account(account)
    job_id = job_id_of(request)
    async with context.database.write_of(account) as writer:
        asked = await ask_snapshot(writer, job_id, account, context.clock())
    log.info("snapshot_requested", job=str(job_id))
    job = Job(id=str(job_id), kind="snapshot", status=asked.status, progress=None, error=asked.error)
    return json_response(encode(JobAnswer(job=job)), HTTPStatus.ACCEPTED)
