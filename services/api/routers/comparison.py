from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from core.domain.comparison import totals
from core.domain.lots import CostMethod, Disposal
from core.domain.money import plain
from services.api.comparison import METHODS, Compared, compared, less
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, event_cursor, event_seq, json_response
from services.api.routers.positions import find_position, unknown_position
from services.api.schemas.common import encode
from services.api.schemas.comparison import (
    MethodClosing,
    MethodComparison,
    MethodDisposal,
    MethodFigure,
    MethodTotal,
)

router = APIRouter(prefix="/api/v1/positions", tags=["positions"])

_MOST_DISPOSALS = 4_000
"""A page ends early when its closings consumed more lots than this, under all methods together."""


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _disposal(one: Disposal) -> MethodDisposal:
    return MethodDisposal(
        lot_seq=one.lot_seq,
        opened_at=one.opened_at,
        quantity=plain(one.quantity),
        open_price=_amount(one.open_price),
        cost=_amount(one.cost),
        proceeds=_amount(one.proceeds),
        open_commission=plain(one.open_commission),
        close_commission=plain(one.close_commission),
        realized_pnl=_amount(one.realized_pnl),
        provisional=one.provisional,
    )


def _figure(method: CostMethod, disposals: Sequence[Disposal], own: Decimal | None) -> MethodFigure:
    sums = totals(disposals)
    return MethodFigure(
        method=method,
        realized_pnl=_amount(sums.realized_pnl),
        difference_from_own=_amount(less(sums.realized_pnl, own)),
        commission=plain(sums.commission),
        provisional=sums.provisional,
        disposals=tuple(_disposal(one) for one in disposals),
    )


def _closing(found: Compared, place: int) -> MethodClosing:
    own = found.closings[found.own][place]
    event, realized = own.event, totals(own.disposals).realized_pnl
    return MethodClosing(
        seq=event.seq,
        type=event.type,
        executed_at=event.executed_at,
        exec_id=event.exec_id,
        quantity=plain(event.quantity),
        price=_amount(event.price),
        methods=tuple(
            _figure(method, found.closings[method][place].disposals, realized) for method in METHODS
        ),
    )


def _total(found: Compared, method: CostMethod) -> MethodTotal:
    sums = found.totals[method]
    return MethodTotal(
        method=method,
        realized_pnl=_amount(sums.realized_pnl),
        difference_from_own=_amount(less(sums.realized_pnl, found.totals[found.own].realized_pnl)),
        commission=plain(sums.commission),
        closings=len(found.closings[method]),
        disposals=sums.disposals,
        unknown_disposals=sums.unknown,
        provisional=sums.provisional,
    )


def _page(found: Compared, after: int, limit: int) -> tuple[list[int], bool]:
    """Which closings are shown, and whether there are more."""
    own = found.closings[found.own]
    following = [place for place, closed in enumerate(own) if closed.event.seq > after]
    shown: list[int] = []
    disposals = 0
    for place in following[:limit]:
        disposals += sum(len(closings[place].disposals) for closings in found.closings.values())
        if shown and disposals > _MOST_DISPOSALS:
            break
        shown.append(place)
    return shown, len(shown) < len(following)


@router.get(
    "/{position_id}/methods",
    summary="A position's closings under every cost method, oldest first",
    responses=answers(MethodComparison, 400, 404),
)
async def position_methods(
    context: Shared, position_id: UUID, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """First in first out, last in first out, highest cost first, average; itemised by disposal.

    A page may hold less than ``limit`` when its closings consumed very many lots.
    """
    after = event_seq(cursor)
    position = await find_position(context, position_id)
    found = await compared(context, position_id)
    if found is None:  # folded anew under another id a moment ago
        raise unknown_position()
    shown, more = _page(found, after or 0, limit)
    items = tuple(_closing(found, place) for place in shown)
    page = MethodComparison(
        position_id=str(position_id),
        method=found.own,
        totals=tuple(_total(found, method) for method in METHODS),
        items=items,
        next_cursor=event_cursor(items[-1].seq) if more else None,
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), position.account),
    )
    return json_response(encode(page))
