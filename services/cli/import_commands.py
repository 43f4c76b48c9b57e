"""``import …``. What they need is imported when they run, as in ``commands``."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson, WhichProfile

imports = typer.Typer(
    no_args_is_help=True, help="Bring statements into the ledger, look at what was brought, take it back."
)

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="The statements.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change; nothing is written.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit code 5 if a trade says something else than what is known.")
]
ImportId = Annotated[int, typer.Argument(metavar="ID", help="As `lotkeeper import list` tells it.")]


@imports.command()
def flex(
    files: Files,
    dry_run: DryRun = False,
    strict: Strict = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Import Flex statements (XML): activity or trade confirmations. Workers may go on meanwhile.

    Each file is imported whole or not at all, and once, however often it is given.
    """
    from services.cli.reading_ahead import reading_ahead  # noqa: PLC0415 - takes a while, not needed for help

    with reading_ahead(files[0]) as read:
        from services.cli.importing import run_files  # noqa: PLC0415 - the same: it is read meanwhile

        run_files("flex", files, profile, dry_run=dry_run, strict=strict, as_json=as_json, read_apart=read)


@imports.command("csv")
def csv_files(
    files: Files,
    dry_run: DryRun = False,
    strict: Strict = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Import CSV files of your own: trades, transfers and cash that no Flex statement tells of.

    The columns are described in docs/reference/csv.md. Each file is imported whole or not at all, and once.
    """
    from services.cli.importing import run_files  # noqa: PLC0415 - takes a while, not needed for help

    run_files("csv", files, profile, dry_run=dry_run, strict=strict, as_json=as_json)


@imports.command("list")
def list_them(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """List the latest imports."""
    from services.cli.importing import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, as_json=as_json)


@imports.command()
def show(import_id: ImportId, profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Show what an import came to."""
    from services.cli.importing import run_show  # noqa: PLC0415 - takes a while, not needed for help

    run_show(profile, import_id, as_json=as_json)


@imports.command()
def undo(import_id: ImportId, profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Take an import back: what only it stated is gone, what it changed is as before. The file is kept."""
    from services.cli.importing import run_undo  # noqa: PLC0415 - takes a while, not needed for help

    run_undo(profile, import_id, as_json=as_json)
