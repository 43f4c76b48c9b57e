"""Where a gain came from, as a table for people."""

from decimal import Decimal, localcontext
from typing import Any, Final

from rich.markup import escape

from core.domain.measures.attribution import PartKind
from core.domain.money import ZERO
from core.domain.pnl import EXACT
from services.api.schemas.attribution import AttributionItem
from services.cli.show import new_console, new_table

SHOWN: Final = 50
_KINDS: Final[tuple[PartKind, ...]] = ("price", "dividends", "interest", "fees", "fx")
_CENT: Final = Decimal("0.01")


def attribution(told: dict[str, Any]) -> None:
    """The items with their sums, and what they leave."""
    console = new_console()
    currency = told["currency"]
    console.print(
        f"{escape(told['account'])} from {told['since']:%Y-%m-%d %H:%M}Z ({told['start_source']}) "
        f"to {told['until']:%Y-%m-%d %H:%M}Z ({told['end_source']}), in {currency}: {told['data_quality']}."
    )
    console.print(
        f"Worth {_money(told['start_value'])}, then {_money(told['end_value'])}; "
        f"brought less taken {_money(told['net_contribution'])}; gained {_money(told['gain'])}."
    )
    items: tuple[AttributionItem, ...] = told["items"]
    table = new_table("Where it came from", told["by"].replace("_", " "), *_KINDS, "total", right_from=1)
    for item in items[:SHOWN]:
        amounts = (_money(getattr(item, kind)) for kind in _KINDS)
        name = item.key if item.symbol is None else f"{item.symbol} ({item.key})"
        table.add_row(escape(name), *amounts, _money(item.total) + ("" if item.complete else " …"))
    table.add_section()
    if len(items) > SHOWN:
        table.add_row(
            f"{len(items) - SHOWN:,} more", *(_sum(items[SHOWN:], kind) for kind in (*_KINDS, "total"))
        )
    table.add_row("sum", *(_sum(items, kind) for kind in (*_KINDS, "total")))
    table.add_row("unexplained", *("" for _ in _KINDS), _money(told["unexplained"]))
    table.add_row("gain", *("" for _ in _KINDS), _money(told["gain"]))
    console.print(table)
    for one in told["unknown"]:
        what = " ".join(str(each) for each in (one.kind, one.symbol or one.asset_class, one.currency) if each)
        console.print(f"Not known: {escape(what or 'contribution')}: {one.reason}")
    for one in told["unclassified"]:
        console.print(f"Came without a word of what it was: {_money(one.amount)} {escape(one.currency)}")


def _sum(items: tuple[AttributionItem, ...], kind: str) -> str:
    amounts = [getattr(item, kind) for item in items]
    with localcontext(EXACT):
        return _money(str(sum((Decimal(amount) for amount in amounts if amount is not None), ZERO)))


def _money(amount: str | None) -> str:
    """To the cent; --json has every digit."""
    return "unknown" if amount is None else f"{EXACT.quantize(Decimal(amount), _CENT):,}"
