"""Comparisons with the broker, what they found, and what somebody has to say of it."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from core.domain.reconciliation import DifferenceKind
from models.queries.differences import (
    ComparisonRow,
    DifferenceChoice,
    DifferenceRow,
    compared_at,
    comparisons_page,
    difference_by_id,
    differences_page,
)
from models.queries.rules.standing import difference_rule, difference_subject
from models.stores.issues import settle
from models.stores.reconciliation import Figures, acknowledge_difference, take_back_acknowledgement
from services.api.bodies import invalid, read_body
from services.api.context import Context, Shared
from services.api.openapi import answers, takes
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    is_row_number,
    json_response,
    number_cursor,
    row_number,
)
from services.api.parameters import Symbol
from services.api.problems import ProblemError, not_found
from services.api.schemas.common import encode
from services.api.schemas.reconciliations import (
    Difference,
    DifferenceAcknowledgement,
    DifferenceDetail,
    DifferencePage,
    Reconciliation,
    ReconciliationPage,
)
from services.api.security.identity import identity_of
from services.api.spelling import spelled

router = APIRouter(prefix="/api/v1/reconciliations", tags=["reconciliations"])

_decode = msgspec.json.Decoder(DifferenceAcknowledgement).decode


def _reconciliation(row: ComparisonRow) -> Reconciliation:
    return Reconciliation(**row._asdict())


def _fields(row: DifferenceRow) -> dict[str, Any]:
    position = None if row.position_id is None else str(row.position_id)
    return {**spelled(row), "position_id": position, "status": row.status}


def _difference(row: DifferenceRow) -> Difference:
    return Difference(**_fields(row))


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
        compared = await compared_at(reader, account)
    rows, last = cut(found, limit)
    page = ReconciliationPage(
        items=tuple(_reconciliation(row) for row in rows),
        compared_at=compared,
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
    status: DifferenceChoice = "open",
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


@router.post(
    "/differences/{difference_id}/acknowledge",
    summary="Say why a difference may stand",
    responses=answers(DifferenceDetail, 404, 409),
    openapi_extra=takes(DifferenceAcknowledgement),
)
async def acknowledge(context: Shared, difference_id: int, request: Request) -> Response:
    """It is told apart from the open ones until it is gone, or either figure is another than it is now.

    What the rules found of it is resolved. Again it is of the figures as they are then, with that note.
    Who sends the figures that they saw is told where they are others now (409, ``difference_changed``).
    """
    row = await _standing(context, difference_id)
    told = await _acknowledgement(request)
    seen = None
    if told.ours is not msgspec.UNSET and told.brokers is not msgspec.UNSET:
        seen = Figures(told.ours, told.brokers)
    now = context.clock()
    async with context.database.write_of(row.account) as writer:
        by = identity_of(request).name
        if not await acknowledge_difference(writer, row.id, by=by, note=told.note, now=now, seen=seen):
            raise await _not_as_seen(context, difference_id)
        await settle(writer, difference_rule(row).name, row.account, difference_subject(row), now)
    return await _detail(context, difference_id)


@router.delete(
    "/differences/{difference_id}/acknowledge",
    summary="Take back what was said of a difference",
    responses=answers(DifferenceDetail, 404, 409),
)
async def take_back(context: Shared, difference_id: int) -> Response:
    """It is open again, as if nobody had said anything of it."""
    row = await _standing(context, difference_id)
    async with context.database.write_of(row.account) as writer:
        if not await take_back_acknowledgement(writer, row.id):
            raise _resolved()
    return await _detail(context, difference_id)


async def _acknowledgement(request: Request) -> DifferenceAcknowledgement:
    hint = 'Send {"note": "…"} as application/json: why it may stand, in at most 2000 characters.'
    told = await read_body(request, _decode, hint)
    if "\x00" in told.note or not told.note.strip():
        raise invalid(hint)
    if (told.ours is msgspec.UNSET) != (told.brokers is msgspec.UNSET):
        raise invalid("Send both figures that were seen, ours and brokers, or none of them.")
    return told


async def _found(context: Context, difference_id: int) -> DifferenceRow:
    row = None
    if is_row_number(difference_id):
        async with context.database.read() as reader:
            row = await difference_by_id(reader, difference_id)
    if row is None:
        raise not_found("difference_not_found", "There is no difference with this number.")
    return row


async def _standing(context: Context, difference_id: int) -> DifferenceRow:
    row = await _found(context, difference_id)
    if row.status == "resolved":
        raise _resolved()
    return row


async def _not_as_seen(context: Context, difference_id: int) -> ProblemError:
    """Why nothing was said of it."""
    row = await _found(context, difference_id)
    if row.status == "resolved":
        return _resolved()
    return ProblemError(
        HTTPStatus.CONFLICT, "difference_changed", "Its figures are others by now: look at it again."
    )


def _resolved() -> ProblemError:
    return ProblemError(
        HTTPStatus.CONFLICT, "difference_resolved", "It is there no longer: nothing need be said of it."
    )


async def _detail(context: Context, difference_id: int) -> Response:
    row = await _found(context, difference_id)
    freshness = context.hub.feed.dataset_freshness("positions", context.hub.judge(), row.account)
    return json_response(encode(DifferenceDetail(**_fields(row), freshness=freshness)))
