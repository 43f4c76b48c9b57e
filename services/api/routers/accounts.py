from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Request
from msgspec import UNSET
from starlette.responses import Response

from core.events.changes import AccountsRecorded, ChangeBatch
from core.events.changes import encode as encode_changes
from models.queries.accounts import account_named
from models.stores.accounts import call_account
from models.stores.cost_methods import set_cost_method
from models.stores.jobs_coalesced import want
from models.stores.sync import insert_outbox
from models.tables.jobs import SWEEP
from services.api.bodies import invalid, read_body
from services.api.context import Context, Shared
from services.api.live.rows import account_row
from services.api.openapi import answers, takes
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, cut, json_response, last_name, name_cursor
from services.api.schemas.accounts import (
    ALL_ACCOUNTS,
    LONGEST_ALIAS,
    Account,
    AccountChange,
    AccountPage,
    Summary,
)
from services.api.schemas.common import encode
from services.api.security.audit import TARGET
from services.api.words import spelled_words

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])

_decode = msgspec.json.Decoder(AccountChange).decode
_HINT = (
    'Send {"alias", "cost_method"} or one of them as application/json: an alias of at most '
    f"{LONGEST_ALIAS} characters or null, and fifo, lifo, hifo or average."
)


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


@router.get("/{account}", summary="One account", responses=answers(Account, 404))
async def one_account(context: Shared, account: Annotated[str, Path(description="an account")]) -> Response:
    """As the list has it."""
    context.known_account(account)
    return json_response(encode(_row(context, account)))


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


@router.patch(
    "/{account}",
    summary="Call an account otherwise, or reckon it by another cost method",
    responses=answers(Account, 404),
    openapi_extra=takes(AccountChange),
)
async def change_account(
    context: Shared, account: Annotated[str, Path(description="an account")], request: Request
) -> Response:
    """With another cost method its books are folded anew by a worker: in a moment, or a minute of large ones.

    Until then each is as it was under the old method, wholly.
    """
    told = await read_body(request, _decode, _HINT)
    context.known_account(account)
    called, method = told.alias, told.cost_method
    if called is UNSET and method is UNSET:
        raise invalid(_HINT)
    if isinstance(called, str):
        called = spelled_words(called)
        if not called or len(called) > LONGEST_ALIAS:
            raise invalid(_HINT)
    before = context.hub.picture.accounts[account].cost_method
    request.scope[TARGET] = account if method is UNSET else f"{account} {before} -> {method}"
    async with context.database.write_of(account) as writer:
        if called is not UNSET:
            await call_account(writer, account, called)
        if method is not UNSET:
            await set_cost_method(writer, account, method)
        row = await account_named(writer, account)
        # Whoever works next tells all replicas of it.
        told_of = ChangeBatch(changes=(AccountsRecorded(accounts=(account,)),))
        await insert_outbox(writer, [encode_changes(told_of)])
        if method is not UNSET:
            await want(writer, SWEEP, {"": "start"}, 0)
    assert row is not None  # noqa: S101 - the picture has it, and accounts are never removed
    context.hub.know_account(row)
    return json_response(encode(_row(context, account)))


def _row(context: Context, account: str) -> Account:
    freshness = context.hub.feed.summary_freshness([account], context.hub.judge())
    return account_row(context.hub.picture.accounts[account], freshness)
