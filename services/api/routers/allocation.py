from decimal import Decimal, localcontext
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.measures.holdings import SHARE_STEP
from core.domain.money import ZERO, plain
from core.domain.pnl import EXACT
from models.queries import allocation as queries
from models.queries.allocation import (
    Grouping,
    LatestSnapshot,
    allocation,
    allocation_together,
    latest_snapshots,
)
from services.api.chosen import Accounts, Group, chosen_accounts
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, json_response
from services.api.schemas.allocation import Allocation, AllocationAccount, AllocationItem, AllocationTotal
from services.api.schemas.common import encode
from services.api.spelling import Row, spelled
from services.api.stated import kept_freshness

router = APIRouter(prefix="/api/v1", tags=["portfolio"])


class _Held(Row, Protocol):
    """What either kind of row tells."""

    @property
    def is_cash(self) -> bool: ...

    @property
    def is_rest(self) -> bool: ...


def _fields(row: _Held) -> dict[str, Any]:
    return spelled(row, "is_cash", "is_rest") | {"cash": row.is_cash, "rest": row.is_rest}


def _total(row: queries.AllocationTotal, worth: Decimal) -> AllocationTotal:
    fields = _fields(row)
    if row.market_value is not None and worth > ZERO:
        with localcontext(EXACT):
            fields["share"] = plain((row.market_value / worth).quantize(SHARE_STEP))
    return AllocationTotal(**fields)


def _currency(latest: list[LatestSnapshot]) -> str | None:
    currencies = {one.base_currency for one in latest}
    return currencies.pop() if len(currencies) == 1 else None


@router.get(
    "/portfolio/allocation",
    summary="What accounts hold, the largest first",
    responses=answers(Allocation, 404),
)
@router.get(
    "/allocation",
    summary="What accounts hold: the same as /portfolio/allocation",
    responses=answers(Allocation, 404),
)
async def show_allocation(
    context: Shared,
    account: Accounts = None,
    group: Group = None,
    by: Annotated[Grouping, Query(description="what is summed to one row")] = "global_instrument",
    top: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="rows an account; what is beyond them is one more")
    ] = DEFAULT_LIMIT,
) -> Response:
    """By the newest snapshot of each account, cash included, as shares of net liquidation."""
    async with context.database.read_one_moment() as reader:
        accounts = await chosen_accounts(context, reader, account, group)
        latest = await latest_snapshots(reader, accounts)
        rows = await allocation(reader, by, accounts, top=top)
        currency = _currency(latest)
        together = None if currency is None else await allocation_together(reader, by, accounts, top=top)
    worth = sum((one.net_liquidation for one in latest), ZERO)
    found = Allocation(
        by=by,
        group=group,
        currency=currency,
        accounts=tuple(AllocationAccount(**spelled(one)) for one in latest),
        items=tuple(AllocationItem(**_fields(row)) for row in rows),
        totals=None if together is None else tuple(_total(row, worth) for row in together),
        # No fresher than the account that has gone longest without.
        freshness=kept_freshness(min((one.asof_ts for one in latest), default=None), context.hub.judge()),
    )
    return json_response(encode(found))
