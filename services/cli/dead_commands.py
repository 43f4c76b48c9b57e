"""``dead …``. What they need is imported when they run, as in ``commands``."""

from typing import Annotated

import typer

from core.errors import ErrorCategory
from services.cli.options import AsJson, OneAccount, WhichProfile

dead = typer.Typer(
    no_args_is_help=True,
    help="What could not be read or applied: look at it, try it again, or let it rest.",
)

OneCategory = Annotated[
    ErrorCategory | None,
    typer.Option("--category", help="Only of this category. [default: all]"),
]
Ids = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="As `lotkeeper dead list` tells them.")
]


@dead.command("list")
def list_them(
    category: OneCategory = None,
    account: OneAccount = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also what was retried well, and what was dropped.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """List what was kept aside and stands open."""
    from services.cli.dead import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, category, account, every=every, limit=limit, as_json=as_json)


@dead.command()
def show(
    dead_id: Annotated[int, typer.Argument(metavar="ID")],
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show one with its whole content. It may tell amounts and accounts."""
    from services.cli.dead import run_show  # noqa: PLC0415 - takes a while, not needed for help

    run_show(profile, dead_id, as_json=as_json)


@dead.command()
def retry(
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that stands open.")] = False,
    category: OneCategory = None,
    account: OneAccount = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Read and apply it again, as the worker would. Exit code 1 if some of it cannot be applied still."""
    from services.cli.dead import Choice, run_retry  # noqa: PLC0415 - takes a while, not needed for help

    run_retry(profile, Choice(ids or [], every, category, account), as_json=as_json)


@dead.command()
def drop(
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that stands open; needs --yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, all of it.")] = False,
    category: OneCategory = None,
    account: OneAccount = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Let it rest: it is kept, and stands open no more."""
    from services.cli.dead import Choice, run_drop  # noqa: PLC0415 - takes a while, not needed for help

    if every and not yes:
        raise typer.BadParameter("To drop everything that stands open, add --yes.")
    run_drop(profile, Choice(ids or [], every, category, account), as_json=as_json)
