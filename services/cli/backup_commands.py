"""``backup …``. What it needs is imported when it runs, as in ``commands``."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson, WhichProfile

backup = typer.Typer(
    no_args_is_help=True,
    help="Encrypted backups of the database: taken, verified, restored, also on trial. A worker takes one "
    "a day.",
)

Identity = Annotated[
    Path | None,
    typer.Option(
        "--identity", metavar="FILE", help="The age identity that opens it. [default: the profile's]"
    ),
]
SomeArchive = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="The archive. [default: the newest]", show_default=False)
]


@backup.command()
def create(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Take a backup now, also while Lotkeeper runs."""
    from services.cli.backing_up import run_create  # noqa: PLC0415 - takes a while, not needed for help

    run_create(profile, as_json=as_json)


@backup.command("list")
def list_archives(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """List the archives, the oldest first."""
    from services.cli.backing_up import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, as_json=as_json)


@backup.command()
def verify(
    archive: SomeArchive = None,
    identity: Identity = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Look whether an archive is whole and unchanged; where its key is here, also what is inside."""
    from services.cli.backing_up import run_verify  # noqa: PLC0415 - takes a while, not needed for help

    run_verify(profile, archive, identity, as_json=as_json)


@backup.command()
def drill(
    archive: SomeArchive = None,
    identity: Identity = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Restore an archive on trial, into a database beside, and compare. Exit code 5 if it differs."""
    from services.cli.backing_up import run_drill  # noqa: PLC0415 - takes a while, not needed for help

    run_drill(profile, archive, identity, as_json=as_json)


@backup.command()
def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="The archive.")],
    identity: Identity = None,
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            metavar="URL",
            help="The database to restore into; it need not be there. [default: LOTKEEPER_DATABASE_URL, else "
            "the embedded one]",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the portfolio that is there, once it is backed up.")
    ] = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Restore an archive, on a fresh machine or while Lotkeeper is stopped.

    Until all of it is there and compared, nothing that was there is touched.
    """
    from services.cli.restoring import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, archive, identity, into, replace=replace, as_json=as_json)


@backup.command()
def points(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """List the moments that an embedded database can be brought back to."""
    from services.cli.recovering import run_points  # noqa: PLC0415 - takes a while, not needed for help

    run_points(profile, as_json=as_json)


@backup.command()
def recover(
    to: Annotated[
        str, typer.Option("--to", metavar="TIME", help="The moment, with its zone: 2026-11-28T14:03:00Z")
    ],
    identity: Identity = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Put it in the place of what is there, which is kept aside. Without: a trial."
        ),
    ] = False,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Also if its ledger is wrong: `lotkeeper ledger rebuild` mends that."),
    ] = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Bring an embedded database back to a moment: on trial or, where that is said, in its place."""
    from services.cli.recovering import run_recover  # noqa: PLC0415 - takes a while, not needed for help

    run_recover(profile, to, identity, replace=replace, anyway=anyway, as_json=as_json)


@backup.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which; nothing is deleted.")] = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Delete archives older than LOTKEEPER_BACKUP_DAYS; the newest stays."""
    from services.cli.backing_up import run_prune  # noqa: PLC0415 - takes a while, not needed for help

    run_prune(profile, dry_run=dry_run, as_json=as_json)
