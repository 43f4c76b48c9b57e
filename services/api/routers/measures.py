"""Measures of performance: what accounts together were worth, earned and risked in a time."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.performance import Resolution
from models.queries.benchmarks import benchmarks
from models.queries.groups import groups
from services.api.chosen import Accounts, chosen_accounts
from services.api.context import Shared
from services.api.measuring import Question, answer, find, let_go
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, cut, json_response, last_name, name_cursor
from services.api.parameters import Currency, Moment, Text
from services.api.schemas.common import encode
from services.api.schemas.groups import AccountGroup, AccountGroupList, BenchmarkList, BenchmarkSeries
from services.api.schemas.measures import Measures
from services.api.stated import kept_freshness, own_freshness, stated_freshness

router = APIRouter(prefix="/api/v1", tags=["performance"])

Named = Annotated[Text | None, Query(description="by its name")]
RiskFree = Annotated[
    float, Query(gt=-1, le=10, allow_inf_nan=False, description="an annual effective rate, as a fraction")
]


@router.get(
    "/performance/measures",
    summary="Returns, risk and drawdowns of accounts together",
    responses=answers(Measures, 404),
)
async def measures(
    context: Shared,
    account: Accounts = None,
    group: Named = None,
    currency: Currency = None,
    since: Annotated[
        Moment | None, Query(alias="from", description="from the first value since then")
    ] = None,
    until: Annotated[Moment | None, Query(alias="to", description="to the last value up to then")] = None,
    resolution: Annotated[Resolution, Query(description="of the values that it is made of")] = "day",
    benchmark: Named = None,
    risk_free: RiskFree = 0.0,
) -> Response:
    """Each figure with its value, or with the reason why it cannot be told; in one currency."""
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
            risk_free=risk_free,
        )
        held = [await find(reader, question)]
        freshness_of = kept_freshness if held[0].is_kept else stated_freshness
        freshness = freshness_of(held[0].as_of, context.hub.judge())
        body = await asyncio.to_thread(lambda: encode(answer(held[0], question, freshness)))
        await asyncio.to_thread(let_go, held)
    return json_response(body)


@router.get(
    "/account-groups", summary="Groups of accounts, by their names", responses=answers(AccountGroupList, 400)
)
async def list_groups(context: Shared, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """What `lotkeeper accounts group set` has put together."""
    after = last_name(cursor, "groups")
    async with context.database.read() as reader:
        found = [one for one in await groups(reader) if after is None or one.name > after]
    rows, last = cut(found, limit)
    page = AccountGroupList(
        items=tuple(AccountGroup(name=one.name, accounts=one.accounts) for one in rows),
        next_cursor=None if last is None else name_cursor("groups", last.name),
        freshness=own_freshness(context.hub.judge()),
    )
    return json_response(encode(page))


@router.get("/benchmarks", summary="Benchmarks, by their names", responses=answers(BenchmarkList, 400))
async def list_benchmarks(context: Shared, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """What `lotkeeper benchmark import` has brought, and for which days there are levels."""
    after = last_name(cursor, "benchmarks")
    async with context.database.read() as reader:
        found = [one for one in await benchmarks(reader) if after is None or one.name > after]
    rows, last = cut(found, limit)
    page = BenchmarkList(
        items=tuple(
            BenchmarkSeries(
                name=one.name,
                currency=one.currency or None,
                levels=one.levels,
                first_day=one.first_day,
                last_day=one.last_day,
            )
            for one in rows
        ),
        next_cursor=None if last is None else name_cursor("benchmarks", last.name),
        freshness=own_freshness(context.hub.judge()),
    )
    return json_response(encode(page))
