"""``jobs …`` and ``setup``. What they need is imported when they run, as in ``commands``."""

from typing import Annotated, Literal

import typer

from services.cli.options import AsJson, WhichProfile

jobs = typer.Typer(no_args_is_help=True, help="Work that was asked for: resyncs, snapshots, imports, checks.")


@jobs.command("list")
def list_them(
    status: Annotated[
        Literal["queued", "running", "succeeded", "failed"] | None,
        typer.Option("--status", help="Only those that stand so. [default: all]"),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only these, as resync. [default: all]")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """List what was asked for last, and what workers try in vain."""
    from services.cli.jobs import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, status, kind, limit, as_json=as_json)


@jobs.command()
def show(
    job: Annotated[str, typer.Argument(metavar="ID", help="As `lotkeeper jobs list` tells it.")],
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show one whole: what was asked for, how far it has come, and what came of it."""
    from services.cli.jobs import run_show  # noqa: PLC0415 - takes a while, not needed for help

    run_show(profile, job, as_json=as_json)


def setup(
    host: Annotated[
        str | None, typer.Option("--host", help="Where TWS or IB Gateway runs. [default: asked for, or here]")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Its port. [default: where one answers]")
    ] = None,
    client_id: Annotated[
        int | None, typer.Option("--client-id", min=0, max=2**31 - 1, help="Ours there. [default: 71]")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Write it without trying it.")] = False,
) -> None:
    """Find TWS or IB Gateway, try it, and write where it is to `.env` in this folder."""
    from services.cli.setup import run_setup  # noqa: PLC0415 - takes a while, not needed for help

    run_setup(host, port, client_id, yes=yes, no_check=no_check)
