"""``flex …``. What they need is imported when they run, as in ``commands``."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson, WhichProfile

flex = typer.Typer(
    no_args_is_help=True,
    help="Statements from IBKR's Flex Web Service: set it up, fetch now, see how it goes.",
)

Queries = Annotated[
    list[str] | None,
    typer.Option(
        "--query", metavar="ID", help="A query's number; as often as there are. [default: all set up]"
    ),
]


@flex.command()
def setup(
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            allow_dash=True,
            help="Read the token from there (-: standard input) instead of asking for it.",
        ),
    ] = None,
    queries: Queries = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="DAY",
            help="The token's last day, as Client Portal shows it (2027-06-30), to be warned before.",
        ),
    ] = None,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Store them without trying them on the service.")
    ] = False,
    profile: WhichProfile = None,
) -> None:
    """Store the token and the queries (mode 0600) after trying them on the service."""
    from services.cli.flex import run_setup  # noqa: PLC0415 - takes a while, not needed for help

    run_setup(profile, token_file, queries or [], expires, check=not no_check)


@flex.command()
def fetch(
    queries: Queries = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Where to put it. [default: the folder of statements, under a name of its own]",
        ),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Fetch statements now, and say where they are. Exit code 4 if one is not ready yet."""
    from services.cli.flex import run_fetch  # noqa: PLC0415 - takes a while, not needed for help

    run_fetch(profile, queries or [], output, as_json=as_json)


@flex.command()
def status(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Show each query: when it was fetched last, when it is due next, and what went wrong."""
    from services.cli.flex import run_status  # noqa: PLC0415 - takes a while, not needed for help

    run_status(profile, as_json=as_json)
