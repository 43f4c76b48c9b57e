"""Instruments as brokers know them, and what they are across brokers."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.money import ZERO, plain
from models.queries.identity import (
    InstrumentRow,
    Which,
    global_instrument,
    instruments_by,
    instruments_page,
    members_of,
)
from models.queries.instrument_page import income_of, last_mark_of, outcome_of
from models.session import Reader
from services.api.chosen import Accounts, Group, chosen_accounts
from services.api.context import Shared
from services.api.freshness import whole_age
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
from services.api.schemas.instruments import (
    GlobalInstrument,
    Instrument,
    InstrumentDetail,
    InstrumentIncome,
    InstrumentMark,
    InstrumentPage,
)
from services.api.spelling import spelled
from services.api.stated import own_freshness

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
        freshness=own_freshness(context.hub.judge()),
    )
    return json_response(encode(page))


@router.get("/{conid}", summary="One instrument", responses=answers(InstrumentDetail, 404))
async def one_instrument(
    context: Shared, conid: int, account: Accounts = None, group: Group = None
) -> Response:
    """What it is across brokers, what is held of it, what it realized and paid, and its last mark."""
    async with context.database.read() as reader:
        rows = await instruments_by(reader, [conid]) if is_conid(conid) else []
        if not rows:
            raise not_found("instrument_not_found", "There is no instrument with this conid.")
        accounts = await chosen_accounts(context, reader, account, group)
        same, described = await _across(reader, rows[0])
        outcome = await outcome_of(reader, conid, accounts)
        income = await income_of(reader, conid, accounts)
        mark = await last_mark_of(reader, conid, accounts)
    judged, feed = context.hub.judge(), context.hub.feed
    held = [one for one in feed.sorted_positions() if one.conid == conid and one.account in accounts]
    # Of a single account it is as fresh as that; of more as the whole.
    of = accounts[0] if len(accounts) == 1 else None
    detail = InstrumentDetail(
        **spelled(rows[0]),
        global_instrument=described,
        same=same,
        open_positions=tuple(feed.position(one, judged) for one in held[:MAX_LIMIT]),
        closed_positions=outcome.closed,
        realized_pnl=None if outcome.unknown else plain(outcome.realized or ZERO),
        commission=plain(outcome.commission),
        unknown_positions=outcome.unknown,
        provisional=outcome.provisional,
        first_opened_at=outcome.first_opened_at,
        last_closed_at=outcome.last_closed_at,
        income=tuple(InstrumentIncome(**spelled(one)) for one in income),
        last_mark=None
        if mark is None
        else InstrumentMark(**spelled(mark), age_seconds=whole_age(mark.as_of, judged.now)),
        freshness=feed.positions_freshness(judged, of),
    )
    return json_response(encode(detail))


async def _across(reader: Reader, row: InstrumentRow) -> tuple[tuple[int, ...], GlobalInstrument | None]:
    """The conids of others that are the same, and what they are."""
    where = row.global_instrument_id
    if where is None:
        return (), None
    members = await members_of(reader, where, limit=MAX_LIMIT + 1)
    described = await global_instrument(reader, where)
    others = tuple(one.conid for one in members if one.conid != row.conid)[:MAX_LIMIT]
    if described is None:
        return others, None
    return others, GlobalInstrument(**spelled(described, "merged_into", "merged_by", "merged_at"))
