"""Instruments as brokers know them, and what they are across brokers."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from models.queries.identity import (
    InstrumentRow,
    Which,
    global_instrument,
    instruments_by,
    instruments_page,
    members_of,
)
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Cursor,
    Limit,
    conid_cursor,
    conid_place,
    cut,
    is_conid,
    json_response,
)
from services.api.parameters import Symbol
from services.api.problems import not_found
from services.api.schemas.common import encode
from services.api.schemas.instruments import GlobalInstrument, Instrument, InstrumentDetail, InstrumentPage
from services.api.spelling import spelled

router = APIRouter(prefix="/api/v1/instruments", tags=["instruments"])


def _instrument(row: InstrumentRow) -> Instrument:
    return Instrument(**spelled(row))


@router.get("", summary="Instruments, by conid", responses=answers(InstrumentPage, 400))
async def list_instruments(
    context: Shared,
    symbol: Symbol = None,
    isin: Annotated[str | None, Query(pattern="^[A-Z0-9]{12}$", description="the exact ISIN")] = None,
    mapping: Annotated[
        Which | None,
        Query(description="not mapped yet, with confidence below 0.5, to be looked at, or mapped by hand"),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """What each of them is across brokers, by what that was found and how sure it is."""
    after = conid_place(cursor)
    async with context.database.read() as reader:
        found = await instruments_page(
            reader, symbol=symbol, isin=isin, which=mapping, after=after, limit=limit + 1
        )
    rows, last = cut(found, limit)
    page = InstrumentPage(
        items=tuple(_instrument(row) for row in rows),
        next_cursor=None if last is None else conid_cursor(last.conid),
    )
    return json_response(encode(page))


@router.get("/{conid}", summary="One instrument", responses=answers(InstrumentDetail, 404))
async def one_instrument(context: Shared, conid: int) -> Response:
    """The instrument with this conid, what it is across brokers, and which others are the same."""
    async with context.database.read() as reader:
        rows = await instruments_by(reader, [conid]) if is_conid(conid) else []
        if not rows:
            raise not_found("instrument_not_found", "There is no instrument with this conid.")
        where = rows[0].global_instrument_id
        same = [] if where is None else await members_of(reader, where, limit=MAX_LIMIT + 1)
        described = None if where is None else await global_instrument(reader, where)
    detail = InstrumentDetail(
        **spelled(rows[0]),
        global_instrument=None
        if described is None
        else GlobalInstrument(**spelled(described, "merged_into", "merged_by", "merged_at")),
        same=tuple(one.conid for one in same if one.conid != conid)[:MAX_LIMIT],
    )
    return json_response(encode(detail))
