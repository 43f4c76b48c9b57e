"""Cash, as statements tell of it: balances, what moved them, and what currencies were worth."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.stated import CashKind
from models.queries.cash import (
    BalanceKey,
    BalanceRow,
    FlowKey,
    FlowRow,
    RateKey,
    RateRow,
    balances_page,
    flows_page,
    rates_page,
)
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    balance_cursor,
    balance_key,
    cut,
    flow_cursor,
    flow_key,
    json_response,
    rate_cursor,
    rate_key,
)
from services.api.parameters import Currency, Moment
from services.api.schemas.cash import (
    CashBalance,
    CashBalancePage,
    CashFlow,
    CashFlowPage,
    CurrencyRate,
    CurrencyRatePage,
)
from services.api.schemas.common import encode
from services.api.spelling import spelled
from services.api.stated import end_of_day, stated_freshness

router = APIRouter(prefix="/api/v1/cash", tags=["cash"])

FromDay = Annotated[date | None, Query(alias="from", description="the broker's day, or a later one")]
BeforeDay = Annotated[date | None, Query(alias="to", description="before this day of the broker's")]


def _balance(row: BalanceRow) -> CashBalance:
    return CashBalance(**spelled(row), source="statement")


def _flow(row: FlowRow) -> CashFlow:
    return CashFlow(id=row.flow_key, **spelled(row, "flow_key"), source="statement")


def _rate(row: RateRow) -> CurrencyRate:
    return CurrencyRate(**spelled(row), source="statement")


@router.get(
    "/balances", summary="Cash by currency, newest first", responses=answers(CashBalancePage, 400, 404)
)
async def list_balances(
    context: Shared,
    account: str | None = None,
    currency: Currency = None,
    since: FromDay = None,
    until: BeforeDay = None,
    latest: Annotated[
        bool, Query(description="only the newest of each account and currency, before `to` where it is given")
    ] = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """What was there at the end of each day that a statement ends on, and what had moved it."""
    after = balance_key(cursor)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await balances_page(
            reader,
            account=account,
            currency=currency,
            since=since,
            until=until,
            latest=latest,
            after=after,
            limit=limit + 1,
        )
    rows, last = cut(found, limit)
    newest = end_of_day(max((row.as_of for row in rows), default=None))
    page = CashBalancePage(
        items=tuple(_balance(row) for row in rows),
        next_cursor=None
        if last is None
        else balance_cursor(BalanceKey(last.as_of, last.account, last.currency)),
        freshness=stated_freshness(newest, context.hub.judge()),
    )
    return json_response(encode(page))


@router.get(
    "/flows", summary="Money that came or went, newest first", responses=answers(CashFlowPage, 400, 404)
)
async def list_flows(
    context: Shared,
    account: str | None = None,
    currency: Currency = None,
    kind: CashKind | None = None,
    external: Annotated[
        bool | None, Query(description="what the owner brought and took, or what was earned and paid")
    ] = None,
    since: Annotated[Moment | None, Query(alias="from", description="at or after")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="before")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Deposits, withdrawals, transfers; dividends, interest, fees, taxes, conversions."""
    after = flow_key(cursor)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await flows_page(
            reader,
            account=account,
            currency=currency,
            kind=kind,
            external=external,
            since=since,
            until=until,
            after=after,
            limit=limit + 1,
        )
    rows, last = cut(found, limit)
    page = CashFlowPage(
        items=tuple(_flow(row) for row in rows),
        next_cursor=None if last is None else flow_cursor(FlowKey(last.at, last.flow_key)),
        freshness=stated_freshness(max((row.at for row in rows), default=None), context.hub.judge()),
    )
    return json_response(encode(page))


@router.get(
    "/rates", summary="What currencies were worth, newest first", responses=answers(CurrencyRatePage, 400)
)
async def list_rates(
    context: Shared,
    currency: Currency = None,
    since: FromDay = None,
    until: BeforeDay = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Of a currency, or into it, at the end of each day that a statement has rates of."""
    after = rate_key(cursor)
    async with context.database.read() as reader:
        found = await rates_page(
            reader, currency=currency, since=since, until=until, after=after, limit=limit + 1
        )
    rows, last = cut(found, limit)
    newest = end_of_day(max((row.as_of for row in rows), default=None))
    page = CurrencyRatePage(
        items=tuple(_rate(row) for row in rows),
        next_cursor=None
        if last is None
        else rate_cursor(RateKey(last.as_of, last.currency, last.into_currency)),
        freshness=stated_freshness(newest, context.hub.judge()),
    )
    return json_response(encode(page))
