"""A list of what is kept, as a table for people or as JSON for programs."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import typer

from core.settings import Profile, Settings
from models.session import Database, Reader
from services.cli.on_database import on_database
from services.cli.show import new_console, new_table

T = TypeVar("T")


class Listed(NamedTuple):
    """How a list is shown: its title, its columns, and what stands where there is nothing to list."""

    title: str
    columns: Sequence[str]
    nothing: str
    right_from: int | None = None


def run_list(
    profile: Profile | None,
    read: Callable[[Reader], Awaitable[Sequence[T]]],
    shown: Listed,
    row: Callable[[T], Sequence[str]],
    as_dict: Callable[[T], dict[str, object]],
    *,
    as_json: bool,
) -> None:
    """Read a list and print it.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> Sequence[T]:
        async with database.read() as reader:
            return await read(reader)

    found = on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps([as_dict(one) for one in found]))
        return
    console = new_console()
    if not found:
        console.print(shown.nothing)
        return
    table = new_table(shown.title, *shown.columns, right_from=shown.right_from)
    for one in found:
        table.add_row(*row(one))
    console.print(table)
