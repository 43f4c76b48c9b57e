from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from core.domain.money import plain
from models.queries.lots import DisposalRow, LotRow, averages_of, disposal_counts, disposals_of, lots_page
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, cut, json_response, lot_cursor, lot_seq
from services.api.routers.positions import find_position, unknown_position
from services.api.schemas.common import encode
from services.api.schemas.lots import Lot, LotDisposal, LotPage

router = APIRouter(prefix="/api/v1/positions", tags=["positions"])

MOST_DISPOSALS: Final = 4_000
"""A page ends early when its lots were consumed more often than this."""


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _disposal(lot: LotRow, row: DisposalRow) -> LotDisposal:
    return LotDisposal(
        seq=row.seq,
        exec_id=row.exec_id,
        closed_at=row.closed_at,
        holding_seconds=int((row.closed_at - lot.opened_at).total_seconds()),
        quantity=plain(row.quantity),
        close_price=_amount(row.close_price),
        cost=_amount(row.cost),
        proceeds=_amount(row.proceeds),
        open_commission=plain(row.open_commission),
        close_commission=plain(row.close_commission),
        realized_pnl=_amount(row.realized_pnl),
        provisional=row.provisional,
    )


def _lot(row: LotRow, disposals: list[DisposalRow]) -> Lot:
    return Lot(
        seq=row.seq,
        exec_id=row.exec_id,
        opened_at=row.opened_at,
        carried_at=row.carried_at,
        quantity=plain(row.quantity),
        remaining=plain(row.remaining),
        price=_amount(row.price),
        unit_cost=_amount(row.unit_cost),
        commission=plain(row.commission),
        remaining_commission=plain(row.remaining_commission),
        provisional=row.provisional,
        disposals=tuple(_disposal(row, one) for one in disposals),
    )


def _cut(
    found: Sequence[LotRow], disposals: dict[int, int], limit: int
) -> tuple[Sequence[LotRow], LotRow | None]:
    """The page, which ends before it has too many disposals, and its last lot when there is more."""
    shown = total = 0
    for lot in found[:limit]:
        total += disposals.get(lot.seq, 0)
        if shown and total > MOST_DISPOSALS:
            break
        shown += 1
    return cut(found, shown)


@router.get(
    "/{position_id}/lots",
    summary="A position's lots and what became of each, oldest first",
    responses=answers(LotPage, 400, 404),
)
async def position_lots(
    context: Shared, position_id: UUID, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """Each lot with its disposals, and the position's average entry and exit price.

    A page may hold less than ``limit`` lots when they were consumed very often.
    """
    after = lot_seq(cursor)
    position = await find_position(context, position_id)
    async with context.database.read() as reader:
        averages = await averages_of(reader, position_id)
        found = await lots_page(reader, position_id, after=after, limit=limit + 1)
        rows, last = _cut(found, await disposal_counts(reader, position_id, found), limit)
        disposals = await disposals_of(reader, position_id, rows)
    if averages is None:  # folded anew under another id a moment ago
        raise unknown_position()
    until = position.closed_at or context.clock()
    page = LotPage(
        average_entry_price=_amount(averages.entry_price),
        average_exit_price=_amount(averages.exit_price),
        max_quantity=plain(averages.max_quantity),
        holding_seconds=int((until - position.opened_at).total_seconds()),
        items=tuple(_lot(row, disposals.get(row.seq, [])) for row in rows),
        next_cursor=None if last is None else lot_cursor(last.seq),
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), position.account),
    )
    return json_response(encode(page))
