"""``jobs list`` and ``show``: work that was asked for, and what came of it."""

from typing import Any
from uuid import UUID

import msgspec
import typer
from rich.markup import escape

from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.jobs_listed import FailingWork, JobStatus, failing_work, jobs_page
from models.queries.sync import JobRow, job_by_id
from models.session import Database
from services.cli.on_database import on_database
from services.cli.show import new_console, new_table

_MOST_FAILING = 100
_COLOURS = {"failed": "red", "running": "yellow", "queued": "dim", "succeeded": "green"}


class UnknownJobError(LotkeeperError):
    """There is no job of this id."""

    code = "unknown_job"
    exit_code = 2


def run_list(
    profile: Profile | None, status: JobStatus | None, kind: str | None, limit: int, *, as_json: bool
) -> None:
    """Print the last jobs, and what the workers try in vain.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> tuple[list[JobRow], list[FailingWork]]:
        async with database.read() as reader:
            found = await jobs_page(reader, status=status, kind=kind, limit=limit)
            return found, await failing_work(reader, most=_MOST_FAILING)

    rows, failing = on_database(profile, None, work)
    if as_json:
        told = {"jobs": [row._asdict() for row in rows], "failing_work": [one._asdict() for one in failing]}
        typer.echo(msgspec.json.encode(told).decode())
        return
    console = new_console()
    if rows:
        table = new_table("Jobs", "id", "asked for", "what", "how it stands", "error")
        for row in rows:
            table.add_row(*_row(row))
        console.print(table)
    else:
        console.print("No such job was asked for.")
    if failing:
        table = new_table("What workers try in vain", "what", "account", "attempts", "wanted at", "error")
        for one in failing:
            table.add_row(
                one.kind.replace("_", " "),
                one.account,
                str(one.attempts),
                f"{one.wanted_at:%Y-%m-%d %H:%M}",
                escape(one.error),
            )
        console.print(table)


def _row(row: JobRow) -> tuple[str, ...]:
    colour = _COLOURS.get(row.status, "")
    progress = "" if row.progress is None or row.status != "running" else f" {row.progress:.0%}"
    state = f"[{colour}]{row.status}{progress}[/]" if colour else row.status
    return (
        str(row.id),
        f"{row.created_at:%Y-%m-%d %H:%M:%S}",
        row.kind.replace("_", " "),
        state,
        escape(row.error or ""),
    )


def run_show(profile: Profile | None, job: str, *, as_json: bool) -> None:
    """Print one whole.

    Raises:
        UnknownJobError: there is none of this id.
        LotkeeperError: as ``on_database``.
    """
    unknown = UnknownJobError(f"There is no job {job}. See: lotkeeper jobs list")
    try:
        number = UUID(job)
    except ValueError:
        raise unknown from None

    async def work(database: Database, _settings: Settings) -> JobRow | None:
        async with database.read() as reader:
            return await job_by_id(reader, number)

    row = on_database(profile, None, work)
    if row is None:
        raise unknown
    if as_json:
        typer.echo(msgspec.json.encode(row._asdict()).decode())
        return
    console = new_console()
    for name, value in row._asdict().items():
        if value is not None and value != {}:
            console.print(f"{name.replace('_', ' ')}: {escape(_spelled(value))}")


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return str(value)
