"""What became of the ledger, as text and tables for people."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.domain.money import plain
from models.queries.realized_differences import RealizedTotal
from services.cli.on_database import Differences
from services.cli.show import new_console, new_table
from services.position_sync.examine import RowDifference
from services.position_sync.rebuild import Rebuilt
from services.position_sync.validate import BrokerFound, LedgerFound

SHOWN = 50
_NOTHING = "–"


def rebuilt(done: Rebuilt, differences: Differences | None) -> None:
    """What a rebuild did or, with ``differences``, would do."""
    console = new_console()
    would = "would be " if differences is not None else ""
    looked = f"{done.books:,} books of {done.executions:,} executions folded"
    if not done.changed_books:
        console.print(f"{looked}: every row is as it should be, nothing {would or 'was '}written.")
        return
    rows = ", ".join(f"{number:,} {table}" for table, number in sorted(done.written.items()) if number)
    number = done.removed_positions
    removed = f"; {number:,} positions that never were {would or 'were '}removed" if number else ""
    console.print(f"{looked}: {done.changed_books:,} {would}changed ({rows or 'no rows'}{removed}).")
    table = new_table(
        "Realized P&L of all positions", "currency", "before", "after", "change", "unknown", right_from=1
    )
    for currency, before, after in done.by_currency():
        unknown = f"{before.unknown:,} → {after.unknown:,}"
        change = plain(after.known - before.known)
        table.add_row(currency, plain(before.known), plain(after.known), change, unknown)
    console.print(table)
    if differences is not None:
        console.print(_differences("Would change", differences))
        _left_out(console, differences)


def ledger(found: LedgerFound, differences: Differences) -> None:
    """Whether the stored ledger is a fresh fold of its facts."""
    console = new_console()
    rows = sum(found.rows.values())
    looked = f"{found.books:,} books, {found.executions:,} executions, {rows:,} rows"
    if found.differing:
        console.print(f"[red]The ledger differs[/] in {len(found.differing):,} books ({looked}).")
        console.print(_differences("Stored, and what a fresh fold gives", differences))
        _left_out(console, differences)
    else:
        console.print(f"[green]The ledger is right[/]: {looked}, each as a fresh fold gives it.")
    if found.waiting:
        console.print(f"{len(found.waiting):,} books wait to be folded again and were not judged.")


def broker(found: BrokerFound) -> None:
    """Our figures beside the broker's."""
    console = new_console()
    columns = (
        *("account", "currency", "fills", "agree", "differ", "estimates", "ours", "broker's", "difference"),
        *("no figure of theirs", "none of ours"),
    )
    if found.totals:
        table = new_table("Realized P&L, ours and the broker's", *columns, right_from=2)
        for total in found.totals:
            table.add_row(total.account, total.currency, *_total(total))
        console.print(table)
    else:
        console.print("Realized P&L: nothing was closed yet.")
    if found.days:
        table = new_table("By day (UTC)", "day", *columns, right_from=3)
        for day, total in found.days:
            table.add_row(day, total.account, total.currency, *_total(total))
        console.print(table)
    if found.largest:
        names = ("execution", "account", "symbol", "currency", "ours", "broker's", "difference", "")
        table = new_table("Furthest apart", *names, right_from=4)
        for fill in found.largest:
            figures = map(plain, (fill.realized_pnl, fill.broker_realized_pnl, fill.difference))
            state = "provisional" if fill.provisional else ""
            table.add_row(
                escape(fill.exec_id), fill.account, escape(fill.symbol), fill.currency, *figures, state
            )
        console.print(table)
    _open(console, found)


def _open(console: Console, found: BrokerFound) -> None:
    if found.open_differences:
        table = new_table(
            "Differences from what the broker says is held",
            *("account", "kind", "books", "acknowledged", "since"),
            right_from=2,
        )
        for one in found.open_differences:
            table.add_row(one.account, one.kind, f"{one.books:,}", f"{one.acknowledged:,}", str(one.since))
        console.print(table)
    for awaited in found.awaited_commissions:
        console.print(
            f"{awaited.account}: {awaited.executions:,} executions without a commission report, the oldest "
            f"of {awaited.oldest}"
        )
    for dead in found.dead_facts:
        console.print(
            f"[yellow]kept aside[/] {dead.category}: {dead.occurrences:,} messages that could not be used"
        )


def _total(total: RealizedTotal) -> Sequence[str]:
    sums: Iterable[Decimal | None] = (total.realized_pnl, total.broker_realized_pnl, total.difference)
    return (
        f"{total.compared:,}",
        f"{total.compared - total.differing:,}",
        f"[red]{total.differing:,}[/]" if total.differing > total.estimated else f"{total.differing:,}",
        f"{total.estimated:,}",
        *(plain(one) if one is not None and total.compared else _NOTHING for one in sums),
        f"{total.missing:,}",
        f"{total.unknown:,}",
    )


def _differences(title: str, differences: Differences) -> Table:
    table = new_table(title, "account", "conid", "table", "row", "field", "stored", "fresh")
    for one in differences.kept[:SHOWN]:
        table.add_row(*map(escape, _spelled(one)))
    return table


def _spelled(one: RowDifference) -> tuple[str, ...]:
    field = "(the row)" if one.field is None else one.field
    stored, fresh = one.stored or _NOTHING, one.fresh or _NOTHING
    return one.account, str(one.conid), one.table, one.key, field, stored, fresh


def _left_out(console: Console, differences: Differences) -> None:
    if differences.count > SHOWN:
        console.print(f"… and {differences.count - SHOWN:,} more; --json lists them.")
