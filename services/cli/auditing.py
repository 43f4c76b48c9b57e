"""``audit``, and what the command line itself leaves in the log."""

import getpass

import msgspec
import typer
from rich.markup import escape

from core.clock import utc_now
from core.settings import Profile, Settings
from models.queries.audit import AuditRow, audit_page
from models.session import Database, Writer
from models.stores.audit import write_audit
from services.cli.on_database import on_database
from services.cli.show import new_console, new_table

LONGEST = 255
"""Of what it was done to so many characters are kept."""


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


async def audited(writer: Writer, action: str, target: str = "", outcome: str = "ok") -> None:
    """Keep what this command did, under the name that its user has on this machine."""
    target = target.replace("\0", "")[:LONGEST]
    await write_audit(
        writer, at=utc_now(), actor=_who(), kind="cli", action=action, target=target, outcome=outcome
    )


async def note(database: Database, action: str, target: str = "", outcome: str = "ok") -> None:
    """The same of what was done in transactions of its own."""
    async with database.write() as writer:
        await audited(writer, action, target, outcome)


def run_audit(
    profile: Profile | None, actor: str | None, action: str | None, *, limit: int, as_json: bool
) -> None:
    """Print who did what, newest first.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> list[AuditRow]:
        async with database.read() as reader:
            return await audit_page(reader, actor=actor, action=action, limit=limit)

    rows = on_database(profile, None, work)
    if as_json:
        typer.echo(msgspec.json.encode({"entries": [row._asdict() for row in rows]}).decode())
        return
    console = new_console()
    if not rows:
        console.print("Nothing is written there.")
        return
    table = new_table("Who did what", "when", "who", "as", "what", "to what", "from", "outcome")
    for row in rows:
        table.add_row(
            f"{row.at:%Y-%m-%d %H:%M:%S}",
            escape(row.actor),
            row.kind,
            row.action,
            escape(row.target),
            row.address,
            row.outcome if row.outcome == "ok" else f"[red]{row.outcome}[/]",
        )
    console.print(table)
