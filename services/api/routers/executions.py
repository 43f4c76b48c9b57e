from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from models.queries.executions import ExecutionKey, ExecutionRow, executions_page
from services.api.context import Context, Shared
from services.api.live.rows import execution_row
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    execution_cursor,
    execution_key,
    json_response,
)
from services.api.parameters import Moment, Symbol
from services.api.routers.positions import find_position
from services.api.schemas.common import encode
from services.api.schemas.executions import ExecutionPage

router = APIRouter(prefix="/api/v1", tags=["executions"])


@router.get("/executions", summary="Executions, newest first", responses=answers(ExecutionPage, 400, 404))
async def list_executions(
    context: Shared,
    account: str | None = None,
    symbol: Symbol = None,
    since: Annotated[Moment | None, Query(alias="from", description="executed at or after")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="executed before")] = None,
    include: Annotated[
        Literal["corrected"] | None,
        Query(description="list replaced versions and cancellations, too, each with its own charge"),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """A corrected execution is listed once, as its newest version, with what all versions were charged.

    One that was cancelled is no trade, and is not listed.
    """
    after = execution_key(cursor)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await executions_page(
            reader,
            account=account,
            symbol=symbol,
            since=since,
            until=until,
            corrected=include is not None,
            after=after,
            limit=limit + 1,
        )
    return _page(context, found, limit, account)


@router.get(
    "/positions/{position_id}/executions",
    summary="A position's executions, newest first",
    responses=answers(ExecutionPage, 400, 404),
)
async def position_executions(
    context: Shared, position_id: UUID, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """The fills it was made of; one through zero is listed, whole, with both positions it belongs to."""
    after = execution_key(cursor)
    position = await find_position(context, position_id)
    async with context.database.read() as reader:
        found = await executions_page(reader, position_id=position_id, after=after, limit=limit + 1)
    return _page(context, found, limit, position.account)


def _page(context: Context, found: list[ExecutionRow], limit: int, account: str | None) -> Response:
    rows, last = cut(found, limit)
    next_cursor = None if last is None else execution_cursor(ExecutionKey(last.executed_at, last.exec_id))
    page = ExecutionPage(
        items=tuple(execution_row(row) for row in rows),
        next_cursor=next_cursor,
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), account),
    )
    return json_response(encode(page))
