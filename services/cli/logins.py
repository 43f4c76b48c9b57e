"""``login list`` and ``end``."""

import json
import sys
from collections.abc import Sequence

import typer
from rich.markup import escape

from core.clock import utc_now
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.logins import LoginRow, known_logins
from models.session import Database
from models.stores.leases import is_free
from models.stores.logins import end_login
from services.cli import listing
from services.cli.auditing import audited
from services.cli.listing import Listed
from services.cli.on_database import on_database
from services.cli.show import age, new_console
from services.cli.thinning import NotConfirmedError


class UnknownLoginError(LotkeeperError):
    """No login is called so."""

    code = "unknown_login"
    exit_code = 2


class LoginServedError(LotkeeperError):
    """A link serves it still."""

    code = "login_served"


def run_list(profile: Profile | None, *, as_json: bool) -> None:
    """List the logins.

    Raises:
        LotkeeperError: as ``on_database``.
    """
    shown = Listed(
        "Logins",
        ("login", "link", "since", "accounts", "last heard of", "served by"),
        "No link was heard of yet: lotkeeper up, or lotkeeper broker, starts one.",
    )
    listing.run_list(profile, known_logins, shown, _as_row, _as_json, as_json=as_json)


def run_end(profile: Profile | None, name: str, *, yes: bool, as_json: bool) -> None:
    """Give a login up, once somebody who can answer says so, or ``yes``.

    Raises:
        UnknownLoginError: there is no such login.
        LoginServedError: its link runs, or was heard of lately.
        NotConfirmedError: nobody said yes.
        LotkeeperError: as ``on_database``.
    """

    async def look(database: Database, _settings: Settings) -> LoginRow:
        async with database.read() as reader:
            return _ready_to_end(await known_logins(reader), name)

    async def end(database: Database, _settings: Settings) -> list[str]:
        async with database.write() as writer:
            # Looked at once more: it may have come back while somebody thought about it.
            found = _ready_to_end(await known_logins(writer), name)
            # The link's own lock: whether it is heard of is told by others, who may be away.
            if not await is_free(writer, f"login {name}"):
                raise _served(found, "holds its lock")
            await audited(writer, "login_end", name)
            return await end_login(writer, name, utc_now())

    if not yes:
        _ask(on_database(profile, None, look))
    accounts = on_database(profile, None, end)
    if as_json:
        typer.echo(json.dumps({"login": name, "accounts": accounts}))
        return
    new_console().print(
        f"{escape(name)} is given up; listed no more: {escape(_named(accounts))}. What was recorded "
        "stays, and what was last known of them in the sums over all."
    )


def _ready_to_end(logins: Sequence[LoginRow], name: str) -> LoginRow:
    found = next((one for one in logins if one.login == name), None)
    if found is None:
        known = ", ".join(one.login for one in logins) or "none yet"
        raise UnknownLoginError(f"There is no login {name} here. Known logins: {known}.")
    if found.runs:
        raise _served(found, f"was heard of {age(found.silent_seconds)} ago ({_state(found)})")
    return found


def _served(found: LoginRow, how: str) -> LoginServedError:
    return LoginServedError(
        f"The link of {found.login} {how}: it would go on. Stop it first "
        f"({found.holder or 'wherever it runs'}); after one that was killed, wait for a minute and a quarter."
    )


def _ask(found: LoginRow) -> None:
    what = f"Give {found.login} up? Its accounts ({_named(found.accounts)}) would be listed no more"
    if not sys.stdin.isatty():
        raise NotConfirmedError(f"{what.replace('? ', ': ')}. To do it, say --yes.")
    if not typer.confirm(f"{what}.", err=True):
        raise NotConfirmedError("Nothing was done.")


def _named(accounts: Sequence[str]) -> str:
    return ", ".join(accounts) or "none"


def _state(one: LoginRow) -> str:
    told = (one.state or "not heard of").replace("_", " ")
    if one.state is not None and not one.runs:
        told = f"not running, last {told}"
    why = (one.reason or "").replace("_", " ")
    return told if not why or why in told else f"{told}: {why}"


def _as_row(one: LoginRow) -> tuple[str, ...]:
    since = "–" if one.since is None else f"{one.since:%Y-%m-%d %H:%M:%S}"
    heard = age(one.silent_seconds) + ("" if one.silent_seconds is None else " ago")
    served = " ".join((one.holder or "", f"({one.place})" if one.place else "")).strip() or "–"
    told = (one.login, _state(one), since, ", ".join(one.accounts) or "–", heard, served)
    return tuple(map(escape, told))


def _as_json(one: LoginRow) -> dict[str, object]:
    times = {
        name: None if value is None else value.isoformat()
        for name, value in (("since", one.since), ("heard_at", one.heard_at))
    }
    return {**one._asdict(), **times}
