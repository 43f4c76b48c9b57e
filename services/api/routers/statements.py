"""What statements say otherwise."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.disputes import DisputeCause, DisputeKind
from core.domain.money import plain
from core.domain.pnl import EXACT
from models.queries.disputes.compare import (
    DifferenceKey,
    StatedDifference,
    compared_at,
    differences_page,
)
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    LAST_NUMBER,
    Cursor,
    Limit,
    cut,
    difference_cursor,
    difference_key,
    json_response,
)
from services.api.schemas.common import encode
from services.api.schemas.imports import StatementDifference, StatementDifferencePage
from services.api.spelling import spelled
from services.api.stated import stated_freshness

router = APIRouter(prefix="/api/v1/statements", tags=["imports"])


def _difference(row: StatedDifference) -> StatementDifference:
    apart: Decimal | None = None if row.ours is None else EXACT.subtract(row.ours, row.stated)
    return StatementDifference(
        id=str(row.id), **spelled(row, "id"), difference=None if apart is None else plain(apart)
    )


@router.get(
    "/differences",
    summary="Figures of statements that are not the ledger's, newest day first",
    responses=answers(StatementDifferencePage, 400, 404),
)
async def list_statement_differences(
    context: Shared,
    account: str | None = None,
    import_id: Annotated[int | None, Query(ge=1, le=LAST_NUMBER, description="stated by this import")] = None,
    kind: DisputeKind | None = None,
    cause: DisputeCause | None = None,
    since: Annotated[date | None, Query(alias="from", description="the broker's day, or a later one")] = None,
    until: Annotated[date | None, Query(alias="to", description="before this day of the broker's")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Trades, lots, holdings, cash, value and returns, as they were last compared (`compared_at`)."""
    after = difference_key(cursor)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await differences_page(
            reader,
            account=account,
            import_id=import_id,
            kind=kind,
            cause=cause,
            since=since,
            until=until,
            after=after,
            limit=limit + 1,
        )
        compared = await compared_at(reader, account)
    rows, last = cut(found, limit)
    page = StatementDifferencePage(
        items=tuple(_difference(row) for row in rows),
        compared_at=compared,
        next_cursor=None if last is None else difference_cursor(DifferenceKey(last.day, last.id)),
        freshness=stated_freshness(compared, context.hub.judge()),
    )
    return json_response(encode(page))
