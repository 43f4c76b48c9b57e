"""``instruments …``. What they need is imported when they run, as in ``commands``."""

from typing import Annotated, Literal

import typer

from services.cli.options import AsJson, WhichProfile

instruments = typer.Typer(
    no_args_is_help=True, help="Which instruments are the same across brokers and exchanges; set it right."
)

Conid = Annotated[int, typer.Argument(metavar="CONID", help="As `lotkeeper instruments list` tells it.")]
Global = Annotated[
    str,
    typer.Argument(
        metavar="GLOBAL",
        help="A global instrument's id, an ISIN, CUSIP or FIGI, or the conid of another instrument.",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Though what identifies them says that they are not the same.")
]


@instruments.command("list")
def list_instruments(
    which: Annotated[
        Literal["unmapped", "low", "review", "manual"] | None,
        typer.Option(
            "--which",
            help="Only those not mapped yet, with low confidence, to be looked at, or mapped by hand.",
        ),
    ] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Only those with exactly this one.")] = None,
    isin: Annotated[str | None, typer.Option("--isin", help="Only those with this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many at most.")] = 200,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """List instruments and what each of them is, by what that was found, and how sure it is."""
    from services.cli.instruments import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, symbol, isin, which, limit, as_json=as_json)


# Numbers of our own are negative, and no options.
_NUMBERS = {"ignore_unknown_options": True}


@instruments.command(context_settings=_NUMBERS)
def show(conid: Conid, profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Show an instrument, what it is, and what else is the same."""
    from services.cli.instruments import run_show  # noqa: PLC0415 - takes a while, not needed for help

    run_show(profile, conid, as_json=as_json)


@instruments.command("map", context_settings=_NUMBERS)
def map_instrument(
    conid: Conid, target: Global, force: Force = False, profile: WhichProfile = None, as_json: AsJson = False
) -> None:
    """Say what an instrument is. It stands until it is taken back, whatever becomes known."""
    from services.cli.instruments import run_map  # noqa: PLC0415 - takes a while, not needed for help

    run_map(profile, conid, target, force=force, as_json=as_json)


@instruments.command(context_settings=_NUMBERS)
def unmap(conid: Conid, profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Take back what was said of an instrument by `map`."""
    from services.cli.instruments import run_unmap  # noqa: PLC0415 - takes a while, not needed for help

    run_unmap(profile, conid, as_json=as_json)


@instruments.command(context_settings=_NUMBERS)
def merge(
    one: Global,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The same: what it is from now on.")],
    force: Force = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Say that a global instrument is another one, with all its instruments, those to come included."""
    from services.cli.instruments import run_merge  # noqa: PLC0415 - takes a while, not needed for help

    run_merge(profile, one, into, force=force, as_json=as_json)


@instruments.command()
def unmerge(
    one: Annotated[str, typer.Argument(metavar="ID", help="The id that was merged into another.")],
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Take back what was said of a global instrument by `merge`."""
    from services.cli.instruments import run_unmerge  # noqa: PLC0415 - takes a while, not needed for help

    run_unmerge(profile, one, as_json=as_json)
