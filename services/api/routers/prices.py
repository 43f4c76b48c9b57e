"""What a position's instrument was worth while it was held."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.money import plain
from models.queries.prices import prices_between
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.parameters import Moment
from services.api.routers.positions import find_position
from services.api.schemas.common import encode
from services.api.schemas.prices import PositionPrices, Price

router = APIRouter(prefix="/api/v1/positions", tags=["positions"])

MOST_POINTS = 2_000


@router.get(
    "/{position_id}/prices",
    summary="What a position's instrument was worth while it was held",
    responses=answers(PositionPrices, 404),
)
async def position_prices(
    context: Shared,
    position_id: UUID,
    since: Annotated[
        Moment | None, Query(alias="from", description="of then or later; default: when it was opened")
    ] = None,
    until: Annotated[
        Moment | None, Query(alias="to", description="up to then; default: when it was closed, or now")
    ] = None,
    points: Annotated[int, Query(ge=2, le=MOST_POINTS, description="about how many, at most")] = 500,
) -> Response:
    """The last price of each of as many equal parts of the time as points are asked for.

    A part of the time alone, asked for with as many points, is told more closely.
    """
    position = await find_position(context, position_id)
    ended = position.closed_at or context.clock()
    # Of a time in which it was not held a moment is left, at that end of its life.
    first = min(ended, position.opened_at if since is None else max(since, position.opened_at))
    last = max(first, ended if until is None else min(until, ended))
    async with context.database.read() as reader:
        found = await prices_between(
            reader, account=position.account, conid=position.conid, since=first, until=last, points=points
        )
    report = PositionPrices(
        position_id=position.id,
        currency=position.currency,
        since=first,
        until=last,
        stretch_seconds=round((last - first).total_seconds() / points),
        items=tuple(Price(ts=row.at, price=plain(row.price)) for row in found),
        freshness=context.hub.feed.positions_freshness(context.hub.judge(), position.account),
    )
    return json_response(encode(report))
