"""Answers as tables for people."""

import re
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.cli.usage import is_plain

SHOWN_JOBS = 5
_UNBOUNDED = 400
_NOTHING = "–"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_STATE_COLOURS = {"up": "green", "down": "red", "unknown": "yellow"}


def status(found: dict[str, Any]) -> None:
    """Print everything that ``lotkeeper status`` knows."""
    console = new_console()
    api = found["api"]
    state = "[green]up[/]" if api["up"] else "[red]down[/]"
    console.print(f"Lotkeeper ({found['profile']}): API {state} at {api['url']}/")
    stack = found["stack"]
    if stack is None:
        console.print(
            "No stack of this home runs on this machine (`lotkeeper demo` or `lotkeeper up` start one)."
        )
    else:
        console.print(
            f"Stack: process {stack['pid']}, since {stack['since']}, log {escape(stack['log_file'])}"
        )
        console.print(_processes(stack["processes"]))
    if found["sync"] is not None:
        _sync(console, found["sync"])


def _processes(processes: list[dict[str, Any]]) -> Table:
    table = new_table("Processes", "name", "process", "state", "restarts")
    for process in processes:
        state = "[green]running[/]" if process["running"] else "[red]not running[/]"
        table.add_row(process["name"], str(process["pid"] or "–"), state, str(process["restarts"]))
    return table


def _sync(console: Console, sync: dict[str, Any]) -> None:
    console.print(_links(sync))
    logins = sync.get("logins") or []
    if len(logins) > 1:
        table = new_table("Logins", "login", "accounts", "state", "since", "why not live")
        for one in logins:
            state, why = str(one["state"] or "not heard of"), str(one["reason"] or "").replace("_", " ")
            accounts = ", ".join(one["accounts"]) or "–"
            table.add_row(
                escape(str(one.get("login") or "–")), accounts, state, str(one["since"] or "–"), why
            )
        console.print(table)
    if sync.get("datasets"):
        table = new_table("Data of the broker", "account", "what", "as of", "age", "complete")
        for row in sync["datasets"]:
            complete = "yes" if row.get("complete") else f"[yellow]no[/] {escape(row.get('error') or '')}"
            as_of = str(row.get("as_of") or "–")
            table.add_row(row["account"], row["dataset"], as_of, age(row.get("age_seconds")), complete)
        console.print(table)
    _gaps(console, sync.get("gaps") or [])
    if sync.get("streams"):
        table = new_table("Streams", "stream", "entries", "group", "waiting", "not acknowledged")
        for stream in sync["streams"]:
            for group in stream.get("groups") or [{}]:
                lag, pending = group.get("lag_entries"), group.get("pending_entries")
                numbers = (_number(lag), _number(pending))
                table.add_row(
                    stream["name"], _number(stream["length_entries"]), group.get("name", "–"), *numbers
                )
        console.print(table)
    _jobs(console, sync)
    for error in sync.get("last_errors") or []:
        console.print(
            f"[red]{error.get('category')}[/] {error.get('at')}: {escape(str(error.get('message')))}"
        )
    for dead in sync.get("dead_facts") or []:
        console.print(
            f"[yellow]kept aside[/] {dead.get('category')}: {_number(dead.get('occurrences'))} messages that "
            "could not be read"
        )


def _gaps(console: Console, gaps: list[dict[str, Any]]) -> None:
    if gaps:
        table = new_table("Executions not observed", "account", "from", "to", "why")
        for gap in gaps:
            table.add_row(gap["account"], gap["started_at"], gap["ended_at"], escape(gap["reason"]))
        console.print(table)
        console.print(
            "[yellow]The gateway tells the executions since its midnight only: those of these times are in "
            "IBKR's statements.[/]"
        )


def _jobs(console: Console, sync: dict[str, Any]) -> None:
    if sync.get("jobs"):
        table = new_table("Last jobs", "job", "kind", "status", "asked for")
        for job in sync["jobs"][:SHOWN_JOBS]:
            table.add_row(job["id"], job["kind"], job["status"], str(job.get("created_at") or "–"))
        console.print(table)
    due = sync.get("jobs_due") or {}
    if due.get("due") or due.get("failing"):
        console.print(
            f"Work due: {_number(due['due'])}, for {age(due['overdue_seconds'])} at most; "
            f"failing: {_number(due['failing'])}."
        )


def _links(sync: dict[str, Any]) -> str:
    freshness = sync.get("freshness") or {}
    links = freshness.get("links") or sync.get("links") or {}
    shown = [f"{name} [{_STATE_COLOURS.get(state, 'yellow')}]{state}[/]" for name, state in _states(links)]
    source = str(freshness.get("source") or "unknown").replace("_", " ")
    why = f" ({str(freshness['reason']).replace('_', ' ')})" if freshness.get("reason") else ""
    return f"Links: {', '.join(shown)}. Data: {source}{why}, as of {freshness.get('as_of') or 'never'}."


def _states(links: dict[str, Any]) -> list[tuple[str, str]]:
    return [("gateway", str(links.get("gateway"))), ("IBKR", str(links.get("ibkr")))]


class _PlainConsole(Console):
    """Prints for programs: a table is its title after a ``#``, its columns, and a line a row."""

    def print(self, *objects: Any, markup: bool | None = None, **_: Any) -> None:
        """Print tables and text without colours, boxes and wrapping."""
        for one in objects:
            if isinstance(one, Table):
                self.file.writelines(f"{line}\n" for line in _lines(one))
            else:
                self.file.write(f"{one if markup is False else Text.from_markup(one).plain}\n")


def _lines(table: Table) -> Iterator[str]:
    if table.title:
        yield f"# {_field(table.title)}"
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    if any(column.header for column in table.columns):
        rows.insert(0, tuple(column.header for column in table.columns))
    for row in rows:
        yield "\t".join(map(_field, row))


def _field(cell: Any) -> str:
    """What a cell says, on one line and without a tab; nothing where nothing is known."""
    text = _CONTROLS.sub(" ", Text.from_markup(cell).plain).strip()
    return "" if text == _NOTHING else text


def new_console() -> Console:
    """Where tables are printed. A file or a pipe has no width: there nothing is wrapped."""
    if is_plain():
        return _PlainConsole(color_system=None, highlight=False)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def new_table(title: str, *columns: str, right_from: int | None = None) -> Table:
    """An empty table in the style of them all; from column ``right_from`` on numbers, aligned to the right.

    What does not fit is wrapped: no figure and no name is ever cut short.
    """
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        is_number = right_from is not None and number >= right_from
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    return table


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def age(seconds: int | None) -> str:
    """How old something is, in words."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
