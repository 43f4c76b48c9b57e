"""Statements: of which accounts and days they are, what is missing between them, what they say otherwise."""

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
from models.queries.statements import StatementKey, StatementRow, covered_days, statements_page
from services.api.chosen import Accounts, Group, chosen_accounts
from services.api.context import Shared
from services.api.covered import coverage_of
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
    last_name,
    name_cursor,
    statement_cursor,
    statement_key,
)
from services.api.schemas.common import encode
from services.api.schemas.imports import StatementDifference, StatementDifferencePage
from services.api.schemas.statements import Statement, StatementCoveragePage, StatementPage
from services.api.spelling import spelled
from services.api.stated import end_of_day, stated_freshness

router = APIRouter(prefix="/api/v1/statements", tags=["imports"])


def _difference(row: StatedDifference) -> StatementDifference:
    apart: Decimal | None = None if row.ours is None else EXACT.subtract(row.ours, row.stated)
    return StatementDifference(
        id=str(row.id), **spelled(row, "id"), difference=None if apart is None else plain(apart)
    )


def _statement(row: StatementRow) -> Statement:
    return Statement(
        **spelled(row, "starts_at", "ends_at", "stated_at"),
        days=(row.last_day - row.first_day).days + 1,
        generated_at=row.stated_at,
    )


@router.get(
    "", summary="Statements, the one that ends last first", responses=answers(StatementPage, 400, 404)
)
async def list_statements(
    context: Shared, account: str | None = None, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """What imported files state, by account and time, and in how many figures the ledger differs."""
    after = statement_key(cursor)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await statements_page(reader, account=account, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    next_cursor = None
    if last is not None:
        key = StatementKey(last.ends_at, last.import_id, last.account, last.starts_at)
        next_cursor = statement_cursor(key)
    page = StatementPage(
        items=tuple(_statement(row) for row in rows),
        next_cursor=next_cursor,
        freshness=stated_freshness(max((row.ends_at for row in rows), default=None), context.hub.judge()),
    )
    return json_response(encode(page))


@router.get(
    "/coverage",
    summary="Of which days statements tell, and of which they do not",
    responses=answers(StatementCoveragePage, 400, 404),
)
async def statement_coverage(
    context: Shared,
    account: Accounts = None,
    group: Group = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """By account: the days of which statements tell all executions, and the gaps between them."""
    after = last_name(cursor, "coverage")
    async with context.database.read() as reader:
        accounts = await chosen_accounts(context, reader, account, group)
        wanted, last = cut([one for one in accounts if after is None or one > after], limit)
        spans = await covered_days(reader, wanted)
    items = tuple(coverage_of(one, [span for span in spans if span.account == one]) for one in wanted)
    newest = min((one.last_day for one in items if one.last_day is not None), default=None)
    page = StatementCoveragePage(
        items=items,
        next_cursor=None if last is None else name_cursor("coverage", last),
        freshness=stated_freshness(end_of_day(newest), context.hub.judge()),
    )
    return json_response(encode(page))


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
