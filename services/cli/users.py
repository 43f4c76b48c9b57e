"""``user …``: on the database itself; a running API notices within seconds."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from getpass import getpass

import msgspec
import typer
from rich.markup import escape

from core.clock import utc_now
from core.domain.access import Accounts, Scope, folded, is_user_name
from core.errors import LotkeeperError
from core.passwords import check_new_password, hash_password
from core.settings import Profile, Settings
from core.tokens import ensure_token
from models.queries.users import UserRow, has_users, user_named, users_page
from models.session import Database, Writer
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
from services.cli.auditing import audited
from services.cli.on_database import on_database
from services.cli.show import new_console, new_table

_MOST = 10_000


class BadUserError(LotkeeperError):
    """No user can be so."""

    code = "user_invalid"
    exit_code = 2


class UnknownUserError(LotkeeperError):
    """There is no such user."""

    code = "user_not_found"
    exit_code = 2


class SetupDoneError(LotkeeperError):
    """There is a user, so that there is no setup token any more."""

    code = "setup_done"


def ask_password() -> str:
    """A new password: asked for twice where somebody sits, else the first line of standard input.

    Raises:
        BadUserError: the two are not the same.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("New password: ")
    if getpass("The same again: ") != password:
        raise BadUserError("These are two different passwords. Nothing was changed.")
    return password


def chosen_accounts(listed: Sequence[str], *, every: bool) -> Accounts:
    """Which accounts were named.

    Raises:
        typer.BadParameter: none, or some and all.
    """
    if bool(listed) == every:
        raise typer.BadParameter("Name the accounts that they may see, or say --all.")
    return None if every else frozenset(listed)


def seen(accounts: Accounts) -> str:
    """The accounts, for people."""
    return "all" if accounts is None else ", ".join(sorted(accounts)) or "none"


def run_add(
    profile: Profile | None, name: str, scope: str, listed: Sequence[str], *, every: bool, as_json: bool
) -> None:
    """Make a user.

    Raises:
        BadUserError: none can be so, or there is one of that name.
        PasswordRefusedError: the password is too easily guessed.
        LotkeeperError: as ``on_database``.
    """
    accounts, name = chosen_accounts(listed, every=every), folded(name)
    if not is_user_name(name):
        raise BadUserError(
            "A name is 1 to 64 letters a to z, digits and . _ @ + -, begins with a letter or digit, and is "
            "not `owner`."
        )
    hashed = _hashed(name)

    async def work(database: Database, settings: Settings) -> None:
        try:
            async with database.write() as writer:
                await create_user(
                    writer,
                    name=name,
                    password_hash=hashed,
                    scope=Scope.of(scope),
                    accounts=accounts,
                    now=utc_now(),
                )
                await audited(writer, "user_create", name)
        except UserExistsError:
            raise BadUserError(f"There is a user {name} already.") from None
        settings.setup_token_file.unlink(missing_ok=True)

    on_database(profile, sorted(accounts or ()), work)
    if as_json:
        listed_accounts = None if accounts is None else sorted(accounts)
        told = {"user": {"name": name, "scope": scope, "accounts": listed_accounts}}
        typer.echo(msgspec.json.encode(told).decode())
    else:
        typer.echo(f"{name} may sign in. Scope: {scope}. Accounts: {seen(accounts)}.")


def _hashed(name: str) -> str:
    password = ask_password()
    check_new_password(password, name)
    return hash_password(password)


def run_list(profile: Profile | None, *, as_json: bool) -> None:
    """List the users.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> list[UserRow]:
        async with database.read() as reader:
            return await users_page(reader, limit=_MOST)

    rows = on_database(profile, None, work)
    if as_json:
        listed = [
            {**row._asdict(), "scope": row.scope.word, "accounts": row.accounts and sorted(row.accounts)}
            for row in rows
        ]
        typer.echo(msgspec.json.encode({"users": listed}).decode())
        return
    console = new_console()
    if not rows:
        console.print("There is no user yet: lotkeeper user add NAME --scope admin --all")
        return
    table = new_table("Users", "name", "scope", "accounts", "since", "state")
    for row in rows:
        state = "disabled" if row.disabled_at else "may sign in"
        table.add_row(
            escape(row.name), row.scope.word, escape(seen(row.accounts)), f"{row.created_at:%Y-%m-%d}", state
        )
    console.print(table)


def _on_user(
    profile: Profile | None,
    name: str,
    action: str,
    change: Callable[[Writer, UserRow], Awaitable[object]],
    accounts: Accounts = None,
) -> None:
    async def work(database: Database, _settings: Settings) -> None:
        async with database.write() as writer:
            await hold_user(writer, folded(name))
            row = await user_named(writer, folded(name))
            if row is None:
                raise UnknownUserError(f"There is no user {name}. See: lotkeeper user list")
            await change(writer, row)
            await audited(writer, action, row.name)

    on_database(profile, sorted(accounts or ()), work)


def run_password(profile: Profile | None, name: str, *, keep_tokens: bool) -> None:
    """Set a user's password, end their sessions and, unless they are kept, revoke their API tokens.

    Raises:
        UnknownUserError: there is none of that name.
        PasswordRefusedError: the password is too easily guessed.
        LotkeeperError: as ``on_database``.
    """
    hashed, revoked = _hashed(folded(name)), 0

    async def change(writer: Writer, row: UserRow) -> None:
        nonlocal revoked
        await set_password(writer, row.id, hashed, utc_now())
        await end_sessions_of(writer, row.id)
        revoked = 0 if keep_tokens else await revoke_tokens_of(writer, row.id)

    _on_user(profile, name, "user_password", change)
    typer.echo(f"{name} has a new password, and is signed out everywhere. API tokens revoked: {revoked}.")


def run_scope(profile: Profile | None, name: str, wanted: str) -> None:
    """Say what a user may do.

    Raises:
        UnknownUserError: there is none of that name.
        LotkeeperError: as ``on_database``.
    """

    async def change(writer: Writer, row: UserRow) -> None:
        await set_access(writer, row.id, Scope.of(wanted), row.accounts)

    _on_user(profile, name, "user_change", change)
    typer.echo(f"{name} has the scope {wanted}.")


def run_accounts(profile: Profile | None, name: str, listed: Sequence[str], *, every: bool) -> None:
    """Say which accounts a user may see.

    Raises:
        UnknownUserError: there is none of that name.
        UnknownAccountError: there is no such account; nothing was changed.
        LotkeeperError: as ``on_database``.
    """
    accounts = chosen_accounts(listed, every=every)

    async def change(writer: Writer, row: UserRow) -> None:
        await set_access(writer, row.id, row.scope, accounts)

    _on_user(profile, name, "user_change", change, accounts)
    typer.echo(f"{name} may see: {seen(accounts)}.")


def run_disable(profile: Profile | None, name: str, *, disabled: bool) -> None:
    """Let a user in no more, or again.

    Raises:
        UnknownUserError: there is none of that name.
        LotkeeperError: as ``on_database``.
    """

    async def change(writer: Writer, row: UserRow) -> None:
        await set_disabled(writer, row.id, (row.disabled_at or utc_now()) if disabled else None)
        if disabled:
            await end_sessions_of(writer, row.id)

    _on_user(profile, name, "user_change", change)
    typer.echo(f"{name} is {'let in no more' if disabled else 'let in again'}.")


def run_remove(profile: Profile | None, name: str) -> None:
    """Forget a user.

    Raises:
        UnknownUserError: there is none of that name.
        LotkeeperError: as ``on_database``.
    """

    async def change(writer: Writer, row: UserRow) -> None:
        await remove_user(writer, row.id)

    _on_user(profile, name, "user_remove", change)
    typer.echo(f"{name} is removed, with their sessions and tokens.")


def run_setup_token(profile: Profile | None) -> None:
    """Print the token that makes the first user.

    Raises:
        SetupDoneError: there is one.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, settings: Settings) -> str | None:
        async with database.read() as reader:
            return None if await has_users(reader) else ensure_token(settings.setup_token_file)

    told = on_database(profile, None, work)
    if told is None:
        raise SetupDoneError("There is a user already. Make further ones with: lotkeeper user add NAME")
    typer.echo(told)
