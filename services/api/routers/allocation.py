from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from models.queries.allocation import AllocationRow, Grouping, allocation, latest_snapshots
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, json_response
from services.api.schemas.allocation import Allocation, AllocationAccount, AllocationItem
from services.api.schemas.common import encode
from services.api.spelling import spelled
from services.api.stated import kept_freshness

router = APIRouter(prefix="/api/v1/allocation", tags=["instruments"])


def _item(row: AllocationRow) -> AllocationItem:
    return AllocationItem(**spelled(row, "is_cash", "is_rest"), cash=row.is_cash, rest=row.is_rest)


@router.get("", summary="What accounts hold, the largest first", responses=answers(Allocation, 404))
async def show_allocation(
    context: Shared,
    account: str | None = None,
    by: Annotated[Grouping, Query(description="what is summed to one row")] = "global_instrument",
    top: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="rows an account; what is beyond them is one more")
    ] = DEFAULT_LIMIT,
) -> Response:
    """By the newest snapshot of each account, cash included, as shares of net liquidation."""
    if account is not None:
        context.known_account(account)
    async with context.database.read_one_moment() as reader:
        latest = await latest_snapshots(reader, account)
        rows = await allocation(reader, by, account, top=top)
    found = Allocation(
        by=by,
        accounts=tuple(AllocationAccount(**spelled(one)) for one in latest),
        items=tuple(_item(row) for row in rows),
        # No fresher than the account that has gone longest without.
        freshness=kept_freshness(min((one.asof_ts for one in latest), default=None), context.hub.judge()),
    )
    return json_response(encode(found))
