"""Users: who may sign in by name, and what they may do."""

from datetime import datetime
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET
from starlette.responses import Response

from core.domain.access import Accounts, Scope, folded, is_user_name, within
from core.passwords import PasswordRefusedError, check_new_password, hash_password
from models.queries.users import UserRow, unknown_accounts, user_named, users_page
from models.session import Writer
from models.stores.api_tokens import revoke_tokens_of
from models.stores.sessions import end_sessions_of
from models.stores.users import (
    UserExistsError,
    create_user,
    hold_user,
    remove_user,
    set_access,
    set_disabled,
    set_password,
)
from services.api.bodies import invalid, read_body
from services.api.context import Context, Shared
from services.api.openapi import answers, takes
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    json_response,
    number_cursor,
    row_number,
)
from services.api.problems import ProblemError, not_found
from services.api.schemas.access import NewPassword, NewUser, User, UserChange, UserPage
from services.api.schemas.common import encode
from services.api.security.audit import TARGET
from services.api.security.guard import client_address
from services.api.security.identity import Identity, identity_of
from services.api.security.permissions import scope_needed, sign_in_needed

router = APIRouter(prefix="/api/v1/users", tags=["users"])

_decode_new = msgspec.json.Decoder(NewUser).decode
_decode_change = msgspec.json.Decoder(UserChange).decode
_decode_password = msgspec.json.Decoder(NewPassword).decode


def _user(row: UserRow) -> User:
    return User(
        name=row.name,
        scope=row.scope.word,
        accounts=None if row.accounts is None else tuple(sorted(row.accounts)),
        created_at=row.created_at,
        password_changed_at=row.password_changed_at,
        disabled_at=row.disabled_at,
        second_factor=row.second_factor,
    )


def checked_name(name: str) -> str:
    """The name, if a user can have it.

    Raises:
        ProblemError: 422.
    """
    if not is_user_name(name):
        raise invalid(
            "A name is 1 to 64 letters a to z, digits and . _ @ + -, begins with a letter or digit, and is "
            "not `owner`."
        )
    return name


def checked_password(password: str, name: str) -> None:
    """Refuse a new password that is easily guessed.

    Raises:
        ProblemError: 422.
    """
    try:
        check_new_password(password, name)
    except PasswordRefusedError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, str(error)) from None


async def check_reach(writer: Writer, who: Identity, accounts: Accounts) -> None:
    """Refuse to deal out accounts that there are none of, or that one may not see.

    Raises:
        ProblemError: 403 or 404.
    """
    if not within(accounts, who.accounts):
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "account_not_yours", "Nobody deals out accounts that they may not see."
        )
    unknown = await unknown_accounts(writer, accounts)
    if unknown:
        raise not_found("account_not_found", f"There is no such account: {', '.join(unknown)}.")


async def user_in_reach(writer: Writer, who: Identity, name: str) -> UserRow:
    """The user, held until the end, if whoever asks may decide about all that the user sees.

    Raises:
        ProblemError: 403 or 404.
    """
    row, name = None, folded(name)
    if is_user_name(name):
        await hold_user(writer, name)
        row = await user_named(writer, name)
    if row is None:
        raise not_found("user_not_found", "There is no such user. GET /api/v1/users lists them.")
    if not within(row.accounts, who.accounts):
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "account_not_yours", "This user sees accounts that you may not see."
        )
    return row


@router.get("", summary="Users, newest first", responses=answers(UserPage, 400))
async def list_users(context: Shared, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Who may sign in by name, what they may do and which accounts they may see.

    An admin of some accounts is told of those who see no others.
    """
    after = row_number(cursor, "users")
    async with context.people.read() as reader:
        found = await users_page(reader, within=context.accounts, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = UserPage(
        items=tuple(_user(row) for row in rows),
        next_cursor=None if last is None else number_cursor("users", last.id),
    )
    return json_response(encode(page))


@router.post(
    "",
    status_code=201,
    summary="Make a user",
    responses=answers(User, 404, 409, status=201),
    openapi_extra=takes(NewUser),
)
async def add_user(context: Shared, request: Request) -> Response:
    """Passwords have at least 12 characters, of any kind; those that are tried first are refused."""
    told = await read_body(
        request,
        _decode_new,
        'Send {"name", "password", "scope", "accounts"} as application/json; accounts: null for all.',
    )
    who, name = identity_of(request), checked_name(folded(told.name))
    request.scope[TARGET] = name
    if who.kind == "token":
        raise sign_in_needed("A token makes no users.")
    checked_password(told.password, name)
    hashed = await context.auth.hashing(hash_password, told.password)
    accounts = None if told.accounts is None else frozenset(told.accounts)
    try:
        async with context.people.write() as writer:
            await check_reach(writer, who, accounts)
            await create_user(
                writer,
                name=name,
                password_hash=hashed,
                scope=Scope.of(told.scope),
                accounts=accounts,
                now=context.clock(),
            )
            made = await user_named(writer, name)
    except UserExistsError:
        raise ProblemError(HTTPStatus.CONFLICT, "user_exists", "There is a user of that name.") from None
    assert made is not None  # noqa: S101 - made in the same transaction
    return json_response(encode(_user(made)), HTTPStatus.CREATED)


@router.patch(
    "/{name}",
    summary="Change what a user may do",
    responses=answers(User, 404),
    openapi_extra=takes(UserChange),
)
async def change_user(context: Shared, request: Request, name: str) -> Response:
    """It counts at once, for tokens of theirs as well. Who is disabled is signed out everywhere.

    A token may take away and give nothing.
    """
    told = await read_body(
        request, _decode_change, 'Send any of {"scope", "accounts", "disabled"} as application/json.'
    )
    who = identity_of(request)
    async with context.people.write() as writer:
        row = await user_in_reach(writer, who, name)
        accounts = row.accounts
        if told.accounts is not UNSET:
            accounts = None if told.accounts is None else frozenset(told.accounts)
            await check_reach(writer, who, accounts)
        scope = row.scope if told.scope is UNSET else Scope.of(told.scope)
        is_more = scope > row.scope or not within(accounts, row.accounts)
        if who.kind == "token" and (is_more or (row.disabled_at is not None and told.disabled is False)):
            raise sign_in_needed("A token lets no user do more.")
        await set_access(writer, row.id, scope, accounts)
        if told.disabled is not UNSET:
            await set_disabled(
                writer, row.id, (row.disabled_at or context.clock()) if told.disabled else None
            )
        if told.disabled is True:
            await end_sessions_of(writer, row.id)
        changed = await user_named(writer, row.name)
    context.auth.forget()
    assert changed is not None  # noqa: S101 - changed in the same transaction
    return json_response(encode(_user(changed)))


@router.delete("/{name}", status_code=204, summary="Remove a user", responses=answers(None, 404, status=204))
async def drop_user(context: Shared, request: Request, name: str) -> Response:
    """With them go their sessions and tokens. What they did stays in the audit log."""
    async with context.people.write() as writer:
        row = await user_in_reach(writer, identity_of(request), name)
        await remove_user(writer, row.id)
    context.auth.forget()
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _password_wrong() -> ProblemError:
    return ProblemError(
        HTTPStatus.FORBIDDEN, "password_wrong", "Send the password that you have as current_password."
    )


async def check_current(
    context: Context, request: Request, name: str, current: str | None
) -> datetime | None:
    """Ask somebody who is signed in for their password once more; since when they have it.

    Raises:
        ProblemError: 403; it is not the one that they have. Or 429.
    """
    if current is None:
        raise _password_wrong()
    try:
        found = await context.auth.check_password(name, current, client_address(request.scope))
    except ProblemError as problem:
        if problem.status is not HTTPStatus.UNAUTHORIZED:
            raise
        raise _password_wrong() from None
    return found.password_changed_at


@router.post(
    "/{name}/password",
    status_code=204,
    summary="Change a password",
    responses=answers(None, 404, status=204),
    openapi_extra=takes(NewPassword),
)
async def change_password(context: Shared, request: Request, name: str) -> Response:
    """One's own, with the one that one has; an admin may set another's.

    The other sessions end, and the user's API tokens are revoked unless `keep_tokens` is true: whoever had
    the password could have made one.
    """
    told = await read_body(
        request, _decode_password, 'Send {"new_password", "current_password"} as application/json.'
    )
    who, name, since = identity_of(request), folded(name), None
    is_self = who.kind == "user" and who.name == name
    if who.kind == "token":
        raise sign_in_needed("A token changes no passwords.")
    if is_self:
        since = await check_current(context, request, name, told.current_password)
    elif not who.is_admin:
        raise scope_needed("Only an admin sets the password of another.")
    checked_password(told.new_password, name)
    hashed = await context.auth.hashing(hash_password, told.new_password)
    async with context.people.write() as writer:
        row = await user_in_reach(writer, who, name)
        if since is not None and row.password_changed_at != since:
            raise _password_wrong()  # it was changed meanwhile
        await set_password(writer, row.id, hashed, context.clock())
        # In this order: what a session makes until its end is found afterwards.
        await end_sessions_of(writer, row.id, but=who.credential if is_self else "")
        if not told.keep_tokens:
            await revoke_tokens_of(writer, row.id)
    context.auth.forget()
    return Response(status_code=HTTPStatus.NO_CONTENT)
