"""``accounts group list``, ``set`` and ``drop``."""

import json
from collections.abc import Sequence

import typer
from rich.markup import escape

from core.clock import utc_now
from core.domain.names import why_no_name
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.groups import Group, groups
from models.queries.stored_ledger import cost_methods
from models.session import Database
from models.stores.groups import drop_group, set_group
from services.cli import listing
from services.cli.auditing import audited
from services.cli.listing import Listed
from services.cli.on_database import UnknownAccountError, on_database
from services.cli.show import new_console


class BadNameError(LotkeeperError):
    """Nothing can be called so."""

    code = "name_invalid"
    exit_code = 2


class UnknownGroupError(LotkeeperError):
    """There is no such group."""

    code = "group_not_found"
    exit_code = 2


def require_name(name: str) -> None:
    """Refuse what is no name.

    Raises:
        BadNameError: it is none.
    """
    reason = why_no_name(name)
    if reason is not None:
        raise BadNameError(f"The name {name[:80]!r} {reason}.")


def run_list(profile: Profile | None, *, as_json: bool) -> None:
    """List the groups.

    Raises:
        LotkeeperError: as ``on_database``.
    """
    shown = Listed(
        "Groups of accounts",
        ("name", "accounts"),
        "There is no group yet: lotkeeper accounts group set NAME ACCOUNT...",
    )
    listing.run_list(profile, groups, shown, _as_row, _as_json, as_json=as_json)


def run_set(profile: Profile | None, name: str, accounts: Sequence[str], *, as_json: bool) -> None:
    """Have a group be of just these accounts.

    Raises:
        BadNameError: it cannot be called so.
        UnknownAccountError: one of the accounts was never seen; nothing is changed.
        LotkeeperError: as ``on_database``.
    """
    require_name(name)
    members = tuple(sorted(set(accounts)))

    async def work(database: Database, _settings: Settings) -> None:
        async with database.write() as writer:
            known = await cost_methods(writer)
            unknown = [one for one in members if one not in known]
            if unknown:
                raise UnknownAccountError(
                    f"There is no account {', '.join(unknown)} here. Known accounts: "
                    f"{', '.join(sorted(known)) or 'none yet'}."
                )
            await set_group(writer, name, members, utc_now())
            await audited(writer, "group_set", name)

    on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps(_as_json(Group(name, members))))
    else:
        new_console().print(f"The group {escape(name)} is of {escape(', '.join(members))}.")


def run_drop(profile: Profile | None, name: str, *, as_json: bool) -> None:
    """Forget a group.

    Raises:
        BadNameError: nothing can be called so.
        UnknownGroupError: there is no such one.
        LotkeeperError: as ``on_database``.
    """
    require_name(name)

    async def work(database: Database, _settings: Settings) -> None:
        async with database.write() as writer:
            if await drop_group(writer, name):
                await audited(writer, "group_drop", name)
                return
            names = ", ".join(one.name for one in await groups(writer)) or "none yet"
            raise UnknownGroupError(f"There is no group {name!r} here. Known groups: {names}.")

    on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps({"dropped": name}))
    else:
        new_console().print(f"The group {escape(name)} is forgotten.")


def _as_row(one: Group) -> tuple[str, ...]:
    return escape(one.name), escape(", ".join(one.accounts))


def _as_json(one: Group) -> dict[str, object]:
    return {"name": one.name, "accounts": list(one.accounts)}
