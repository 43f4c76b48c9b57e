"""``token …``: on the database itself; a running API notices within seconds."""

from datetime import timedelta
from typing import NamedTuple

import msgspec
import typer
from rich.markup import escape

from core.clock import utc_now
from core.domain.access import Scope, folded
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.users import TokenRow, token_by_id, tokens_page, user_named
from models.session import Database
from models.stores.api_tokens import create_api_token, revoke_api_tokens
from services.api.security.tokens import new_token
from services.cli.auditing import audited
from services.cli.on_database import on_database
from services.cli.show import new_console, new_table
from services.cli.users import UnknownUserError, seen

_MOST = 10_000


class UnknownTokenError(LotkeeperError):
    """There is no such token."""

    code = "token_not_found"
    exit_code = 2


class Wanted(NamedTuple):
    """The token to make. ``days``: 0 for one that does not expire; ``user``: ``None`` for the owner's."""

    name: str
    scope: str
    accounts: tuple[str, ...]
    days: int
    user: str | None


def run_create(profile: Profile | None, wanted: Wanted, *, as_json: bool) -> None:
    """Make a token and print its secret.

    Raises:
        UnknownUserError: there is no user of that name.
        UnknownAccountError: there is no such account.
        LotkeeperError: as ``on_database``.
    """
    if not wanted.name.strip() or not wanted.name.isprintable():
        raise typer.BadParameter("The name must be readable.")
    made, now = new_token(), utc_now()
    expires_at = now + timedelta(days=wanted.days) if wanted.days else None

    async def work(database: Database, _settings: Settings) -> int:
        async with database.write() as writer:
            user = None if wanted.user is None else await user_named(writer, folded(wanted.user))
            if wanted.user is not None and user is None:
                raise UnknownUserError(f"There is no user {wanted.user}. See: lotkeeper user list")
            number = await create_api_token(
                writer,
                name=wanted.name,
                prefix=made.prefix,
                secret_hash=made.secret_hash,
                scope=Scope.of(wanted.scope),
                accounts=frozenset(wanted.accounts) or None,
                user_id=None if user is None else user.id,
                now=now,
                expires_at=expires_at,
            )
            await audited(writer, "token_create", wanted.name)
            return number

    number = on_database(profile, wanted.accounts, work)
    if as_json:
        told = {"id": number, "secret": made.secret, "expires_at": expires_at}
        typer.echo(msgspec.json.encode(told).decode())
        return
    until = "until it is revoked" if expires_at is None else f"until {expires_at:%Y-%m-%d}"
    typer.echo(made.secret)
    typer.echo(f"Token {number}, good {until}. It is shown this once.", err=True)


def run_list(profile: Profile | None, *, as_json: bool) -> None:
    """List the tokens.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> list[TokenRow]:
        async with database.read() as reader:
            return await tokens_page(reader, limit=_MOST)

    rows = on_database(profile, None, work)
    if as_json:
        listed = [
            {**row._asdict(), "scope": row.scope.word, "accounts": row.accounts and sorted(row.accounts)}
            for row in rows
        ]
        typer.echo(msgspec.json.encode({"tokens": listed}).decode())
        return
    console = new_console()
    if not rows:
        console.print("There is no token yet: lotkeeper token create NAME")
        return
    table = new_table(
        "API tokens", "id", "name", "begins with", "scope", "accounts", "of", "expires", "last used"
    )
    for row in rows:
        table.add_row(
            str(row.id),
            escape(row.name),
            row.prefix,
            row.scope.word,
            escape(seen(row.accounts)),
            escape(row.user or "the owner"),
            "never" if row.expires_at is None else f"{row.expires_at:%Y-%m-%d}",
            "never" if row.last_used_at is None else f"{row.last_used_at:%Y-%m-%d %H:00}",
        )
    console.print(table)


def run_revoke(profile: Profile | None, token_id: int) -> None:
    """Revoke a token.

    Raises:
        UnknownTokenError: there is none with this number.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> str:
        async with database.write() as writer:
            row = await token_by_id(writer, token_id) if 0 < token_id < 2**63 else None
            if row is None:
                raise UnknownTokenError(f"There is no token {token_id}. See: lotkeeper token list")
            await revoke_api_tokens(writer, [row.id])
            await audited(writer, "token_revoke", f"{row.id}")
            return row.name

    typer.echo(f"Revoked: {on_database(profile, None, work)}.")
