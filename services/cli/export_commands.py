"""``export …``. What they need is imported when they run, as in ``commands``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from services.cli.options import AsJson, WhichProfile

export = typer.Typer(
    no_args_is_help=True, help="Files of all that is kept: Parquet, CSV, JSON lines or SQLite."
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of an export.")]


@export.command("all")
def export_all(
    file_format: Annotated[
        Literal["parquet", "csv", "jsonl", "sqlite"],
        typer.Option("--format", help="parquet, csv, jsonl or sqlite."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder to make; it must be empty or not there.")
    ],
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", metavar="NAME", help="Only this; may be given again. [default: all]"),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", metavar="ACCOUNT", help="Only of this; may be given again. [default: all]"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="What happened from then on: a day (its start) or a time."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="What happened until then: a day (its end) or a time."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of an earlier export; of nothing else.")
    ] = False,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(help="Encrypt the SQLite file (SQLCipher) with the first line of this file."),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Write every table and report, all of one moment, and a manifest: the whole folder or nothing of it."""
    from services.cli.exporting import Wanted, run  # noqa: PLC0415 - takes a while, not needed for help

    wanted = Wanted(file_format, out, dataset or [], account or [], since, until, replace, passphrase_file)
    run(profile, wanted, as_json=as_json)


@export.command("datasets")
def datasets(as_json: AsJson = False) -> None:
    """List what can be exported, and what never is and why."""
    from services.cli.exporting import run_datasets  # noqa: PLC0415 - takes a while, not needed for help

    run_datasets(as_json=as_json)


@export.command("verify")
def verify(folder: Folder, as_json: AsJson = False) -> None:
    """Hold the files of an export to its manifest. Exit code 5 if one is missing or was changed."""
    from services.cli.exporting import run_verify  # noqa: PLC0415 - takes a while, not needed for help

    run_verify(folder, as_json=as_json)


@export.command("duckdb")
def duckdb(folder: Folder, as_json: AsJson = False) -> None:
    """Make DuckDB views over a Parquet export: views.sql, and lotkeeper.duckdb where DuckDB is there."""
    from services.cli.exporting import run_views  # noqa: PLC0415 - takes a while, not needed for help

    run_views(folder, as_json=as_json)
