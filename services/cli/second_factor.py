"""``user second-factor``: set up by somebody on the machine, and removed where it was lost."""

import sys

import msgspec
import typer

from core.clock import utc_now
from core.domain.access import folded
from core.errors import LotkeeperError
from core.sealing import Sealer
from core.second_factor import app_address, new_recovery_codes, new_secret, recovery_hash, step_of_code
from core.settings import Profile, Settings
from models.queries.users import UserRow, user_named
from models.session import Database, Writer
from models.stores.second_factor import begin_factor, keys_in_use, prove_factor, remove_factor
from models.stores.sessions import end_sessions_of
from services.cli.auditing import audited
from services.cli.on_database import on_database
from services.cli.users import UnknownUserError


class SecondFactorError(LotkeeperError):
    """It cannot be set up, or there is none."""

    code = "second_factor"
    exit_code = 2


async def _found(writer: Writer, name: str) -> UserRow:
    row = await user_named(writer, folded(name))
    if row is None:
        raise UnknownUserError(f"There is no user {name}. See: lotkeeper user list")
    return row


def run_set_up(profile: Profile | None, name: str, *, as_json: bool) -> None:
    """Set up a user's second factor: show a secret, ask for a code of it, and print the recovery codes.

    Raises:
        UnknownUserError: there is none of that name.
        SecondFactorError: there is one already, or the code is not right.
        KeyUnavailableError: the key that seals the others is not here.
        LotkeeperError: as ``on_database``.
    """
    secret, codes = new_secret(), new_recovery_codes()

    async def look(database: Database, settings: Settings) -> str:
        async with database.write() as writer:
            row = await _found(writer, name)
            if row.second_factor:
                raise SecondFactorError(
                    f"{row.name} has a second factor. Remove it first: "
                    f"lotkeeper user second-factor {row.name} --remove"
                )
        return app_address(secret, row.name, f"Lotkeeper {settings.profile}")

    async def keep(database: Database, settings: Settings) -> None:
        step = step_of_code(secret, code, utc_now())
        if step is None:
            raise SecondFactorError(
                "This is not the code of that secret just now. Nothing was changed. Check the clocks of this "
                "machine and of the device that shows it."
            )
        async with database.write() as writer:
            row, now = await _found(writer, name), utc_now()
            hashes = [recovery_hash(one) for one in codes]
            sealer = Sealer.of_settings(settings, await keys_in_use(writer))
            sealed = sealer.seal(secret, str(row.id))
            if not (
                await begin_factor(writer, row.id, sealed, now)
                and await prove_factor(writer, row.id, sealed, step, hashes, now)
            ):
                raise SecondFactorError(f"{row.name} has a second factor meanwhile.")
            await end_sessions_of(writer, row.id)
            await audited(writer, "second_factor_set", row.name)

    address = on_database(profile, None, look)
    # Standard output is what a program reads.
    typer.echo(f"Enter this secret in an app that shows codes by time (TOTP): {secret}", err=True)
    typer.echo(f"Or as such apps read it: {address}", err=True)
    typer.echo("The code that it shows: ", nl=False, err=True)
    code = sys.stdin.readline().strip()
    on_database(profile, None, keep)
    if as_json:
        typer.echo(msgspec.json.encode({"recovery_codes": codes}).decode())
        return
    typer.echo(f"{name} is asked for a code from now on, and is signed out everywhere.")
    typer.echo("Where the app is lost, each of these lets in once. Keep them where it is not:")
    for one in codes:
        typer.echo(f"  {one}")


def run_remove_factor(profile: Profile | None, name: str) -> None:
    """Ask a user for no second factor any more.

    Raises:
        UnknownUserError: there is none of that name.
        SecondFactorError: there is no second factor.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> None:
        async with database.write() as writer:
            row = await _found(writer, name)
            if not await remove_factor(writer, row.id):
                raise SecondFactorError(f"{row.name} has no second factor.")
            await end_sessions_of(writer, row.id)
            await audited(writer, "second_factor_remove", row.name)

    on_database(profile, None, work)
    typer.echo(f"{name} has no second factor any more, and is signed out everywhere.")
