import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.domain.measures.itemized import Grouping
from core.domain.snapshots import AHEAD
from models.queries.attribution.account import Refusal, gain_between
from services.api.attribution import sentence_of, told_of
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.parameters import Moment
from services.api.problems import ProblemError
from services.api.schemas.attribution import Attribution
from services.api.schemas.common import encode
from services.api.stated import kept_freshness, stated_freshness

router = APIRouter(prefix="/api/v1", tags=["performance"])


@router.get(
    "/portfolio/attribution",
    summary="Where an account's gain came from: the same as /performance/attribution",
    responses=answers(Attribution, 400, 404, 409),
)
@router.get(
    "/performance/attribution",
    summary="Where an account's gain came from",
    responses=answers(Attribution, 400, 404, 409),
)
async def attribution(
    context: Shared,
    account: Annotated[str, Query(description="of this one")],
    since: Annotated[
        Moment | None, Query(alias="from", description="from the value told last by then; the first, if none")
    ] = None,
    until: Annotated[
        Moment | None, Query(alias="to", description="to the value told last by then; the last, if none")
    ] = None,
    by: Annotated[Grouping, Query(description="what the items are; the largest total first")] = "instrument",
) -> Response:
    """By price, dividends, interest, fees and FX, which with what is unexplained sum to the gain exactly."""
    context.known_account(account)
    end = until or context.clock() + AHEAD
    if since is not None and since >= end:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "time_invalid", "from must be before to.")
    # One at once, as measures: several would hold up everybody else.
    async with context.measuring:
        async with context.database.read_one_moment() as reader:
            stored = await gain_between(reader, account, since, end)
        if isinstance(stored, Refusal):
            missing = stored.reason == "value_not_known"
            status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.CONFLICT
            raise ProblemError(status, stored.reason, sentence_of(stored))
        told = await asyncio.to_thread(told_of, account, stored, by)
    freshness_of = kept_freshness if stored.until.source == "snapshot" else stated_freshness
    freshness = freshness_of(stored.until.as_of, context.hub.judge())
    return json_response(encode(Attribution(**told, freshness=freshness)))
