from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.responses import Response

from core.domain.money import plain
from models.queries.realized import Grouping, RealizedKey, RealizedRow, realized_page
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    json_response,
    realized_cursor,
    realized_key,
)
from services.api.schemas.common import encode
from services.api.schemas.realized import Realized, RealizedPage

router = APIRouter(prefix="/api/v1/realized", tags=["realized"])

Moment = AwareDatetime | None


def _realized(row: RealizedRow) -> Realized:
    ours, theirs = row.realized_pnl, row.broker_realized_pnl
    return Realized(
        key=row.key,
        account=row.account,
        currency=row.currency,
        realized_pnl=None if ours is None else plain(ours),
        commission=plain(row.commission),
        broker_realized_pnl=None if theirs is None else plain(theirs),
        disposals=row.disposals,
        unknown_disposals=row.unknown_disposals,
        missing_broker_figures=row.missing_broker_figures,
        provisional=row.provisional,
    )


@router.get(
    "", summary="Realized profit and loss, ours and the broker's", responses=answers(RealizedPage, 400, 404)
)
async def list_realized(
    context: Shared,
    account: str | None = None,
    since: Annotated[Moment, Query(alias="from", description="closed at or after")] = None,
    until: Annotated[Moment, Query(alias="to", description="closed before")] = None,
    group_by: Annotated[Grouping, Query(description="periods are UTC's, newest first")] = "day",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """By UTC day, month, year or symbol; each account and currency apart, without currency trades."""
    after = realized_key(cursor, group_by)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await realized_page(
            reader,
            grouping=group_by,
            account=account,
            since=since,
            until=until,
            after=after,
            limit=limit + 1,
        )
    rows, last = cut(found, limit)
    next_cursor = None
    if last is not None:
        next_cursor = realized_cursor(group_by, RealizedKey(last.key, last.account, last.currency))
    page = RealizedPage(
        items=tuple(_realized(row) for row in rows),
        next_cursor=next_cursor,
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), account),
    )
    return json_response(encode(page))
