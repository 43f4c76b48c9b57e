"""What accounts were worth at any moment that has passed."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.valuation import AccountThen, row_of
from models.queries.valuation import valuations
from services.api.as_of import Moments, moments, past_freshness
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.schemas.common import encode
from services.api.schemas.valuation import (
    AccountValuation,
    NearestValue,
    ValuationCash,
    ValuationCoverage,
    ValuationReport,
    ValuedPosition,
)
from services.api.spelling import spelled

router = APIRouter(prefix="/api/v1/valuation", tags=["snapshots"])


@router.get("", summary="What accounts were worth at a moment", responses=answers(ValuationReport, 400, 404))
async def value_accounts(
    context: Shared,
    account: Annotated[
        list[str] | None, Query(description="one, or several by saying it again; without it all")
    ] = None,
    as_of: Annotated[
        datetime | None,
        Query(description="the moment: ISO 8601 with a zone, not in the future; without it now"),
    ] = None,
) -> Response:
    """The ledger's positions at that moment at the nearest marks, and the nearest cash, each with its time.

    The mark is the last one told up to then by a snapshot, a statement or the broker itself; where that is
    more than a week old and there is one of the day after, that one. One from the other side of a split is
    restated. What has no mark has no value: it is never taken for nothing.
    """
    asked = moments(as_of, None, context.clock()) or Moments(context.clock(), None)
    context.picture_ready()
    named = list(dict.fromkeys(account or ()))
    for one in named:
        context.known_account(one)
    async with context.database.read_one_moment() as reader:
        found = await valuations(reader, asked.as_of, named)
    report = ValuationReport(
        as_of=asked.as_of,
        items=tuple(_account(one, asked.as_of) for one in found),
        freshness=past_freshness(asked, context.hub.judge()),
    )
    return json_response(encode(report))


def _account(one: AccountThen, at: datetime) -> AccountValuation:
    net = one.net_liquidation
    return AccountValuation(
        **spelled(one, "positions", "cash", "coverage", "net_liquidation"),
        positions=tuple(ValuedPosition(**spelled(row_of(each, at))) for each in one.positions),
        cash=tuple(ValuationCash(**spelled(each)) for each in one.cash),
        coverage=ValuationCoverage(**spelled(one.coverage)),
        net_liquidation=None if net is None else NearestValue(**spelled(net)),
    )
