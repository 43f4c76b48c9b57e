"""What statements say otherwise, as text and tables for people."""

from collections.abc import Sequence

from rich.markup import escape

from core.domain.money import plain
from services.cli.show import new_console, new_table
from services.position_sync.statement_check import StatementDifference, StatementsFound

SHOWN = 50


def found(of: StatementsFound, differences: Sequence[StatementDifference], count: int) -> None:
    """How many figures were compared, and which differ and why."""
    console = new_console()
    figures = sum(of.compared.values())
    looked = f"{figures:,} figures of {len(of.accounts):,} accounts"
    if not figures:
        console.print("No statement that stands tells anything that could be compared.")
        return
    if not count:
        console.print(f"[green]The ledger comes to what the statements say[/]: {looked}.")
        return
    console.print(f"[red]The statements say something else[/] in {count:,} of {looked}.")
    table = new_table("By kind and cause", "kind", "compared", "differ", "cause", right_from=1)
    for (kind, cause), number in sorted(of.differing.items()):
        table.add_row(kind, f"{of.compared[kind]:,}", f"{number:,}", cause)
    console.print(table)
    names = ("day", "account", "kind", "what", "ours", "stated", "", "cause", "import")
    table = new_table("Ours, and what a statement says", *names)
    for account, one in differences[:SHOWN]:
        table.add_row(
            one.day.isoformat(),
            account,
            one.kind,
            escape(" ".join(filter(None, (one.symbol, one.reference)))),
            "unknown" if one.ours is None else plain(one.ours),
            plain(one.stated),
            one.currency,
            one.cause,
            f"{one.import_id}, line {one.line}",
        )
    console.print(table)
    if count > SHOWN:
        console.print(f"… and {count - SHOWN:,} more; --json lists them.")
