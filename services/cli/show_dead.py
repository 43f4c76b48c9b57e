"""What was kept aside, as tables and text for people."""

from collections.abc import Sequence

import msgspec
from rich.markup import escape

from models.queries.dead_facts import DeadFactRow
from services.cli.show import new_console, new_table
from services.position_sync.dead import Outcome


def listed(rows: Sequence[DeadFactRow], count: int, *, every: bool) -> None:
    """One line each; never their content."""
    console = new_console()
    if not rows:
        console.print("Nothing was kept aside." if every else "Nothing is kept aside and stands open.")
        return
    columns = ("id", "category", "reason", "times", "first seen", "last seen")
    table = new_table("Kept aside", *columns, *(("status",) if every else ()))
    for row in rows:
        table.add_row(
            str(row.id),
            row.category,
            escape(row.reason),
            f"{row.occurrences:,}",
            f"{row.first_seen_at:%Y-%m-%d %H:%M:%S}",
            f"{row.last_seen_at:%Y-%m-%d %H:%M:%S}",
            *((row.status,) if every else ()),
        )
    console.print(table)
    if count > len(rows):
        console.print(f"… and {count - len(rows):,} more; --limit shows them.")


def shown(row: DeadFactRow) -> None:
    """One, whole."""
    console = new_console()
    place = "" if row.epoch is None else f", session {row.epoch}"
    seq = "" if row.seq is None else f", fact {row.seq}"
    resolved = "" if row.resolved_at is None else f" at {row.resolved_at:%Y-%m-%d %H:%M:%S} UTC"
    console.print(f"[bold]{row.id}[/] {row.category}: {escape(row.reason)}")
    console.print(f"From: {row.source}{place}{seq}. Account: {escape(row.account or 'none named')}.")
    console.print(
        f"Came {row.occurrences:,} times, from {row.first_seen_at:%Y-%m-%d %H:%M:%S} to "
        f"{row.last_seen_at:%Y-%m-%d %H:%M:%S} UTC. Status: {row.status}{resolved}, "
        f"retried {row.retries:,} times."
    )
    console.print(_pretty(row.payload), markup=False, soft_wrap=True)


def _pretty(payload: str) -> str:
    try:
        return msgspec.json.format(payload, indent=2)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return payload


def retried(outcomes: Sequence[Outcome]) -> None:
    """What became of each."""
    console = new_console()
    if not outcomes:
        console.print("Nothing to retry.")
    for one in outcomes:
        if one.status == "retried":
            console.print(f"{one.id}: [green]applied[/]")
        else:
            console.print(f"{one.id}: [red]not applied[/]: {escape(one.reason)}")
