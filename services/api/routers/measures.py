"""Measures of performance: what accounts together were worth, earned and risked in a time."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.performance import Resolution
from models.queries.benchmarks import benchmarks
from models.queries.groups import accounts_of_group, groups
from models.session import Reader
from services.api.context import Context, Shared
from services.api.measuring import Question, answer, find
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.parameters import Currency, Moment, Text
from services.api.problems import not_found
from services.api.schemas.common import encode
from services.api.schemas.groups import AccountGroup, AccountGroupList, BenchmarkList, BenchmarkSeries
from services.api.schemas.measures import Measures
from services.api.stated import kept_freshness, stated_freshness

router = APIRouter(prefix="/api/v1", tags=["performance"])

Accounts = Annotated[list[Text] | None, Query(description="one or several; without any, all of them")]
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
            accounts=await _accounts(context, reader, account or [], group),
            of_all=not account and group is None,
            group=group,
            currency=currency,
            resolution=resolution,
            since=since,
            until=until,
            benchmark=benchmark,
            risk_free=risk_free,
        )
        found = await find(reader, question)
        freshness_of = kept_freshness if found.is_kept else stated_freshness
        freshness = freshness_of(found.as_of, context.hub.judge())
        body = await asyncio.to_thread(lambda: encode(answer(found, question, freshness)))
    return json_response(body)


@router.get(
    "/account-groups", summary="Groups of accounts, by their names", responses=answers(AccountGroupList)
)
async def list_groups(context: Shared) -> Response:
    """What `lotkeeper accounts group set` has put together."""
    async with context.database.read() as reader:
        found = await groups(reader)
    items = tuple(AccountGroup(name=one.name, accounts=one.accounts) for one in found)
    return json_response(encode(AccountGroupList(items=items)))


@router.get("/benchmarks", summary="Benchmarks, by their names", responses=answers(BenchmarkList))
async def list_benchmarks(context: Shared) -> Response:
    """What `lotkeeper benchmark import` has brought, and for which days there are levels."""
    async with context.database.read() as reader:
        found = await benchmarks(reader)
    items = tuple(
        BenchmarkSeries(
            name=one.name,
            currency=one.currency or None,
            levels=one.levels,
            first_day=one.first_day,
            last_day=one.last_day,
        )
        for one in found
    )
    return json_response(encode(BenchmarkList(items=items)))


async def _accounts(context: Context, reader: Reader, asked: list[str], group: str | None) -> tuple[str, ...]:
    """Those that were named, and those of the group; without either, all there are."""
    context.picture_ready()
    named = {context.known_account(one) for one in asked}
    if group is not None:
        members = await accounts_of_group(reader, group)
        if not members:
            raise not_found(
                "group_not_found",
                "There is no such group. GET /api/v1/account-groups lists them; `lotkeeper accounts group "
                "set` makes one.",
            )
        named.update(members)
    elif not asked:
        named.update(context.hub.picture.accounts)
    return tuple(sorted(named))
