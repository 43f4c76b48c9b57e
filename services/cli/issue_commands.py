"""``issues …``. What they need is imported when they run, as in ``commands``."""

from typing import Annotated, Literal

import typer

from core.domain.rules import Severity
from services.cli.options import AsJson, OneAccount, WhichProfile

issues = typer.Typer(
    no_args_is_help=True,
    help="What the rules found: look at it, and say what you know of.",
)

IssueId = Annotated[int, typer.Argument(metavar="ID", help="As `lotkeeper issues list` tells it.")]


@issues.command("list")
def list_them(
    status: Annotated[
        Literal["open", "acknowledged", "resolved", "all"],
        typer.Option("--status", help="How they stand."),
    ] = "open",
    severity: Annotated[
        Severity | None, typer.Option("--severity", help="Only those that are so grave. [default: all]")
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option("--rule", metavar="RULE", help="Only what this rule found. [default: all]"),
    ] = None,
    account: OneAccount = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 100,
    before: Annotated[
        int | None,
        typer.Option("--before", metavar="ID", help="Only what is listed after this one: the next page."),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """List what the rules found, what opened last first."""
    from services.cli.issues import Asked, run_list  # noqa: PLC0415 - takes a while, not needed for help

    asked = Asked(status, severity, rule, account, limit, before)
    run_list(profile, asked, as_json=as_json)


@issues.command()
def show(issue_id: IssueId, profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Show one whole: what to do about it, and what was known of it before."""
    from services.cli.issues import run_show  # noqa: PLC0415 - takes a while, not needed for help

    run_show(profile, issue_id, as_json=as_json)


@issues.command()
def acknowledge(
    issue_id: IssueId,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="What you know of it; kept with it.")
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Say that you know of one: it wants no attention until it comes again or is worse."""
    from services.cli.issues import run_acknowledge  # noqa: PLC0415 - takes a while, not needed for help

    run_acknowledge(profile, issue_id, note, as_json=as_json)
