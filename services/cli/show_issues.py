"""Issues as tables and text for people."""

from collections.abc import Sequence
from typing import Final

from rich.markup import escape

from core.domain.money import plain
from models.queries.issues import IssueChoice, IssueRow, PastAcknowledgement
from models.queries.rules.catalogue import BY_NAME
from services.cli.show import new_console, new_table
from services.cli.show_rules import COLOURS

_NOTHING: Final = {
    "open": "Nothing wants attention.",
    "acknowledged": "Nothing is acknowledged.",
    "resolved": "Nothing is resolved.",
    "all": "No rule ever found anything.",
}
_ENDED: Final = {"again": "it was gone and came again", "worse": "it became worse"}
_MINUTE: Final = "%Y-%m-%d %H:%M"


def listed(rows: Sequence[IssueRow], following: int | None, *, status: IssueChoice) -> None:
    """One line each. ``following``: the one after which the next page begins."""
    console = new_console()
    if not rows:
        console.print(_NOTHING[status])
        return
    columns = ("id", "severity", "rule", "account", "open since", "last seen", "what", "status")
    table = new_table("What the rules found", *(columns if status == "all" else columns[:-1]))
    for row in rows:
        table.add_row(
            str(row.id),
            f"[{COLOURS[row.severity]}]{row.severity}[/]",
            escape(row.rule),
            escape(row.account or "–"),
            f"{row.opened_at:{_MINUTE}}",
            f"{row.last_seen:{_MINUTE}}",
            escape(row.summary),
            *((row.status,) if status == "all" else ()),
        )
    console.print(table)
    if following is not None:
        console.print(f"… and more: --before {following} shows the next page.")


def shown(row: IssueRow, past: Sequence[PastAcknowledgement]) -> None:
    """One, whole."""
    console = new_console()
    severity = f"[{COLOURS[row.severity]}]{row.severity}[/]"
    console.print(f"[bold]{row.id}[/] {escape(row.rule)} ({severity}), {row.status}: {escape(row.summary)}")
    again = f", came again or became worse {row.reopened:,} times" if row.reopened else ""
    resolved = f", resolved {row.resolved_at:{_MINUTE}}" if row.resolved_at else ""
    console.print(
        f"Account: {escape(row.account or 'of none')}. First seen {row.first_seen:{_MINUTE}}, open since "
        f"{row.opened_at:{_MINUTE}}, last seen {row.last_seen:{_MINUTE}} (UTC), {row.times_seen:,} times"
        f"{again}{resolved}."
    )
    rule = BY_NAME.get(row.rule)
    if row.magnitude is not None and rule is not None and rule.magnitude is not None:
        told = escape(rule.magnitude.meaning)
        console.print(f"How bad it is: {plain(row.magnitude)} ({told}). Worse: {rule.magnitude.worse}.")
    for name, value in row.details.items():
        console.print(f"  {name}: {value}", markup=False)
    if row.acknowledged_at is not None:
        console.print(
            f"Acknowledged {row.acknowledged_at:{_MINUTE}} by {row.acknowledged_by}{_note(row.note)}."
        )
    for one in past:
        when = f"{one.acknowledged_at:{_MINUTE}}"
        console.print(
            f"Acknowledged before, {when} by {one.acknowledged_by}{_note(one.note)}, "
            f"until {one.ended_at:{_MINUTE}}: {_ENDED[one.ended]}."
        )
    if rule is not None:
        console.print(f"[bold]What to do[/]: {escape(rule.remedy)}")


def _note(note: str | None) -> str:
    return "" if note is None else f": {escape(note)}"
