from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.money import plain
from core.events.changes import PositionChanged
from models.queries.positions import (
    EventRow,
    PositionKey,
    Status,
    events_page,
    position_by_id,
    positions_page,
)
from services.api.context import Context, Shared
from services.api.live.feed import place_of
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    event_cursor,
    event_seq,
    json_response,
    position_cursor,
    position_key,
)
from services.api.problems import ProblemError, not_found
from services.api.schemas.common import encode
from services.api.schemas.positions import Position, PositionEvent, PositionEventPage, PositionPage

router = APIRouter(prefix="/api/v1/positions", tags=["positions"])


@router.get("", summary="Positions, newest first", responses=answers(PositionPage, 400, 404))
async def list_positions(
    context: Shared,
    account: str | None = None,
    status: Status = "open",
    symbol: Annotated[str | None, Query(description="the exact symbol")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Open positions come from the same picture as the WebSocket's rows; closed ones from the database."""
    after = position_key(cursor)
    context.picture_ready()
    if account is not None:
        context.known_account(account)
    judged, feed = context.hub.judge(), context.hub.feed
    question = (account, symbol, limit, after)
    if status == "open":
        kept = feed.kept_page(question, judged)
        if kept is not None:
            return json_response(kept)
        found = feed.open_page(account=account, symbol=symbol, after=after, limit=limit + 1)
    else:
        found = await _from_database(context, status, account, symbol, after, limit + 1)
        judged = context.hub.judge()
    page, last = cut(found, limit)
    next_cursor = None if last is None else position_cursor(place_of(last))
    body = b'{"items":[%b],"next_cursor":%b,"freshness":%b}' % (
        b",".join(feed.encoded_position(position, judged) for position in page),
        encode(next_cursor),
        encode(feed.positions_freshness(judged, account)),
    )
    if status == "open":
        feed.keep_page(question, judged, body)
    return json_response(body)


async def _from_database(
    context: Context,
    status: Status,
    account: str | None,
    symbol: str | None,
    after: PositionKey | None,
    limit: int,
) -> list[PositionChanged]:
    async with context.database.read() as reader:
        found = await positions_page(
            reader, status=status, account=account, symbol=symbol, after=after, limit=limit
        )
    # What is open is shown as the picture has it, so that no two answers differ.
    held = context.hub.picture.positions
    return [held.get(position.id, position) for position in found]


def unknown_position() -> ProblemError:
    """The answer about a position that there is not."""
    return not_found("position_not_found", "There is no such position. GET /api/v1/positions lists them.")


async def find_position(context: Context, position_id: UUID) -> PositionChanged:
    """A position, open or closed; what is open is shown as the picture has it."""
    context.picture_ready()
    held = context.hub.picture.positions.get(str(position_id))
    if held is not None:
        return held
    async with context.database.read() as reader:
        found = await position_by_id(reader, position_id)
    if found is None:
        raise unknown_position()
    return found


@router.get("/{position_id}", summary="One position", responses=answers(Position, 404))
async def one_position(context: Shared, position_id: UUID) -> Response:
    """A position, open or closed."""
    position = await find_position(context, position_id)
    return json_response(encode(context.hub.feed.position(position, context.hub.judge())))


def _event(row: EventRow) -> PositionEvent:
    return PositionEvent(
        id=f"{row.position_id}:{row.seq}",
        position_id=str(row.position_id),
        type=row.type,
        executed_at=row.executed_at,
        quantity=plain(row.quantity),
        price=None if row.price is None else plain(row.price),
        position_after=plain(row.position_after),
        realized_pnl=None if row.realized_pnl is None else plain(row.realized_pnl),
        commission=None if row.commission is None else plain(row.commission),
        exec_id=row.exec_id,
        cause=row.cause,
        inferred=row.inferred,
        replaced_quantity=None if row.replaced_quantity is None else plain(row.replaced_quantity),
    )


@router.get(
    "/{position_id}/events",
    summary="How a position came about, oldest first",
    responses=answers(PositionEventPage, 400, 404),
)
async def position_events(
    context: Shared, position_id: UUID, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """Opened, increased, reduced, closed, flipped, adjusted, corrected."""
    after = event_seq(cursor)
    position = await find_position(context, position_id)
    async with context.database.read() as reader:
        found = await events_page(reader, position_id, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = PositionEventPage(
        items=tuple(_event(row) for row in rows),
        next_cursor=None if last is None else event_cursor(last.seq),
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), position.account),
    )
    return json_response(encode(page))
