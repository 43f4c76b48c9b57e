"""``dead list``, ``show``, ``retry`` and ``drop``."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import typer

from core.clock import utc_now
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.dead_facts import (
    DeadFactRow,
    count_dead_facts,
    dead_facts_by_id,
    list_dead_facts,
)
from models.session import Database
from models.stores.dead_facts import drop_dead_facts
from services.cli import show_dead
from services.cli.auditing import audited
from services.cli.dead_again import relaying, rereading
from services.cli.on_database import on_database
from services.position_sync.dead import Outcome, retry


class UnknownDeadFactError(LotkeeperError):
    """Nothing with this id was ever kept aside."""

    code = "unknown_dead_fact"
    exit_code = 2


class StillDeadError(LotkeeperError):
    """Some of it cannot be applied still."""

    code = "still_dead"


class Choice(NamedTuple):
    """Which ones: these, or every open one of a category and an account."""

    ids: Sequence[int]
    every: bool
    category: str | None
    account: str | None

    def check(self) -> None:
        """Refuse what names nothing, or names it twice over.

        Raises:
            typer.BadParameter: it does.
        """
        if bool(self.ids) == self.every:
            raise typer.BadParameter("Name the ids, or say --all.")
        if self.ids and (self.category or self.account):
            raise typer.BadParameter("--category and --account choose among --all.")


def run_list(
    profile: Profile | None,
    category: str | None,
    account: str | None,
    *,
    every: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Print what was kept aside.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> tuple[list[DeadFactRow], int]:
        async with database.read() as reader:
            rows = await list_dead_facts(reader, category=category, account=account, every=every, limit=limit)
            return rows, await count_dead_facts(reader, category=category, account=account, every=every)

    rows, count = on_database(profile, None, work)
    if as_json:
        listed = [{name: value for name, value in row._asdict().items() if name != "payload"} for row in rows]
        typer.echo(msgspec.json.encode({"dead_facts": listed, "count": count}).decode())
    else:
        show_dead.listed(rows, count, every=every)


def run_show(profile: Profile | None, dead_id: int, *, as_json: bool) -> None:
    """Print one, whole.

    Raises:
        UnknownDeadFactError: there is none with this id.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> DeadFactRow:
        return (await _by_id(database, [dead_id]))[0]

    row = on_database(profile, None, work)
    if as_json:
        typer.echo(msgspec.json.encode({"dead_fact": row._asdict()}).decode())
    else:
        show_dead.shown(row)


def run_retry(profile: Profile | None, choice: Choice, *, as_json: bool) -> None:
    """Try them again, in the order in which they came.

    Raises:
        StillDeadError: some cannot be applied still.
        UnknownDeadFactError: there is none with one of these ids; nothing was tried.
        LotkeeperError: as ``on_database``.
    """
    choice.check()

    async def work(database: Database, settings: Settings) -> list[Outcome]:
        rows = [row for row in await _chosen(database, choice) if row.status != "retried"]
        async with relaying(database, settings) as relay:
            again = rereading(database, settings)
            outcomes = [await retry(relay, database, row, again) for row in rows]
        async with database.write() as writer:
            for one in outcomes:
                outcome = "ok" if one.status == "retried" else StillDeadError.code
                await audited(writer, "dead_retry", str(one.id), outcome)
        return outcomes

    outcomes = on_database(profile, None, work)
    if as_json:
        typer.echo(msgspec.json.encode({"outcomes": [one._asdict() for one in outcomes]}).decode())
    else:
        show_dead.retried(outcomes)
    failed = sum(one.status == "failed" for one in outcomes)
    if failed:
        raise StillDeadError(
            f"{failed} of {len(outcomes)} cannot be applied still. `lotkeeper dead show ID` tells one whole."
        )


def run_drop(profile: Profile | None, choice: Choice, *, as_json: bool) -> None:
    """Let them rest.

    Raises:
        UnknownDeadFactError: there is none with one of these ids; nothing was dropped.
        LotkeeperError: as ``on_database``.
    """
    choice.check()

    async def work(database: Database, _settings: Settings) -> list[int]:
        ids = [row.id for row in await _chosen(database, choice)]
        async with database.write() as connection:
            dropped = await drop_dead_facts(connection, ids, utc_now())
            for one in dropped:
                await audited(connection, "dead_drop", str(one))
            return dropped

    dropped = on_database(profile, None, work)
    if as_json:
        typer.echo(msgspec.json.encode({"dropped": dropped}).decode())
    else:
        typer.echo(f"Dropped: {', '.join(map(str, dropped)) or 'none, for none of it stood open'}.")


async def _chosen(database: Database, choice: Choice) -> list[DeadFactRow]:
    if choice.ids:
        return await _by_id(database, choice.ids)
    async with database.read() as reader:
        return await list_dead_facts(reader, category=choice.category, account=choice.account)


async def _by_id(database: Database, ids: Sequence[int]) -> list[DeadFactRow]:
    async with database.read() as reader:
        rows = await dead_facts_by_id(reader, ids)
    missing = sorted(set(ids) - {row.id for row in rows})
    if missing:
        named = ", ".join(map(str, missing))
        raise UnknownDeadFactError(f"Nothing was kept aside as {named}. See: lotkeeper dead list --all")
    return rows
