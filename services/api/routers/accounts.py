from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, cut, json_response, last_name, name_cursor
from services.api.schemas.accounts import ALL_ACCOUNTS, AccountPage, Summary
from services.api.schemas.common import encode

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])


@router.get("", summary="The accounts of the login", responses=answers(AccountPage, 400))
async def list_accounts(context: Shared, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Every account that was ever seen, paper accounts labelled."""
    after = last_name(cursor, "accounts")
    context.picture_ready()
    judged = context.hub.judge()
    every = context.hub.feed.accounts(judged)
    rows, last = cut([one for one in every if after is None or one.account > after], limit)
    page = AccountPage(
        items=tuple(rows),
        next_cursor=None if last is None else name_cursor("accounts", last.account),
        freshness=context.hub.feed.summary_freshness(context.hub.picture.accounts, judged),
    )
    return json_response(encode(page))


@router.get("/{account}/summary", summary="What an account is worth", responses=answers(Summary, 404))
async def account_summary(
    context: Shared, account: Annotated[str, Path(description="an account, or ALL for the sums")]
) -> Response:
    """The figures of one account, or the sums over all where they share one base currency."""
    if account == ALL_ACCOUNTS:
        context.picture_ready()
    else:
        context.known_account(account)
    return json_response(encode(context.hub.summary(account, context.hub.judge())))
