"""``alerts channels``, ``add``, ``remove`` and ``test``: no database is needed for these."""

import asyncio
import sys
from pathlib import Path

import msgspec
import typer

from core.domain.alerting import Message
from core.errors import LotkeeperError, SettingsError
from core.settings import Profile, Settings, load_settings
from services.alerts.channels import Channel, add_channel, channels_of, remove_channel
from services.alerts.send import send
from services.cli.show import new_console, new_table

NO_CHANNEL = "No channel is set up. `lotkeeper alerts add` adds one, or set LOTKEEPER_ALERTS_URLS."


class NotTakenError(LotkeeperError):
    """A channel did not take a test message."""

    code = "alert_not_taken"


def _settings(profile: Profile | None) -> Settings:
    return load_settings() if profile is None else load_settings(profile=profile)


def run_channels(profile: Profile | None, *, as_json: bool) -> None:
    """Print the channels.

    Raises:
        SettingsError: the file of them cannot be read.
    """
    channels = channels_of(_settings(profile))
    if as_json:
        told = [{"name": one.name, "stored": one.is_stored} for one in channels]
        typer.echo(msgspec.json.encode({"channels": told}).decode())
        return
    console = new_console()
    if not channels:
        console.print(NO_CHANNEL)
        return
    table = new_table("Where messages go", "channel", "from")
    for one in channels:
        table.add_row(one.name, "`lotkeeper alerts add`" if one.is_stored else "LOTKEEPER_ALERTS_URLS")
    console.print(table)


def run_add(profile: Profile | None, url_file: Path | None) -> None:
    """Store a URL, asking for it where a person can answer.

    Raises:
        SettingsError: a file cannot be read or written.
        UnreadableUrlError: Apprise makes nothing of it.
    """
    settings = _settings(profile)
    channel = add_channel(settings, _url(url_file))
    typer.echo(f"Stored in {settings.alerts_file}: {channel.name}. Try it: lotkeeper alerts test")


def _url(url_file: Path | None) -> str:
    if url_file is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter(
                "Nobody can be asked for the URL here: name a --url-file (-: standard input)."
            )
        return str(typer.prompt("Apprise URL (it is not shown)", hide_input=True)).strip()
    try:
        text = sys.stdin.read() if str(url_file) == "-" else url_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"{url_file} cannot be read: {reason}.") from None
    return text.strip()


def run_remove(profile: Profile | None, name: str) -> None:
    """Forget a channel.

    Raises:
        UnknownChannelError: there is no such one, or a setting holds it.
        SettingsError: the file of them cannot be read or written.
    """
    remove_channel(_settings(profile), name)
    typer.echo(f"Nothing is sent to {name} any more.")


def run_test(profile: Profile | None, *, as_json: bool) -> None:
    """Send a test message everywhere, and print how it went.

    Raises:
        SettingsError: no channel is set up.
        NotTakenError: one did not take it.
    """
    settings = _settings(profile)
    channels = channels_of(settings)
    if not channels:
        raise SettingsError(NO_CHANNEL)
    message = Message(
        f"Lotkeeper ({settings.profile}): a test",
        "This is a test of `lotkeeper alerts test`. Nothing is wrong.",
        "review",
    )
    outcomes = asyncio.run(_send_to(channels, message))
    if as_json:
        told = [{"name": one.name, "taken": error is None, "error": error} for one, error in outcomes]
        typer.echo(msgspec.json.encode({"channels": told}).decode())
    else:
        for one, error in outcomes:
            typer.echo(f"{one.name}: {'taken' if error is None else f'not taken: {error}'}")
    failed = [one.name for one, error in outcomes if error is not None]
    if failed:
        raise NotTakenError(f"{', '.join(failed)} did not take it.")


async def _send_to(channels: list[Channel], message: Message) -> list[tuple[Channel, str | None]]:
    return [(one, await send(one.url, message)) for one in channels]
