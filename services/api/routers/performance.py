from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.performance import Resolution
from models.queries.performance import PerformanceKey, PerformanceRow, performance_page
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    json_response,
    performance_cursor,
    performance_key,
)
from services.api.parameters import Moment
from services.api.schemas.common import encode
from services.api.schemas.performance import Performance, PerformancePage
from services.api.spelling import spelled
from services.api.stated import kept_freshness, stated_freshness

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
    resolution: Annotated[Resolution, Query(description="an hour or a broker's day a row")] = "day",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Day by day from statements, as far as they tell, and hour by hour from snapshots."""
    after = performance_key(cursor, resolution)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await performance_page(
            reader,
            resolution=resolution,
            account=account,
            since=since,
            until=until,
            after=after,
            limit=limit + 1,
        )
    rows, last = cut(found, limit)
    next_cursor = None
    if last is not None:
        next_cursor = performance_cursor(resolution, PerformanceKey(last.ts, last.account, last.source))
    # Days are what statements tell, hours what was kept of them.
    freshness_of = stated_freshness if resolution == "day" else kept_freshness
    page = PerformancePage(
        items=tuple(_performance(row) for row in rows),
        next_cursor=next_cursor,
        freshness=freshness_of(max((row.ts for row in rows), default=None), context.hub.judge()),
    )
    return json_response(encode(page))
