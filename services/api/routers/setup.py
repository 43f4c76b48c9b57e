"""The first user."""

from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from core.domain.access import folded
from core.passwords import hash_password
from models.queries.access import grant_of_user
from models.queries.users import has_users
from models.stores.users import create_first_user
from services.api.bodies import read_body
from services.api.context import Context, Shared
from services.api.openapi import answers, takes
from services.api.paging import json_response
from services.api.problems import ProblemError, unauthorized
from services.api.routers.session import with_session
from services.api.routers.users import checked_name, checked_password
from services.api.schemas.common import encode
from services.api.schemas.session import FirstUser, SetupState
from services.api.security.audit import TARGET
from services.api.security.auth import SignedIn
from services.api.security.guard import client_address
from services.api.security.identity import granted

router = APIRouter(prefix="/api/v1/setup", tags=["session"])

_decode = msgspec.json.Decoder(FirstUser).decode


@router.get("", summary="Whether there is no user yet", responses=answers(SetupState))
async def setup_state(context: Shared) -> Response:
    """While there is none, `lotkeeper user setup-token` tells the token that makes the first one."""
    async with context.people.read() as reader:
        needed = not await has_users(reader)
    if needed:
        context.setup.ensure()
    return json_response(encode(SetupState(needed=needed)))


def _done() -> ProblemError:
    return ProblemError(
        HTTPStatus.CONFLICT,
        "setup_done",
        "There is a user already. An admin makes further ones, or the command line.",
    )


async def _check(context: Context, told: FirstUser, address: str) -> None:
    async with context.people.read() as reader:
        if await has_users(reader):
            raise _done()
    context.auth.may_try(address)
    if not context.setup.is_right(told.setup_token):
        context.auth.throttle.note_wrong(address)
        raise unauthorized("This is not the setup token. `lotkeeper user setup-token` tells it.")


@router.post(
    "",
    status_code=204,
    summary="Make the first user",
    responses=answers(None, 409, 422, status=204),
    openapi_extra=takes(FirstUser),
)
async def set_up(context: Shared, request: Request) -> Response:
    """An admin who sees every account, and is signed in at once. It works once."""
    told = await read_body(
        request, _decode, 'Send {"setup_token": "…", "name": "…", "password": "…"} as application/json.'
    )
    await _check(context, told, client_address(request.scope))
    name = checked_name(folded(told.name))
    checked_password(told.password, name)
    request.scope[TARGET] = name
    hashed, now = await context.auth.hashing(hash_password, told.password), context.clock()
    async with context.people.write() as writer:
        user_id = await create_first_user(writer, name=name, password_hash=hashed, now=now)
        grant = None if user_id is None else await grant_of_user(writer, user_id)
    if grant is None:
        raise _done()
    context.setup.forget()
    return await with_session(context, request, SignedIn(granted(grant, ""), now))
