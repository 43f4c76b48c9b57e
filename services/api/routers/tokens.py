"""API tokens: what users and the owner make for their programs."""

from datetime import datetime, timedelta
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET
from starlette.responses import Response

from core.domain.access import Scope
from models.queries.users import TokenRow, token_by_id, tokens_page
from models.stores.api_tokens import create_api_token, revoke_api_tokens
from models.stores.sessions import hold_session
from services.api.bodies import invalid, read_body
from services.api.context import Shared
from services.api.exchange import show_once
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
from services.api.parameters import in_utc
from services.api.problems import not_found, unauthorized
from services.api.routers.users import check_reach
from services.api.schemas.access import NewToken, Token, TokenMade, TokenPage
from services.api.schemas.common import encode
from services.api.security.audit import TARGET
from services.api.security.identity import identity_of
from services.api.security.permissions import scope_needed, sign_in_needed
from services.api.security.tokens import new_token

router = APIRouter(prefix="/api/v1/tokens", tags=["users"])

USUAL_DAYS = 365

_decode = msgspec.json.Decoder(NewToken).decode


def _token(row: TokenRow) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scope=row.scope.word,
        accounts=None if row.accounts is None else tuple(sorted(row.accounts)),
        user=row.user,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )


def _expiry(told: NewToken, now: datetime) -> datetime | None:
    if told.days is not UNSET:
        if told.expires_at is not UNSET:
            raise invalid("Send days or expires_at, not both.")
        return now + timedelta(days=told.days)
    if told.expires_at is UNSET:
        return now + timedelta(days=USUAL_DAYS)
    if told.expires_at is None:
        return None
    try:
        expires_at = in_utc(told.expires_at)
    except ValueError as error:
        raise invalid(f"expires_at {error}.") from None
    if expires_at <= now:
        raise invalid("expires_at has passed.")
    return expires_at


@router.get("", summary="API tokens, newest first", responses=answers(TokenPage, 400))
async def list_tokens(
    context: Shared, request: Request, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """One's own; an admin sees everybody's, but those that see accounts that the admin may not see."""
    after = row_number(cursor, "tokens")
    async with context.people.read() as reader:
        found = await tokens_page(reader, reach=identity_of(request).reach, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = TokenPage(
        items=tuple(_token(row) for row in rows),
        next_cursor=None if last is None else number_cursor("tokens", last.id),
    )
    return json_response(encode(page))


@router.post(
    "",
    status_code=201,
    summary="Make an API token",
    responses=answers(TokenMade, 404, status=201),
    openapi_extra=takes(NewToken),
)
async def add_token(context: Shared, request: Request) -> Response:
    """The secret is told in this answer and never again. It may no more than who makes it, now and later."""
    told = await read_body(
        request, _decode, 'Send {"name", "scope"} and perhaps "accounts", "days" or "expires_at".'
    )
    who, now = identity_of(request), context.clock()
    if who.kind == "token":
        raise sign_in_needed("A token makes no tokens.")
    request.scope[TARGET] = told.name
    show_once(request)
    scope = Scope.of(told.scope)
    if scope > who.scope:
        raise scope_needed(f"A token may no more than its maker, whose scope is {who.scope.word}.")
    accounts = None if told.accounts is None else frozenset(told.accounts)
    made, expires_at = new_token(), _expiry(told, now)
    async with context.people.write() as writer:
        if who.session and not await hold_session(writer, id_hash=who.credential, user_id=who.user_id):
            raise unauthorized("The session is over. Sign in again.")
        # Without a list it sees what its maker sees, whatever that comes to be.
        await check_reach(writer, who, who.accounts if accounts is None else accounts)
        number = await create_api_token(
            writer,
            name=told.name,
            prefix=made.prefix,
            secret_hash=made.secret_hash,
            scope=scope,
            accounts=accounts,
            user_id=who.user_id,
            now=now,
            expires_at=expires_at,
        )
        row = await token_by_id(writer, number)
    assert row is not None  # noqa: S101 - made in the same transaction
    return json_response(encode(TokenMade(secret=made.secret, token=_token(row))), HTTPStatus.CREATED)


@router.delete(
    "/{token_id}", status_code=204, summary="Revoke an API token", responses=answers(None, 404, status=204)
)
async def revoke_token(context: Shared, request: Request, token_id: int) -> Response:
    """It lets nobody in any more, at once, and its WebSockets are closed. Whoever sees one may revoke it."""
    async with context.people.write() as writer:
        reach, row = identity_of(request).reach, None
        if is_row_number(token_id):
            row = await token_by_id(writer, token_id, reach=reach)
        if row is None:
            raise not_found("token_not_found", "You have no token with this number.")
        await revoke_api_tokens(writer, [row.id])
    context.auth.forget()
    return Response(status_code=HTTPStatus.NO_CONTENT)
