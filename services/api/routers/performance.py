from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.performance import Source
from models.queries.history import LEAST_POINTS, MOST_POINTS, History, Wanted, history
from models.queries.performance import PerformanceKey, PerformanceRow, performance_page
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cursor_foreign,
    cut,
    json_response,
    performance_cursor,
    performance_key,
)
from services.api.parameters import Moment
from services.api.problems import ProblemError
from services.api.schemas.common import encode
from services.api.schemas.performance import Performance, PerformancePage
from services.api.spelling import spelled
from services.api.stated import kept_freshness, stated_freshness

DEFAULT_POINTS: Final = 1_000

router = APIRouter(prefix="/api/v1/performance", tags=["performance"])


def _performance(row: PerformanceRow) -> Performance:
    return Performance(**spelled(row))


@router.get(
    "",
    summary="What accounts were worth and earned, newest first",
    responses=answers(PerformancePage, 400, 404),
)
async def list_performance(
    context: Shared,
    account: str | None = None,
    since: Annotated[Moment | None, Query(alias="from", description="ended at or after")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="ended before")] = None,
    resolution: Annotated[
        Wanted, Query(description="an hour or a broker's day a row; auto: hours, if they go back as far")
    ] = "day",
    source: Annotated[Source | None, Query(description="only what statements, or snapshots, tell")] = None,
    points: Annotated[
        int | None,
        Query(ge=LEAST_POINTS, le=MOST_POINTS, description="all of it, as at most so many rows"),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Hour by hour from snapshots; day by day from statements and, where none tells of a day, from snapshots.

    With `points` the whole time comes in one answer: where there are more rows, those in which value and
    return were at their lowest and highest, stretch by stretch. `resolution=auto` is told so, in 1,000 points
    unless others are asked for.
    """
    if account is not None:
        context.known_account(account)
    if points is not None or resolution == "auto":
        return await _drawn(
            context, account, resolution, since, until, source, points or DEFAULT_POINTS, cursor
        )
    after = performance_key(cursor, resolution)
    async with context.database.read() as reader:
        found = await performance_page(
            reader,
            resolution=resolution,
            account=account,
            source=source,
            since=since,
            until=until,
            after=after,
            limit=limit + 1,
        )
    rows, last = cut(found, limit)
    next_cursor = None
    if last is not None:
        next_cursor = performance_cursor(resolution, PerformanceKey(last.ts, last.account, last.source))
    return _page(context, History(resolution, None, list(rows)), next_cursor)


async def _drawn(
    context: Shared,
    account: str | None,
    resolution: Wanted,
    since: datetime | None,
    until: datetime | None,
    source: Source | None,
    points: int,
    cursor: str | None,
) -> Response:
    if cursor is not None:
        raise cursor_foreign()
    if account is None:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "account_needed",
            "Points are of one account: name it. GET /api/v1/accounts lists them.",
        )
    async with context.database.read() as reader:
        found = await history(
            reader,
            account,
            resolution=resolution,
            points=points,
            since=since,
            until=until,
            source=source,
        )
    return _page(context, found, None)


def _page(context: Shared, found: History, next_cursor: str | None) -> Response:
    newest = found.rows[0] if found.rows else None
    # What statements do not tell was kept of snapshots.
    is_stated = found.resolution == "day" if newest is None else newest.source == "statement"
    freshness_of = stated_freshness if is_stated else kept_freshness
    page = PerformancePage(
        resolution=found.resolution,
        stretch_seconds=None if found.stretch is None else round(found.stretch.total_seconds()),
        items=tuple(_performance(row) for row in found.rows),
        next_cursor=next_cursor,
        freshness=freshness_of(max((row.ts for row in found.rows), default=None), context.hub.judge()),
    )
    return json_response(encode(page))
