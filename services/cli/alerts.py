"""``alerts list``, ``messages`` and ``mute``."""

from datetime import timedelta

import msgspec
import typer
from rich.markup import escape

from core.clock import utc_now
from core.domain.alerting import Standing
from core.domain.rules import RANKS
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.alerts import DeliveryRow, MessageRow, messages_page, standing_conditions
from models.session import Database
from models.stores import alerts as store
from services.cli.auditing import audited
from services.cli.on_database import on_database
from services.cli.show import new_console, new_table

_COLOURS = {"error": "red", "warning": "yellow", "review": "blue"}


class UnknownConditionError(LotkeeperError):
    """Nothing of this id stands wrong."""

    code = "unknown_condition"
    exit_code = 2


def run_list(profile: Profile | None, *, as_json: bool) -> None:
    """Print what stands wrong, the gravest first.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> list[Standing]:
        async with database.read() as reader:
            found = await standing_conditions(reader)
        standing = [one for one in found.values() if one.gone_at is None]
        return sorted(standing, key=lambda one: (RANKS[one.condition.severity], one.condition.id))

    rows = on_database(profile, None, work)
    if as_json:
        typer.echo(msgspec.json.encode({"conditions": [one.flat() for one in rows]}).decode())
        return
    console = new_console()
    if not rows:
        console.print("Nothing stands wrong, as far as the API looked.")
        return
    table = new_table("What stands wrong", "id", "how grave", "what", "since", "told")
    for one in rows:
        condition = one.condition
        colour = _COLOURS[condition.severity]
        table.add_row(
            escape(condition.id),
            f"[{colour}]{condition.severity}[/]",
            escape(condition.summary),
            f"{condition.since or one.first_seen:%Y-%m-%d %H:%M}",
            _told(one),
        )
    console.print(table)


def _told(one: Standing) -> str:
    if one.muted_until is not None and one.muted_until > utc_now():
        return f"muted until {one.muted_until:%Y-%m-%d %H:%M}"
    if one.told_at is None:
        return "waits for the end of quiet hours" if one.held else "not yet"
    return f"{one.told_at:%Y-%m-%d %H:%M}"


def run_messages(profile: Profile | None, limit: int, *, as_json: bool) -> None:
    """Print the last messages and how they went.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> list[tuple[MessageRow, list[DeliveryRow]]]:
        async with database.read() as reader:
            return await messages_page(reader, limit=limit)

    rows = on_database(profile, None, work)
    if as_json:
        told = [
            {**message._asdict(), "deliveries": [one._asdict() for one in deliveries]}
            for message, deliveries in rows
        ]
        typer.echo(msgspec.json.encode({"messages": told}).decode())
        return
    console = new_console()
    if not rows:
        console.print("There was nothing to tell.")
        return
    table = new_table("Messages", "when", "what", "channel", "how it went")
    for message, deliveries in rows:
        went = [(one.channel, _went(one)) for one in deliveries] or [("–", "no channel was set up")]
        for index, (channel, how) in enumerate(went):
            when = f"{message.made_at:%Y-%m-%d %H:%M}" if index == 0 else ""
            table.add_row(when, escape(message.title) if index == 0 else "", channel, how)
    console.print(table)


def _went(one: DeliveryRow) -> str:
    if one.sent_at is not None:
        return f"[green]taken[/] {one.sent_at:%H:%M:%S}"
    error = escape(one.error or "")
    if one.next_try_at is None:
        return f"[red]given up[/] after {one.attempts} attempts: {error}"
    return f"[yellow]tried {one.attempts} times[/] {error}" if one.attempts else "waits"


def run_mute(profile: Profile | None, condition_id: str, hours: float) -> None:
    """Mute a condition, or not any more.

    Raises:
        UnknownConditionError: nothing of this id stands wrong.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> bool:
        until = utc_now() + timedelta(hours=hours) if hours else None
        async with database.write() as writer:
            found = await store.mute(writer, condition_id, until)
            if found:
                await audited(writer, "alert_mute" if hours else "alert_unmute", condition_id)
            return found

    if not on_database(profile, None, work):
        raise UnknownConditionError(f"Nothing called {condition_id} stands wrong. See: lotkeeper alerts list")
    typer.echo(f"Nobody is told of {condition_id} for {hours:g} hours." if hours else "It is told of again.")
