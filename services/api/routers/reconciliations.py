from fastapi import APIRouter
from starlette.responses import Response

from core.domain.money import plain
from core.domain.reconciliation import DifferenceKind
from models.queries.differences import (
    ComparisonRow,
    DifferenceRow,
    DifferenceStatus,
    comparisons_page,
    differences_page,
)
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, cut, json_response, number_cursor, row_number
from services.api.parameters import Symbol
from services.api.schemas.common import encode
from services.api.schemas.reconciliations import (
    Difference,
    DifferencePage,
    Reconciliation,
    ReconciliationPage,
)

router = APIRouter(prefix="/api/v1/reconciliations", tags=["reconciliations"])


def _reconciliation(row: ComparisonRow) -> Reconciliation:
    return Reconciliation(**row._asdict())


def _difference(row: DifferenceRow) -> Difference:
    return Difference(
        id=row.id,
        account=row.account,
        conid=row.conid,
        symbol=row.symbol,
        local_symbol=row.local_symbol,
        sec_type=row.sec_type,
        currency=row.currency,
        kind=row.kind,
        cause=row.cause,
        inferred=row.inferred,
        ours=None if row.ours is None else plain(row.ours),
        brokers=None if row.brokers is None else plain(row.brokers),
        since=row.since,
        resolved_at=row.resolved_at,
        position_id=None if row.position_id is None else str(row.position_id),
    )


@router.get(
    "", summary="Comparisons with the broker, newest first", responses=answers(ReconciliationPage, 400, 404)
)
async def list_reconciliations(
    context: Shared, account: str | None = None, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """When each account was compared, what for, and what its books came to."""
    after = row_number(cursor, "reconciliations")
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await comparisons_page(reader, account=account, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = ReconciliationPage(
        items=tuple(_reconciliation(row) for row in rows),
        next_cursor=None if last is None else number_cursor("reconciliations", last.id),
        freshness=context.hub.feed.dataset_freshness("positions", context.hub.judge(), account),
    )
    return json_response(encode(page))


@router.get(
    "/differences",
    summary="Differences from the broker, newest first",
    responses=answers(DifferencePage, 400, 404),
)
async def list_differences(
    context: Shared,
    account: str | None = None,
    symbol: Symbol = None,
    kind: DifferenceKind | None = None,
    status: DifferenceStatus = "open",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """What our ledger and the broker do not agree on, or did not, and why as far as that is known."""
    after = row_number(cursor, "differences")
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await differences_page(
            reader, status=status, account=account, symbol=symbol, kind=kind, after=after, limit=limit + 1
        )
    rows, last = cut(found, limit)
    page = DifferencePage(
        items=tuple(_difference(row) for row in rows),
        next_cursor=None if last is None else number_cursor("differences", last.id),
        freshness=context.hub.feed.dataset_freshness("positions", context.hub.judge(), account),
    )
    return json_response(encode(page))
