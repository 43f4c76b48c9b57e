"""What imports came to, as text and tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from models.queries.imports import Imported
from services.cli.show import new_console, new_table
from services.position_sync.importing.report import Report

SHOWN = 50
_NOTHING = "–"
_REASONS = {
    "not_an_execution": "orders, lots and sums, which repeat what executions say",
    "no_account": "no account is named",
    "no_instrument": "no instrument is named",
    "no_quantity": "no quantity",
    "no_price": "no price",
    "no_time": "no time",
    "no_multiplier": "no multiplier",
    "no_amount": "no amount",
    "no_date": "no date",
    "no_currency": "no currency",
    "currency_trade": "trades of currencies, which change balances",
    "combo": "combos, whose legs are the positions",
    "cancels_what_is_not_here": "cancels a trade that no statement here states",
    "cancelled": "legs of one action that come to nothing",
    "repeated": "said before in the same file",
    "summary_of_other_rows": "sums of other rows",
    "not_used": "nothing that the ledger keeps",
    "unusable_figure": "a figure is not a usable number",
}


def outcome(report: Report | None, error: str) -> None:
    """What came of one file."""
    if report is None:
        end = "" if error.endswith((".", "!", "?")) or "\n" in error else "."
        typer.echo(f"Error: {error}{end}", err=True)
        return
    console = new_console()
    name = escape(report.name)
    if report.already is not None:
        console.print(
            f"{name} is imported already, as number {report.import_id} on {report.already:%Y-%m-%d %H:%M}Z: "
            "nothing changed."
        )
        return
    if report.dry_run:
        console.print(f"[bold]{name}[/] would be imported so; nothing was written.")
    else:
        console.print(f"[green]Imported[/] {name} as number {report.import_id}.")
    kept_report(report.as_json())


def kept_report(told: Mapping[str, Any]) -> None:
    """A report, as it is kept."""
    console = new_console()
    for period in told["periods"]:
        console.print(
            f"Account {escape(period['account'])}: {period['starts_at'][:10]} up to {period['ends_at'][:10]}"
            + ("" if period["complete"] else ", not all trades of it")
        )
    if told["accounts_created"]:
        console.print("New accounts: " + escape(", ".join(told["accounts_created"])))
    table = new_table("", "rows of", "new", "matched", "corrected", "disputed", "ignored", right_from=1)
    for name, tally in told["sections"].items():
        counts = [f"{tally[one]:,}" for one in ("new", "matched", "corrected", "disputed")]
        table.add_row(escape(name), *counts, f"{sum(tally['ignored'].values()):,}")
    console.print(table)
    for name, tally in told["sections"].items():
        for reason, rows in tally["ignored"].items():
            console.print(f"  {escape(name)}: {rows:,} ignored: {_REASONS.get(reason, reason)}")
    if told["unknown"]:
        listed = ", ".join(f"{name} ({number:,})" for name, number in sorted(told["unknown"].items())[:SHOWN])
        console.print(f"Not known here, kept in the file: {escape(listed)}")
    if told["gaps_closed"]:
        console.print(f"{told['gaps_closed']:,} gaps of observation closed.")
    if told.get("circular"):
        console.print(
            f"{told['circular']:,} corporate actions bring what would come from itself: of unknown cost."
        )
    _disputes(console, told["disputes"])
    _changes(console, told["changes"], told["changed_books"])


def imports(found: Sequence[Imported]) -> None:
    """The latest imports."""
    console = new_console()
    if not found:
        console.print("Nothing was imported yet: lotkeeper import flex FILE")
        return
    table = new_table(
        "Imports", "id", "file", "format", "imported", "state", "trades", "disputed", right_from=5
    )
    for one in found:
        sections = one.report.get("sections", {})
        trades = sections.get("trades", {})
        taken = sum(trades.get(name, 0) for name in ("new", "matched", "corrected"))
        table.add_row(
            str(one.id),
            escape(one.name),
            one.kind,
            f"{one.imported_at:%Y-%m-%d %H:%M}Z",
            one.status,
            f"{taken:,}",
            f"{trades.get('disputed', 0):,}",
        )
    console.print(table)


def undone(report: Report) -> None:
    """What taking an import back changed."""
    console = new_console()
    console.print(f"Import {report.import_id} ({escape(report.name)}) is taken back.")
    told = report.as_json()
    _changes(console, told["changes"], told["changed_books"])


def _disputes(console: Console, disputes: Sequence[Mapping[str, Any]]) -> None:
    if not disputes:
        return
    table = new_table(
        "Disputed: the first said stands", "line", "execution", "states", "at", "known", "at", right_from=2
    )
    for one in disputes[:SHOWN]:
        known = (one["known_quantity"], one["known_price"])
        table.add_row(
            str(one["line"]),
            escape(one["exec_id"]),
            one["quantity"],
            one["price"],
            *(_NOTHING if value is None else value for value in known),
        )
    console.print(table)


def _changes(console: Console, changes: Sequence[Mapping[str, Any]], number: int) -> None:
    if not number:
        console.print("No position and no realized figure changes.")
        return
    table = new_table(
        "Changes", "account", "instrument", "held", "", "realized", "", "currency", right_from=2
    )
    for one in changes[:SHOWN]:
        table.add_row(
            escape(one["account"]),
            escape(one["symbol"]),
            one["quantity_before"],
            f"→ {one['quantity']}",
            one["realized_before"] or _NOTHING,
            f"→ {one['realized'] or _NOTHING}",
            one["currency"],
        )
    console.print(table)
    if number > SHOWN:
        console.print(f"… and {number - min(len(changes), SHOWN):,} more.")
