"""The second factor of users: set up by themselves, and removed by them or an admin."""

from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from core.domain.access import folded
from core.second_factor import (
    app_address,
    new_recovery_codes,
    new_secret,
    recovery_hash,
    step_of_code,
)
from models.queries.second_factor import factor_of
from models.stores.second_factor import begin_factor, prove_factor, remove_factor
from models.stores.sessions import end_sessions_of
from services.api.bodies import invalid, read_body
from services.api.context import Context, Shared
from services.api.exchange import show_once
from services.api.openapi import answers, takes
from services.api.paging import json_response
from services.api.problems import ProblemError, not_found
from services.api.routers.users import check_current, user_in_reach
from services.api.schemas.access import (
    FactorBegin,
    FactorBegun,
    FactorProof,
    FactorRemoval,
    RecoveryCodes,
)
from services.api.schemas.common import encode
from services.api.security.guard import client_address
from services.api.security.identity import Identity, identity_of
from services.api.security.permissions import scope_needed, sign_in_needed
from services.api.security.second_factor import opened

router = APIRouter(prefix="/api/v1/users/{name}/second-factor", tags=["users"])

_decode_begin = msgspec.json.Decoder(FactorBegin).decode
_decode_proof = msgspec.json.Decoder(FactorProof).decode
_decode_removal = msgspec.json.Decoder(FactorRemoval).decode


def _own(who: Identity, name: str) -> int:
    """The number of the user that whoever asks is.

    Raises:
        ProblemError: 403; they are another, or a program.
    """
    if who.kind != "user" or who.name != name or who.user_id is None:
        raise scope_needed("Everybody sets up their own second factor, signed in by name.")
    return who.user_id


def _is_set() -> ProblemError:
    return ProblemError(
        HTTPStatus.CONFLICT,
        "second_factor_set",
        "You have a second factor. Remove it to set up another.",
    )


@router.post(
    "",
    summary="Begin to set up a second factor",
    responses=answers(FactorBegun, 409),
    openapi_extra=takes(FactorBegin),
)
async def begin(context: Shared, request: Request, name: str) -> Response:
    """A secret for an app that shows codes by time (TOTP). It counts once `prove` was sent a code of it."""
    told = await read_body(request, _decode_begin, 'Send {"current_password"} as application/json.')
    who, name = identity_of(request), folded(name)
    user_id = _own(who, name)
    await check_current(context, request, name, told.current_password)
    secret = new_secret()
    async with context.people.write() as writer:
        sealer = await context.auth.second_factor.sealer(writer)
        sealed = sealer.seal(secret, str(user_id))
        if not await begin_factor(writer, user_id, sealed, context.clock()):
            raise _is_set()
    show_once(request)
    address = app_address(secret, name, f"Lotkeeper {context.settings.profile}")
    return json_response(encode(FactorBegun(secret=secret, address=address)))


@router.post(
    "/prove",
    summary="Set up a second factor",
    responses=answers(RecoveryCodes, 404, 409),
    openapi_extra=takes(FactorProof),
)
async def prove(context: Shared, request: Request, name: str) -> Response:
    """A code proves that an app has the secret. The recovery codes are told once; other sessions end."""
    told = await read_body(request, _decode_proof, 'Send {"code"} as application/json.')
    who, now = identity_of(request), context.clock()
    user_id = _own(who, folded(name))
    codes = new_recovery_codes()
    async with context.people.write() as writer:
        factor = await factor_of(writer, user_id)
        if factor is None:
            raise not_found("second_factor_not_found", "Begin with POST /api/v1/users/{name}/second-factor.")
        if factor.is_proved:
            raise _is_set()
        secret = opened(context.auth.second_factor.opener(), factor.secret, user_id)
        step = step_of_code(secret, told.code, now)
        if step is None:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "second_factor_wrong",
                "This is not the code of the secret just now. Check the clock of the device that shows it.",
            )
        hashes = [recovery_hash(code) for code in codes]
        if not await prove_factor(writer, user_id, factor.secret, step, hashes, now):
            raise _is_set()
        await end_sessions_of(writer, user_id, but=who.credential)
    context.auth.forget()
    show_once(request)
    return json_response(encode(RecoveryCodes(codes=codes)))


@router.post(
    "/remove",
    status_code=204,
    summary="Remove a second factor",
    responses=answers(None, 404, status=204),
    openapi_extra=takes(FactorRemoval),
)
async def remove(context: Shared, request: Request, name: str) -> Response:
    """One's own, with password and code; an admin that of another who has lost it. The other sessions end."""
    told = await read_body(request, _decode_removal, 'Send {"current_password", "code"} as application/json.')
    who, name = identity_of(request), folded(name)
    is_self = who.kind == "user" and who.name == name
    if is_self:
        await _check_both(context, request, _own(who, name), told, name)
    elif who.kind == "token" and who.is_admin:
        raise sign_in_needed("A token removes no second factors.")
    elif not who.is_admin:
        raise scope_needed("Only an admin removes the second factor of another, and a token its user's not.")
    async with context.people.write() as writer:
        row = await user_in_reach(writer, who, name)
        if not await remove_factor(writer, row.id):
            raise not_found("second_factor_not_found", "There is no second factor.")
        await end_sessions_of(writer, row.id, but=who.credential if is_self else "")
    context.auth.forget()
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _check_both(
    context: Context, request: Request, user_id: int, told: FactorRemoval, name: str
) -> None:
    if told.code is None:
        raise invalid('Send {"current_password", "code"} as application/json.')
    await check_current(context, request, name, told.current_password)
    try:
        await context.auth.second_factor.check(user_id, told.code, client_address(request.scope))
    except ProblemError as problem:
        if problem.status is not HTTPStatus.UNAUTHORIZED:
            raise
        # Who is signed in is known; it is the code that is not right.
        raise ProblemError(HTTPStatus.FORBIDDEN, problem.code, problem.detail) from None
