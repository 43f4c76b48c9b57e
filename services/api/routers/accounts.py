from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.schemas.accounts import ALL_ACCOUNTS, AccountPage, Summary
from services.api.schemas.common import encode

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])


@router.get("", summary="The accounts of the login", responses=answers(AccountPage))
async def list_accounts(context: Shared) -> Response:
    """Every account that was ever seen, paper accounts labelled."""
    context.picture_ready()
    judged = context.hub.judge()
    page = AccountPage(
        items=tuple(context.hub.feed.accounts(judged)),
        next_cursor=None,
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
