"""``accounts group …`` and ``benchmark …``. What they need is imported when they run, as in ``commands``."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson, WhichProfile

accounts = typer.Typer(no_args_is_help=True, help="Put accounts together under a name.")
group = typer.Typer(no_args_is_help=True, help="Groups of accounts, whose performance is looked at as one.")
accounts.add_typer(group, name="group")
benchmark = typer.Typer(no_args_is_help=True, help="Bring what performance is held against.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name of yours.")]


@group.command("list")
def list_groups(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """List the groups and their accounts."""
    from services.cli.grouping import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, as_json=as_json)


@group.command("set")
def set_group(
    name: Name,
    members: Annotated[list[str], typer.Argument(metavar="ACCOUNT...", help="All accounts that it has.")],
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Make a group of just these accounts, or change it to be of them."""
    from services.cli.grouping import run_set  # noqa: PLC0415 - takes a while, not needed for help

    run_set(profile, name, members, as_json=as_json)


@group.command("drop")
def drop_group(name: Name, profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Forget a group. Its accounts stay as they are."""
    from services.cli.grouping import run_drop  # noqa: PLC0415 - takes a while, not needed for help

    run_drop(profile, name, as_json=as_json)


@benchmark.command("import")
def import_levels(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with the columns date and level.")],
    currency: Annotated[
        str | None, typer.Option(help="What the levels are in, as USD. [default: not told]")
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Bring daily levels of an index or a fund: the whole file or nothing of it. Days it has count anew."""
    from services.cli.benchmarking import run_import  # noqa: PLC0415 - takes a while, not needed for help

    run_import(profile, name, file, currency, as_json=as_json)


@benchmark.command("list")
def list_benchmarks(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """List the benchmarks and the days that their levels are of."""
    from services.cli.benchmarking import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, as_json=as_json)


@benchmark.command("drop")
def drop_benchmark(name: Name, profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Forget a benchmark and its levels."""
    from services.cli.benchmarking import run_drop  # noqa: PLC0415 - takes a while, not needed for help

    run_drop(profile, name, as_json=as_json)
