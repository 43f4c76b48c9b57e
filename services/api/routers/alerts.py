"""What wants attention now, in one list."""

from collections import Counter

from fastapi import APIRouter
from starlette.responses import Response

from core.domain.rules import Severity
from services.api.alerts import alerts_of, is_cut, place
from services.api.attention import known_of
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, alert_cursor, alert_key, cut, json_response
from services.api.schemas.alerts import AlertCounts, AlertPage
from services.api.schemas.common import encode
from services.api.stated import own_freshness

router = APIRouter(prefix="/api/v1/alerts", tags=["issues"])


@router.get("", summary="What wants attention now, the gravest first", responses=answers(AlertPage, 400, 404))
async def list_alerts(
    context: Shared,
    account: str | None = None,
    severity: Severity | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """The link, downloads, issues, gaps, differences, failed work, what was set aside: and what to do.

    Of an account alone what is no account's is left out. What somebody has acknowledged is not listed.
    """
    after = alert_key(cursor)
    context.picture_ready()
    if account is not None:
        context.known_account(account)
    judged = context.hub.judge()
    async with context.database.read() as reader:
        all_seen = context.accounts is None and account is None
        known = await known_of(context, reader, judged, account, watch=reader if all_seen else None)
    every = [
        one
        for one in alerts_of(known, judged.now)
        if (account is None or one.account == account) and (severity is None or one.severity == severity)
    ]
    counts: Counter[Severity] = Counter(one.severity for one in every)
    page, last = cut([one for one in every if after is None or place(one) > after], limit)
    told = AlertPage(
        items=tuple(page),
        next_cursor=None if last is None else alert_cursor(place(last)),
        counts=AlertCounts(error=counts["error"], warning=counts["warning"], review=counts["review"]),
        is_cut=is_cut(known),
        freshness=own_freshness(judged),
    )
    return json_response(encode(told))
