from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.money import plain
from core.domain.statistics import average, win_rate
from models.queries.grouping import GroupKey
from models.queries.statistics import Grouping, StatisticsRow, statistics_page
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, cut, group_cursor, group_key, json_response
from services.api.parameters import Since, Symbol, Until
from services.api.schemas.common import encode
from services.api.schemas.statistics import Statistics, StatisticsPage

router = APIRouter(prefix="/api/v1/statistics", tags=["statistics"])


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _seconds(total: Decimal, count: int) -> int | None:
    return int(total / count) if count else None


def _statistics(row: StatisticsRow) -> Statistics:
    found = row.outcomes
    return Statistics(
        key=row.key,
        account=row.account,
        currency=row.currency,
        closed=found.closed,
        decided=found.decided,
        won=found.won,
        lost=found.lost,
        even=found.even,
        unknown=found.unknown,
        provisional=found.provisional,
        win_rate=_amount(win_rate(found.won, found.decided)),
        gross_profit=plain(found.gross_profit),
        gross_loss=plain(found.gross_loss),
        profit_factor=_amount(found.profit_factor),
        average_win=_amount(average(found.gross_profit, found.won)),
        average_loss=_amount(average(found.gross_loss, found.lost)),
        largest_win=_amount(found.largest_win),
        largest_loss=_amount(found.largest_loss),
        expectancy=_amount(found.expectancy),
        realized_pnl=_amount(found.realized_pnl),
        commission=plain(found.commission),
        average_holding_seconds=int(found.holding_seconds / found.closed),
        average_winner_holding_seconds=_seconds(found.winner_holding_seconds, found.won),
        average_loser_holding_seconds=_seconds(found.loser_holding_seconds, found.lost),
    )


@router.get("", summary="How closed positions ended", responses=answers(StatisticsPage, 400, 404))
async def list_statistics(
    context: Shared,
    account: str | None = None,
    symbol: Symbol = None,
    since: Since = None,
    until: Until = None,
    group_by: Annotated[Grouping, Query(description="periods are UTC's, newest first")] = "account",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Win rate, profit factor, averages; each account and currency apart, without currency trades."""
    after = group_key(cursor, "statistics", group_by)
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await statistics_page(
            reader,
            grouping=group_by,
            account=account,
            symbol=symbol,
            since=since,
            until=until,
            after=after,
            limit=limit + 1,
        )
    rows, last = cut(found, limit)
    next_cursor = None
    if last is not None:
        next_cursor = group_cursor("statistics", group_by, GroupKey(last.key, last.account, last.currency))
    page = StatisticsPage(
        items=tuple(_statistics(row) for row in rows),
        next_cursor=next_cursor,
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), account),
    )
    return json_response(encode(page))
