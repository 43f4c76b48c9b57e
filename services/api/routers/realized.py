from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.lots import CostMethod
from core.domain.money import plain
from models.queries.grouping import GroupKey
from models.queries.realized import Grouping, RealizedRow, realized_page
from models.queries.realized_differences import (
    DifferingFill,
    FillKey,
    RealizedTotal,
    differing_fills,
    realized_totals,
)
from services.api.comparison import realized_by_method
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    fill_cursor,
    fill_key,
    group_cursor,
    group_key,
    json_response,
)
from services.api.parameters import Since, Symbol, Until
from services.api.schemas import realized as schemas
from services.api.schemas.common import encode
from services.api.schemas.realized import Realized, RealizedDifference, RealizedDifferencePage, RealizedPage

router = APIRouter(prefix="/api/v1/realized", tags=["realized"])

Method = Annotated[
    CostMethod | None,
    Query(description="as if this cost method had chosen the lots; without it each account's own has"),
]


def _realized(row: RealizedRow, difference_from_own: Decimal | None = None) -> Realized:
    ours, theirs, bare = row.realized_pnl, row.broker_realized_pnl, row.realized_without_fill
    return Realized(
        key=row.key,
        account=row.account,
        currency=row.currency,
        realized_pnl=None if ours is None else plain(ours),
        commission=plain(row.commission),
        broker_realized_pnl=None if theirs is None else plain(theirs),
        difference=None if row.difference is None else plain(row.difference),
        realized_without_fill=None if bare is None else plain(bare),
        disposals=row.disposals,
        disposals_without_fill=row.disposals_without_fill,
        unknown_disposals=row.unknown_disposals,
        missing_broker_figures=row.missing_broker_figures,
        provisional=row.provisional,
        method=row.method,
        difference_from_own=None if difference_from_own is None else plain(difference_from_own),
    )


@router.get(
    "", summary="Realized profit and loss, ours and the broker's", responses=answers(RealizedPage, 400, 404)
)
async def list_realized(
    context: Shared,
    account: str | None = None,
    symbol: Symbol = None,
    since: Since = None,
    until: Until = None,
    group_by: Annotated[Grouping, Query(description="periods are UTC's, newest first")] = "day",
    method: Method = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """By UTC day, month, year or symbol; each account and currency apart, without currency trades."""
    after = group_key(cursor, "realized", group_by)
    if account is not None:
        context.known_account(account)
    if method is None:
        async with context.database.read() as reader:
            found = await realized_page(
                reader,
                grouping=group_by,
                account=account,
                symbol=symbol,
                since=since,
                until=until,
                after=after,
                limit=limit + 1,
            )
        items = [_realized(row) for row in found]
    else:
        matched = await realized_by_method(
            context,
            method,
            grouping=group_by,
            account=account,
            symbol=symbol,
            since=since,
            until=until,
            after=after,
            limit=limit + 1,
        )
        items = [_realized(*one) for one in matched]
    rows, last = cut(items, limit)
    next_cursor = None
    if last is not None:
        next_cursor = group_cursor("realized", group_by, GroupKey(last.key, last.account, last.currency))
    page = RealizedPage(
        items=tuple(rows),
        next_cursor=next_cursor,
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), account),
    )
    return json_response(encode(page))


def _difference(row: DifferingFill) -> RealizedDifference:
    return RealizedDifference(
        exec_id=row.exec_id,
        account=row.account,
        conid=row.conid,
        symbol=row.symbol,
        currency=row.currency,
        executed_at=row.executed_at,
        realized_pnl=plain(row.realized_pnl),
        broker_realized_pnl=plain(row.broker_realized_pnl),
        difference=plain(row.difference),
        provisional=row.provisional,
        position_id=str(row.position_id),
    )


def _total(row: RealizedTotal) -> schemas.RealizedTotal:
    return schemas.RealizedTotal(
        account=row.account,
        currency=row.currency,
        realized_pnl=plain(row.realized_pnl),
        broker_realized_pnl=plain(row.broker_realized_pnl),
        difference=plain(row.difference),
        compared_fills=row.compared,
        differing_fills=row.differing,
        estimated_fills=row.estimated,
        missing_broker_figures=row.missing,
        unknown_fills=row.unknown,
    )


@router.get(
    "/differences",
    summary="Fills whose realized figure is not the broker's, newest first",
    responses=answers(RealizedDifferencePage, 400, 404),
)
async def list_realized_differences(
    context: Shared,
    account: str | None = None,
    symbol: Symbol = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Closing fills more than half a cent apart, and the totals by account and currency."""
    after = fill_key(cursor)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await differing_fills(
            reader, account=account, symbol=symbol, since=since, until=until, after=after, limit=limit + 1
        )
        totals = await realized_totals(reader, account=account, symbol=symbol, since=since, until=until)
    rows, last = cut(found, limit)
    page = RealizedDifferencePage(
        items=tuple(_difference(row) for row in rows),
        totals=tuple(_total(row) for row in totals),
        next_cursor=None if last is None else fill_cursor(FillKey(last.executed_at, last.exec_id)),
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), account),
    )
    return json_response(encode(page))
