"""``import flex``, ``import csv``, ``import list``, ``import show`` and ``import undo``."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import typer

from core.domain.formats import Format
from core.errors import DatabaseUnavailableError, LotkeeperError, StreamUnavailableError
from core.settings import Profile, Settings
from core.streams.redis import RedisStreams
from models.queries.imports import Imported, find_import, imports_page
from models.session import Database
from services.cli import show_imports
from services.cli.auditing import note
from services.cli.on_database import on_database
from services.cli.progress import terminal_line
from services.cli.readers import ReadApart, source_of
from services.position_sync.importing.report import Report
from services.position_sync.importing.run import Progress, UnknownImportError, run_import, undo_import
from services.position_sync.importing.source import Source

DISPUTED = 5
LISTED = 100


class Outcome(NamedTuple):
    """What came of one file."""

    path: Path
    report: Report | None
    error: str = ""
    outcome: str = "ok"
    """``ok``, or the code of what went wrong."""


def run_files(
    kind: Format,
    files: Sequence[Path],
    profile: Profile | None,
    *,
    dry_run: bool,
    strict: bool,
    as_json: bool,
    read_apart: ReadApart | None = None,
) -> None:
    """Import files one after the other. One that cannot be read stops none of the others.

    ``read_apart`` reads large Flex files in its own way.

    Raises:
        LotkeeperError: as ``on_database``.
        typer.Exit: 1 if a file could not be imported, 5 if ``strict`` and something is disputed.
    """

    async def work(database: Database, settings: Settings) -> list[Outcome]:
        outcomes: list[Outcome] = []
        async with _streams(settings) as streams:
            for path in files:
                source = source_of(settings, path, kind, read_apart=read_apart)
                one = await _import(database, streams, settings, source, dry_run=dry_run)
                if not dry_run:
                    await note(database, "import", path.name, one.outcome)
                if not as_json:
                    show_imports.outcome(one.report, one.error)
                outcomes.append(one)
        return outcomes

    outcomes = on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in outcomes]))
    if any(one.report is None for one in outcomes):
        raise typer.Exit(1)
    if strict and any(one.report is not None and one.report.disputed for one in outcomes):
        raise typer.Exit(DISPUTED)


async def _import(
    database: Database, streams: RedisStreams | None, settings: Settings, source: Source, *, dry_run: bool
) -> Outcome:
    try:
        report = await run_import(
            database,
            streams,
            settings,
            source,
            trigger="cli",
            dry_run=dry_run,
            progress=_progress_line(source.path),
        )
    except OSError as error:
        return Outcome(source.path, None, f"{source.path}: {error.strerror or error}", "unreadable")
    except (DatabaseUnavailableError, StreamUnavailableError):
        raise
    except LotkeeperError as error:
        return Outcome(source.path, None, str(error), error.code)
    return Outcome(source.path, report)


def run_list(profile: Profile | None, *, as_json: bool) -> None:
    """List the latest imports.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> list[Imported]:
        async with database.read() as reader:
            return await imports_page(reader, limit=LISTED)

    found = on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps([_recorded(one) for one in found]))
    else:
        show_imports.imports(found)


def run_show(profile: Profile | None, import_id: int, *, as_json: bool) -> None:
    """Show one import.

    Raises:
        UnknownImportError: there is none with this number.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> Imported:
        async with database.read() as reader:
            found = await find_import(reader, import_id)
        if found is None:
            raise UnknownImportError(f"There is no import {import_id}. `lotkeeper import list` shows them.")
        return found

    found = on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps(_recorded(found)))
    else:
        show_imports.imports([found])
        show_imports.kept_report(found.report)


def run_undo(profile: Profile | None, import_id: int, *, as_json: bool) -> None:
    """Take an import back.

    Raises:
        UnknownImportError: there is none with this number that stands.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, settings: Settings) -> Report:
        async with _streams(settings) as streams:
            report = await undo_import(database, streams, settings, import_id)
        await note(database, "import_undo", str(import_id))
        return report

    report = on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        show_imports.undone(report)


@asynccontextmanager
async def _streams(settings: Settings) -> AsyncIterator[RedisStreams | None]:
    # Without Redis the changes wait in the outbox, and the next sweep announces them.
    streams = None if settings.redis_url is None else RedisStreams.connect(settings)
    try:
        yield streams
    finally:
        if streams is not None:
            await streams.close()


def _as_json(one: Outcome) -> dict[str, Any]:
    if one.report is None:
        return {"name": one.path.name, "error": one.error}
    return one.report.as_json()


def _recorded(one: Imported) -> dict[str, Any]:
    told = one._asdict()
    for name in ("stated_at", "imported_at", "undone_at"):
        told[name] = None if told[name] is None else told[name].isoformat()
    return told


def _progress_line(path: Path) -> Progress | None:
    """A line on standard error that says how far it has come, where a person looks on."""
    line = terminal_line()
    if line is None:
        return None

    def tell(done: int, total: int) -> None:
        line(f"{path.name}: {100 * done // max(total, 1)} % read", is_last=done >= total)

    return tell
