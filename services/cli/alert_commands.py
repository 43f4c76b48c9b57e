"""``alerts …``. What they need is imported when they run, as in ``commands``."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson, WhichProfile

alerts = typer.Typer(
    no_args_is_help=True,
    help="Be told of what stands wrong, by mail, Slack, Telegram, ntfy, a webhook and some hundred others.",
)

ConditionId = Annotated[str, typer.Argument(metavar="ID", help="As `lotkeeper alerts list` tells it.")]


@alerts.command("list")
def list_them(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Show what stands wrong now, and whether people were told of it."""
    from services.cli.alerts import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, as_json=as_json)


@alerts.command()
def messages(
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show the last messages, newest first, and whether each channel took them."""
    from services.cli.alerts import run_messages  # noqa: PLC0415 - takes a while, not needed for help

    run_messages(profile, limit, as_json=as_json)


@alerts.command()
def channels(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Show where messages go, without the secrets of it."""
    from services.cli.alert_channels import run_channels  # noqa: PLC0415 - takes a while, not needed for help

    run_channels(profile, as_json=as_json)


@alerts.command()
def add(
    url_file: Annotated[
        Path | None,
        typer.Option(
            "--url-file",
            metavar="FILE",
            allow_dash=True,
            help="Read the Apprise URL from there (-: standard input) instead of asking for it.",
        ),
    ] = None,
    profile: WhichProfile = None,
) -> None:
    """Send messages to a further place: an Apprise URL (mailto://, slack://, tgram://, ntfy://, json://)."""
    from services.cli.alert_channels import run_add  # noqa: PLC0415 - takes a while, not needed for help

    run_add(profile, url_file)


@alerts.command()
def remove(
    channel: Annotated[str, typer.Argument(help="As `lotkeeper alerts channels` tells it.")],
    profile: WhichProfile = None,
) -> None:
    """Send nothing there any more."""
    from services.cli.alert_channels import run_remove  # noqa: PLC0415 - takes a while, not needed for help

    run_remove(profile, channel)


@alerts.command("test")
def try_channels(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Send a test message to every channel now. Exit code 1 if one does not take it."""
    from services.cli.alert_channels import run_test  # noqa: PLC0415 - takes a while, not needed for help

    run_test(profile, as_json=as_json)


@alerts.command()
def mute(
    condition_id: ConditionId,
    hours: Annotated[float, typer.Option("--hours", min=0, max=8760, help="For how long.")] = 24,
    profile: WhichProfile = None,
) -> None:
    """Hear nothing of one thing for some time; 0 hours: hear of it again."""
    from services.cli.alerts import run_mute  # noqa: PLC0415 - takes a while, not needed for help

    run_mute(profile, condition_id, hours)


@alerts.command()
def price(
    instrument: Annotated[str, typer.Argument(metavar="SYMBOL|CONID", help="An instrument that is known.")],
    above: Annotated[
        str | None, typer.Option(metavar="PRICE", help="Tell when it is at or above it.")
    ] = None,
    below: Annotated[
        str | None, typer.Option(metavar="PRICE", help="Tell when it is at or below it.")
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Told along with it.")] = None,
    profile: WhichProfile = None,
) -> None:
    """Be told once when something that is held reaches a price, in its currency and as it is quoted."""
    from services.cli.alert_prices import run_price  # noqa: PLC0415 - takes a while, not needed for help

    run_price(profile, instrument, above, below, note)


@alerts.command()
def prices(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Show the prices that are watched, and those that were met."""
    from services.cli.alert_prices import run_prices  # noqa: PLC0415 - takes a while, not needed for help

    run_prices(profile, as_json=as_json)


@alerts.command()
def forget(
    numbers: Annotated[
        list[int], typer.Argument(metavar="NUMBER...", help="As `lotkeeper alerts prices` tells them.")
    ],
    profile: WhichProfile = None,
) -> None:
    """Watch prices no more."""
    from services.cli.alert_prices import run_forget  # noqa: PLC0415 - takes a while, not needed for help

    run_forget(profile, numbers)
