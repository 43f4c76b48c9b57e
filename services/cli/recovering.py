"""``backup points`` and ``backup recover``: an embedded database as it was at any moment of the last days."""

import asyncio
import json
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import typer
from sqlalchemy.ext.asyncio import create_async_engine

from core.clock import utc_now
from core.settings import Profile, Settings, load_settings
from models.migrate import current_revision, head_revision, is_known_revision
from models.session import Database
from services.backup.errors import BackupLockedError, NotReachableError
from services.backup.keys import identities
from services.backup.manifest import state_of
from services.backup.moment import tables_of
from services.backup.recovering import Beside, Recovered, reachable, recover
from services.cli.backup_server import with_url
from services.cli.show import new_console, new_table
from services.cli.target import running_stack
from services.cli.times import start_at
from services.cli.validating import DiffersError
from services.position_sync.validate import validate_ledger
from services.stack.app import only_stack


class _Seen(NamedTuple):
    """What a database of a moment is. ``books`` were proven; ``None``: it is of another schema."""

    schema: str
    rows: int
    state: str
    books: int | None
    differing: int


def run_points(profile: Profile | None, *, as_json: bool) -> None:
    """Print what moments can be reached, the oldest first.

    Raises:
        LotkeeperError: a setting is wrong, or the database is none of ours.
    """
    settings = _settings(profile)
    found = reachable(settings)
    if as_json:
        told = [
            {
                "since": one.since.isoformat(),
                "until": one.until.isoformat(),
                "base": str(one.base.path),
                "segments": len(one.pieces),
                "timeline": one.base.line.timeline,
            }
            for one in found
        ]
        typer.echo(json.dumps(told))
        return
    if not found:
        typer.echo(f"No moment can be brought back from {settings.recovery_folder} yet.")
        return
    table = new_table("Moments that can be brought back", "from", "to", "segments of WAL", "base backup")
    for one in found:
        table.add_row(
            f"{one.since:%Y-%m-%d %H:%M:%S}",
            f"{one.until.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            f"{len(one.pieces):,}",
            one.base.path.name,
        )
    new_console().print(table)


def run_recover(
    profile: Profile | None, to: str, identity: Path | None, *, replace: bool, anyway: bool, as_json: bool
) -> None:
    """Bring the database of a moment back, beside or, with ``replace``, in its place; print what it is.

    Raises:
        DiffersError: its ledger is not what its facts give; it was not put in place.
        LotkeeperError: as ``recover``.
    """
    moment = start_at(to, "--to")
    settings = _settings(profile)
    stack = running_stack(settings, settings.profile)
    if stack is not None and replace:
        raise BackupLockedError(
            f"Lotkeeper runs on the database of {stack.profile} (process {stack.pid}), and nothing was "
            "changed. Stop it first (Ctrl-C)."
        )
    seen: list[_Seen] = []

    def look(beside: Beside) -> None:
        url = with_url(settings, beside.url).require_database_url()
        seen.append(asyncio.run(_look(url)))
        if seen[-1].differing and not anyway:
            raise DiffersError(
                f"The ledger of that moment is not what its facts give in {seen[-1].differing} books, and "
                "nothing was changed. Choose another moment, or have it all the same and mend it: "
                "--anyway, then `lotkeeper ledger rebuild`."
            )

    alone: AbstractContextManager[None] = only_stack(settings) if stack is None else nullcontext()
    with alone:
        recovered = recover(
            settings,
            moment,
            identities(settings, identity),
            now=utc_now(),
            is_stopped=stack is None,
            replace=replace,
            look_at=look,
        )
    _show(moment, recovered, seen[-1], settings.profile, as_json=as_json)


async def _look(url: str) -> _Seen:
    schema = await _schema(url)
    if schema is None:
        raise NotReachableError("At that moment there was no database of Lotkeeper yet.")
    if not is_known_revision(schema):
        raise NotReachableError(
            f"The database of that moment is of schema {schema}; this version of Lotkeeper knows schemas up "
            f"to {head_revision()}. Install a newer one."
        )
    tables = await tables_of(url)
    rows, state = sum(table.rows for table in tables.values()), state_of(tables)
    if schema != head_revision():
        return _Seen(schema, rows, state, None, 0)
    database = Database(url, application="cli", pool_size=2)
    try:
        found = await validate_ledger(database)
    finally:
        await database.close()
    return _Seen(schema, rows, state, found.books, len(found.differing))


async def _schema(url: str) -> str | None:
    engine = create_async_engine(url, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            return await current_revision(connection)
    finally:
        await engine.dispose()


def _show(moment: datetime, recovered: Recovered, seen: _Seen, profile: Profile, *, as_json: bool) -> None:
    window = recovered.window
    if as_json:
        told = {
            "moment": moment.isoformat(),
            "base": str(window.base.path),
            "in_place": recovered.is_in_place,
            "nothing_after": recovered.is_to_the_end,
            "schema": seen.schema,
            "rows": seen.rows,
            "state": seen.state,
            "books": seen.books,
            "differing_books": seen.differing,
            "files": list(recovered.files),
            "aside": None if recovered.old is None else str(recovered.old),
            "seconds": recovered.seconds,
        }
        typer.echo(json.dumps(told))
        return
    at = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    ledger = (
        f"{seen.books:,} books were proven by their facts, {seen.differing:,} of them are wrong"
        if seen.books is not None
        else f"it is of schema {seen.schema}, so its ledger was not proven"
    )
    typer.echo(
        f"The database of {at} was brought back in {recovered.seconds:.1f} s: {seen.rows:,} rows, state "
        f"{seen.state}; {ledger}."
    )
    if recovered.is_to_the_end:
        typer.echo("Nothing was written after that moment.")
    if not recovered.is_in_place:
        typer.echo("It was a trial, and was dropped. To have it in place: stop Lotkeeper, and --replace.")
        return
    if recovered.old is not None:
        typer.echo(f"What was there before is kept in {recovered.old}: delete it once it is not needed.")
    if recovered.files:
        typer.echo(f"Files put in their places: {', '.join(recovered.files)}.")
    typer.echo(f"Start it: lotkeeper {'demo' if profile == 'demo' else 'up'}")


def _settings(profile: Profile | None) -> Settings:
    settings = load_settings() if profile is None else load_settings(profile=profile)
    if settings.database_url is not None:
        raise NotReachableError(
            "Moments are brought back of the embedded database only, and LOTKEEPER_DATABASE_URL names "
            "another: use the WAL archive of that server."
        )
    return settings
