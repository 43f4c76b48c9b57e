"""``snapshot …``. What it needs is imported when it runs, as in ``commands``."""

from typing import Annotated

import typer

from services.cli.options import AsJson, OneAccount, WhichProfile

snapshot = typer.Typer(
    invoke_without_command=True,
    help="Save what accounts are worth now, from what the broker told last. A worker does so every hour.",
)


@snapshot.callback()
def save(
    context: typer.Context,
    account: OneAccount = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Save what accounts are worth now, from what the broker told last. A worker does so every hour.

    Exit code 3 if what is known is not fresh enough of any account, 5 if it is of some only.
    """
    if context.invoked_subcommand is not None:
        if account or profile or as_json:
            raise typer.BadParameter(f"Put the options after `{context.invoked_subcommand}`.")
        return
    from services.cli.snapshotting import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, account, as_json=as_json)


@snapshot.command()
def thin(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go; nothing is dropped.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, for good.")] = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Keep of what is older than LOTKEEPER_SNAPSHOT_HOURLY_YEARS one snapshot a day in full.

    Of each day that stays which fresh marks covered best (of several the last), and those that somebody
    asked for; and of all what accounts were worth, and their cash. The positions of the others, and what they
    were made of, cannot be had again.
    """
    from services.cli.thinning import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, dry_run=dry_run, yes=yes, as_json=as_json)
