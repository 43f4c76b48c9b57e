"""Trading the token for a session cookie, so that a page never holds the token."""

from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from services.api.context import Shared
from services.api.openapi import answers, takes
from services.api.paging import json_response
from services.api.problems import ProblemError
from services.api.schemas.common import encode
from services.api.schemas.session import Credentials, SessionInfo
from services.api.security.auth import SESSION_DAYS
from services.api.security.guard import client_address

router = APIRouter(prefix="/api/v1/session", tags=["session"])

_BODY_LIMIT = 4_096
_decode = msgspec.json.Decoder(Credentials).decode


async def _credentials(request: Request) -> Credentials:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            break
    try:
        if len(body) <= _BODY_LIMIT:
            return _decode(body)
    except msgspec.DecodeError:
        pass
    raise ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "validation_failed", 'Send {"token": "…"} as application/json.'
    )


@router.post(
    "",
    status_code=204,
    summary="Sign in",
    responses=answers(None, 422, 429, status=204),
    openapi_extra=takes(Credentials),
)
async def sign_in(context: Shared, request: Request) -> Response:
    """A right token gives an HttpOnly, SameSite=Strict cookie for thirty days."""
    credentials = await _credentials(request)
    identity = context.auth.check_token(credentials.token, client_address(request.scope))
    secret = await context.auth.open_session(identity)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    response.set_cookie(
        context.auth.cookie,
        secret,
        max_age=SESSION_DAYS * 86_400,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.get("", summary="Whether the session stands", responses=answers(SessionInfo))
async def session(context: Shared) -> Response:
    """401 when it does not."""
    info = SessionInfo(authenticated=True, profile=context.settings.profile, version=context.version)
    return json_response(encode(info))


@router.delete("", status_code=204, summary="Sign out", responses=answers(None, status=204))
async def sign_out(context: Shared, request: Request) -> Response:
    """The session ends on the server; a copied cookie is worth nothing afterwards."""
    secret = context.auth.session_cookie(request.headers)
    if secret is not None:
        await context.auth.close_session(secret)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    response.delete_cookie(context.auth.cookie, path="/", httponly=True, samesite="strict")
    return response
