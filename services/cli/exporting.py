"""``export``: what was asked for, and what came of it."""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

import typer
from rich.markup import escape

from core.settings import Profile, Settings
from models.queries.datasets import left_out
from models.queries.datasets.catalogue import DATASETS
from models.queries.datasets.columns import Bounds
from models.restricted import RestrictedPool
from models.session import Database, Reader
from services.cli.auditing import note
from services.cli.on_database import on_database
from services.cli.progress import terminal_line
from services.cli.show import new_console, new_table
from services.cli.times import WrongTimeError, end_at, start_at
from services.export.errors import ExportChoiceError, ExportDiffersError
from services.export.manifest import Format, Manifest
from services.export.run import Choice, Tell, chosen, export
from services.export.verify import verify
from services.export.views import write_views


class Wanted(NamedTuple):
    """What is asked for, as it was typed."""

    format: Format
    out: Path
    datasets: Sequence[str]
    accounts: Sequence[str]
    since: str | None
    until: str | None
    replace: bool
    passphrase_file: Path | None


def _choice(wanted: Wanted) -> Choice:
    since = None if wanted.since is None else start_at(wanted.since, "--from")
    until = None if wanted.until is None else end_at(wanted.until, "--to")
    if since is not None and until is not None and since >= until:
        raise WrongTimeError(
            f"--from {wanted.since} is not before --to {wanted.until}: nothing lies between."
        )
    return Choice(
        wanted.format,
        wanted.out,
        tuple(wanted.datasets),
        tuple(sorted(set(wanted.accounts))) or None,
        Bounds(*(None if one is None else one.isoformat() for one in (since, until))),
        wanted.replace,
        None if wanted.passphrase_file is None else _passphrase(wanted.passphrase_file),
    )


def _passphrase(path: Path) -> str:
    try:
        passphrase = (path.read_text(encoding="utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ExportChoiceError(f"The passphrase cannot be read from {path}: {reason}.") from error
    if not passphrase:
        raise ExportChoiceError(f"The first line of {path} is empty: there is no passphrase in it.")
    return passphrase


def run(profile: Profile | None, wanted: Wanted, *, as_json: bool) -> None:
    """Export, and say what was written.

    Raises:
        WrongTimeError: a time is none.
        ExportChoiceError: something was asked for that there is not.
        TargetError, ExportFailedError: it could not be written; nothing of it is left.
        LotkeeperError: as ``on_database``.
    """
    choice = _choice(wanted)
    chosen(choice)  # before PostgreSQL is asked for anything

    async def work(database: Database, settings: Settings) -> Manifest:
        async with _reading(database, settings, choice) as reader:
            manifest = await export(reader, settings.profile, choice, _progress_line())
        await note(database, "export", str(choice.target))
        return manifest

    manifest = on_database(profile, wanted.accounts, work)
    rows, size = sum(one.rows for one in manifest.datasets), sum(one.bytes for one in manifest.files)
    if as_json:
        told = {
            "out": str(choice.target),
            "format": manifest.format,
            "taken_at": manifest.taken_at,
            "rows": rows,
            "bytes": size,
            "files": len(manifest.files),
            "datasets": {one.name: one.rows for one in manifest.datasets},
            "left_out": manifest.left_out,
        }
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{choice.target}: {rows:,} rows of {len(manifest.datasets)} datasets as {manifest.format}, in "
        f"{len(manifest.files)} files of {size:,} bytes, all as of {manifest.taken_at}."
    )


def _reading(database: Database, settings: Settings, choice: Choice) -> AbstractAsyncContextManager[Reader]:
    if choice.accounts is None:
        return database.read_one_moment()
    # As somebody sees it who may see these accounts: PostgreSQL leaves the others' rows out.
    pool = RestrictedPool(settings.require_database_direct_url(), database, application="cli")
    return pool.of(choice.accounts).read_one_moment()


def _progress_line() -> Tell | None:
    """A line on standard error that says how far it has come, where a person looks on."""
    line = terminal_line()
    if line is None:
        return None
    shown = (-1, -1)

    def tell(done: int, total: int, name: str, size: int) -> None:
        nonlocal shown
        megabytes = size >> 20
        if (done, megabytes) != shown:
            shown = (done, megabytes)
            at = f", {name}: {megabytes:,} MB" if name else ""
            line(f"{done} of {total} datasets{at}", is_last=done == total)

    return tell


def run_datasets(*, as_json: bool) -> None:
    """List every dataset, and what is none and why."""
    if as_json:
        told = [
            {
                "name": one.name,
                "kind": one.kind,
                "description": one.description,
                "time": one.time,
                "by_account": one.by_account,
            }
            for one in DATASETS.values()
        ]
        typer.echo(json.dumps({"datasets": told, "left_out": left_out.TABLES}))
        return
    console = new_console()
    table = new_table("Datasets", "name", "what", "--from and --to", "--account", "")
    for one in DATASETS.values():
        table.add_row(
            one.name, one.kind, one.time or "–", "yes" if one.by_account else "–", escape(one.description)
        )
    console.print(table)
    others = new_table("Never exported", "table", "why")
    for name, why in left_out.TABLES.items():
        others.add_row(name, why)
    console.print(others)


def run_verify(folder: Path, *, as_json: bool) -> None:
    """Say whether an export is what was written.

    Raises:
        NoExportError: it is none.
        ExportDiffersError: it is not.
    """
    manifest, findings = verify(folder)
    rows = sum(one.rows for one in manifest.datasets)
    if as_json:
        told = {
            "ok": not findings,
            "taken_at": manifest.taken_at,
            "schema_revision": manifest.schema_revision,
            "files": len(manifest.files),
            "rows": rows,
            "findings": [one._asdict() for one in findings],
        }
        typer.echo(json.dumps(told))
    elif findings:
        for one in findings:
            typer.echo(f"{one.path} {one.reason}")
    if findings:
        raise ExportDiffersError(
            f"{folder} is not what was written: {len(findings)} findings. Do not trust it; export again, or "
            "take another copy."
        )
    if not as_json:
        typer.echo(
            f"{folder} is whole: {len(manifest.files)} files, {rows:,} rows as of {manifest.taken_at}, "
            f"schema {manifest.schema_revision}."
        )


def run_views(folder: Path, *, as_json: bool) -> None:
    """Make views of DuckDB, and say how to use them.

    Raises:
        NoExportError, ExportChoiceError: there is no Parquet to make them over.
        ExportFailedError: they cannot be written there.
    """
    written = write_views(folder)
    if as_json:
        typer.echo(json.dumps({"written": [str(one) for one in written]}))
        return
    for one in written:
        typer.echo(str(one))
    if len(written) == 1:
        typer.echo("DuckDB is not installed here (pip install duckdb), so there is no lotkeeper.duckdb.")
    typer.echo(
        f"In {folder}: duckdb {written[-1].name}"
        if len(written) > 1
        else f"In {folder}: duckdb -init views.sql"
    )
