"""Trading a token or a password for a session cookie, so that a page never holds either."""

from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from core.domain.access import OWNER, folded, is_user_name
from models.queries.users import OpenSession as SessionRow
from models.queries.users import has_session, sessions_page
from models.stores.sessions import end_session_numbered
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
from services.api.problems import not_found
from services.api.schemas.common import encode
from services.api.schemas.session import Credentials, OpenSession, SessionInfo, SessionPage
from services.api.security.audit import ACTOR
from services.api.security.auth import SESSION_DAYS, SignedIn, idle_since, is_secure
from services.api.security.guard import client_address
from services.api.security.identity import Identity, Kind, identity_of

router = APIRouter(prefix="/api/v1", tags=["session"])

_HINT = 'Send {"token": "…"} or {"name": "…", "password": "…"} as application/json.'
_decode = msgspec.json.Decoder(Credentials).decode


async def _identify(context: Context, request: Request) -> SignedIn:
    told = await read_body(request, _decode, _HINT)
    address = client_address(request.scope)
    if told.token is not None and told.name is None and told.password is None:
        return SignedIn(await context.auth.check_token(told.token, address, anew=True))
    if told.token is not None or told.name is None or told.password is None:
        raise invalid(_HINT)
    name = folded(told.name)
    # What was typed may be a password in the wrong field: only what can be a name is written down.
    request.scope[ACTOR] = name if is_user_name(name) else ""
    found = await context.auth.check_password(name, told.password, address)
    if found.identity.user_id is not None:
        await context.auth.second_factor.check(found.identity.user_id, told.code, address)
    return found


async def with_session(context: Context, request: Request, who: SignedIn) -> Response:
    """An answer that signs in: an HttpOnly, SameSite=Strict cookie. The session of before is over."""
    request.scope["identity"] = who.identity
    secure = is_secure(request.url.scheme)
    before = context.auth.session_cookie(request.headers, secure=secure)
    if before is not None:
        await context.auth.close_session(before)
    secret = await context.auth.open_session(who, client_address(request.scope))
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    response.set_cookie(
        context.auth.cookie(secure=secure),
        secret,
        max_age=SESSION_DAYS * 86_400,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    return response


@router.post(
    "/session",
    status_code=204,
    summary="Sign in",
    responses=answers(None, 422, 429, status=204),
    openapi_extra=takes(Credentials),
)
async def sign_in(context: Shared, request: Request) -> Response:
    """A right token or password gives an HttpOnly, SameSite=Strict cookie for thirty days.

    With a second factor the password takes its code, too.
    """
    return await with_session(context, request, await _identify(context, request))


@router.get("/session", summary="Who is signed in", responses=answers(SessionInfo))
async def session(context: Shared, request: Request) -> Response:
    """Their name, what they may do and which accounts they may see; 401 when it is nobody."""
    who = identity_of(request)
    info = SessionInfo(
        authenticated=True,
        profile=context.settings.profile,
        version=context.version,
        name=who.name,
        kind=who.kind,
        scope=who.scope.word,
        accounts=None if who.accounts is None else tuple(sorted(who.accounts)),
    )
    return json_response(encode(info))


@router.delete("/session", status_code=204, summary="Sign out", responses=answers(None, status=204))
async def sign_out(context: Shared, request: Request) -> Response:
    """The session ends on the server; a copied cookie is worth nothing afterwards."""
    secure = is_secure(request.url.scheme)
    secret = context.auth.session_cookie(request.headers, secure=secure)
    if secret is not None:
        await context.auth.close_session(secret)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    response.delete_cookie(
        context.auth.cookie(secure=secure), path="/", secure=secure, httponly=True, samesite="strict"
    )
    return response


def _session(row: SessionRow, who: Identity) -> OpenSession:
    kind: Kind = "user" if row.user is not None else "token" if row.token is not None else "owner"
    return OpenSession(
        id=row.number,
        name=row.user or row.token or OWNER,
        kind=kind,
        current=row.number == who.session,
        address=row.address,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
    )


@router.get("/sessions", summary="Sessions that stand, newest first", responses=answers(SessionPage, 400))
async def list_sessions(
    context: Shared, request: Request, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """One's own; an admin sees everybody's, but of who sees accounts that the admin may not see."""
    who, now = identity_of(request), context.clock()
    after = row_number(cursor, "sessions")
    async with context.people.read() as reader:
        found = await sessions_page(
            reader, now=now, idle_since=idle_since(now), after=after, limit=limit + 1, reach=who.reach
        )
    rows, last = cut(found, limit)
    page = SessionPage(
        items=tuple(_session(row, who) for row in rows),
        next_cursor=None if last is None else number_cursor("sessions", last.number),
    )
    return json_response(encode(page))


@router.delete(
    "/sessions/{number}", status_code=204, summary="End a session", responses=answers(None, 404, status=204)
)
async def end_session(context: Shared, request: Request, number: int) -> Response:
    """One's own; an admin may end those that they see. It ends at once, WebSockets included."""
    ended = False
    if is_row_number(number):
        async with context.people.write() as writer:
            within = await has_session(writer, number, reach=identity_of(request).reach)
            ended = within and await end_session_numbered(writer, number)
    if not ended:
        raise not_found("session_not_found", "You have no session with this number.")
    context.auth.forget()
    return Response(status_code=HTTPStatus.NO_CONTENT)
