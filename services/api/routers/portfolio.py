"""Accounts looked at together: what they are and were worth, how far they fell, how each day ended."""

import asyncio
from collections import Counter
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.days import day_of, end_of
from core.domain.performance import Resolution
from core.domain.rules import Severity
from models.queries.gaps import open_gaps
from models.queries.issues import UnresolvedCount, unresolved_counts
from models.queries.placed import placed_at
from models.queries.validation import open_by_kind
from services.api.chosen import Accounts, Group, chosen_accounts
from services.api.context import Context, Shared
from services.api.measuring import Found, Question, find_history, find_series
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.parameters import Currency, Moment, Text
from services.api.portfolio import calendar_of, drawdowns_of, exposure_of
from services.api.schemas.common import Freshness, encode
from services.api.schemas.portfolio import Calendar, Drawdowns, PortfolioHistory, PortfolioSummary
from services.api.schemas.validation import OpenIssues
from services.api.stated import kept_freshness, stated_freshness
from services.api.value_history import Part, history_of

router = APIRouter(prefix="/api/v1/portfolio", tags=["portfolio"])

_MOST_POINTS: Final = 5_000
_FIRST_YEAR, _LAST_YEAR = 1970, 9000


def _open_issues(counts: list[UnresolvedCount]) -> OpenIssues:
    by_severity: Counter[Severity] = Counter()
    for one in counts:
        by_severity[one.severity] += one.open
    return OpenIssues(
        error=by_severity["error"],
        warning=by_severity["warning"],
        review=by_severity["review"],
        acknowledged=sum(one.acknowledged for one in counts),
    )


@router.get("/summary", summary="What accounts are worth together", responses=answers(PortfolioSummary, 404))
async def portfolio_summary(context: Shared, account: Accounts = None, group: Group = None) -> Response:
    """Of some accounts, of a group or of all: the figures as they are now, exposure, and open questions."""
    async with context.database.read() as reader:
        accounts = await chosen_accounts(context, reader, account, group)
        placed = await placed_at(reader, accounts, context.clock())
        counts = await unresolved_counts(reader, accounts)
        differing = [one for one in await open_by_kind(reader) if one.account in accounts]
        gaps = sum(one.account in accounts for one in await open_gaps(reader))
    judged = context.hub.judge()
    # One of a group may be so new that the picture has not got it yet.
    pictured = [one for one in accounts if one in context.hub.picture.accounts]
    total = context.hub.together(pictured, judged)
    told = PortfolioSummary(
        group=group,
        base_currency=total.base_currency,
        net_liquidation=total.net_liquidation,
        total_cash=total.total_cash,
        gross_position_value=total.gross_position_value,
        daily_pnl=total.daily_pnl,
        unrealized_pnl=total.unrealized_pnl,
        realized_pnl=total.realized_pnl,
        win_rate=total.win_rate,
        open_positions=total.open_positions,
        total_trades=total.total_trades,
        coverage=total.coverage,
        exposure=exposure_of(placed, accounts),
        open_issues=_open_issues(counts),
        open_differences=sum(one.books for one in differing),
        acknowledged_differences=sum(one.acknowledged for one in differing),
        gaps=gaps,
        accounts=tuple(context.hub.summary(one, judged) for one in pictured),
        freshness=total.freshness,
    )
    return json_response(encode(told))


@router.get(
    "/drawdowns", summary="How far accounts fell, and for how long", responses=answers(Drawdowns, 404)
)
async def portfolio_drawdowns(
    context: Shared,
    account: Accounts = None,
    group: Group = None,
    currency: Currency = None,
    since: Annotated[
        Moment | None, Query(alias="from", description="from the first value since then")
    ] = None,
    until: Annotated[Moment | None, Query(alias="to", description="to the last value up to then")] = None,
    resolution: Annotated[Resolution, Query(description="of the values that it is made of")] = "day",
    episodes: Annotated[int, Query(ge=1, le=100, description="at most so many, the deepest first")] = 20,
    points: Annotated[
        int, Query(ge=10, le=_MOST_POINTS, description="of the time under water, at most so many")
    ] = 1_000,
) -> Response:
    """Each time below the highest so far, the deepest first, and how far each point was below it."""
    async with context.measuring, context.database.read_one_moment() as reader:
        question = Question(
            accounts=await chosen_accounts(context, reader, account, group),
            of_all=not account and group is None,
            group=group,
            currency=currency,
            resolution=resolution,
            since=since,
            until=until,
            benchmark=None,
            risk_free=0.0,
        )
        found = await find_series(reader, question)
        freshness = _freshness(context, found)
        body = await asyncio.to_thread(
            lambda: encode(drawdowns_of(found, question, most=episodes, points=points, freshness=freshness))
        )
    return json_response(body)


@router.get(
    "/history", summary="What accounts were worth together", responses=answers(PortfolioHistory, 400, 404)
)
async def portfolio_history(
    context: Shared,
    account: Accounts = None,
    group: Group = None,
    currency: Currency = None,
    since: Annotated[
        Moment | None, Query(alias="from", description="from the first value since then")
    ] = None,
    until: Annotated[Moment | None, Query(alias="to", description="to the last value up to then")] = None,
    resolution: Annotated[Resolution, Query(description="of the values that it is made of")] = "day",
    benchmark: Annotated[Text | None, Query(description="drawn beside it, by its name")] = None,
    part_since: Annotated[
        Moment | None, Query(alias="part_from", description="only the points of a part: since then")
    ] = None,
    part_until: Annotated[Moment | None, Query(alias="part_to", description="and up to then")] = None,
    points: Annotated[int, Query(ge=10, le=_MOST_POINTS, description="at most so many")] = 1_000,
) -> Response:
    """Value, contributions, linked return and drawdown, point by point, for a picture.

    With `part_from` and `part_to` the points are of that part, so that a picture can be looked at more
    closely; returns and drawdowns are still those since the first value of the whole.
    """
    async with context.measuring, context.database.read_one_moment() as reader:
        question = Question(
            accounts=await chosen_accounts(context, reader, account, group),
            of_all=not account and group is None,
            group=group,
            currency=currency,
            resolution=resolution,
            since=since,
            until=until,
            benchmark=benchmark,
            risk_free=0.0,
        )
        found = await find_history(reader, question)
        freshness = _freshness(context, found)
        part = Part(part_since, part_until, points)
        body = await asyncio.to_thread(lambda: encode(history_of(found, question, part, freshness)))
    return json_response(body)


@router.get("/calendar", summary="How each day of a year ended", responses=answers(Calendar, 404))
async def portfolio_calendar(
    context: Shared,
    year: Annotated[
        int | None, Query(ge=_FIRST_YEAR, le=_LAST_YEAR, description="without it this one")
    ] = None,
    account: Accounts = None,
    group: Group = None,
    currency: Currency = None,
) -> Response:
    """Gain and return by the broker's day, and by month: for a calendar."""
    of = year or day_of(context.clock()).year
    async with context.measuring, context.database.read_one_moment() as reader:
        question = Question(
            accounts=await chosen_accounts(context, reader, account, group),
            of_all=not account and group is None,
            group=group,
            currency=currency,
            resolution="day",
            # The first day of a year has gained on the last one before it.
            since=end_of(date(of - 1, 12, 15)),
            until=end_of(date(of, 12, 31)),
            benchmark=None,
            risk_free=0.0,
        )
        found = await find_series(reader, question)
        freshness = _freshness(context, found)
        body = await asyncio.to_thread(lambda: encode(calendar_of(found, question, of, freshness)))
    return json_response(body)


def _freshness(context: Context, found: Found) -> Freshness:
    freshness_of = kept_freshness if found.is_kept else stated_freshness
    return freshness_of(found.as_of, context.hub.judge())
