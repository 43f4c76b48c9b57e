"""``login …``. What they need is imported when they run, as in ``commands``."""

from typing import Annotated

import typer

from services.cli.options import AsJson, WhichProfile

login = typer.Typer(no_args_is_help=True, help="The logins that are recorded here, by their gateways.")


@login.command("list")
def list_them(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """List the logins: how their links stand, which accounts they list, and who serves them."""
    from services.cli.logins import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, as_json=as_json)


@login.command()
def end(
    name: Annotated[str, typer.Argument(metavar="HOST:PORT", help="As `lotkeeper login list` names it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Give a login up: its accounts are waited for no more. What was recorded stays."""
    from services.cli.logins import run_end  # noqa: PLC0415 - takes a while, not needed for help

    run_end(profile, name, yes=yes, as_json=as_json)
