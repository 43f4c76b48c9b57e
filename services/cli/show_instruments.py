"""Instruments and what they are across brokers, as text and tables for people."""

from collections.abc import Sequence

from rich.markup import escape

from core.domain.money import plain
from models.queries.identity import GlobalRow, InstrumentRow
from services.cli.show import new_console, new_table

SHOWN = 50
_NOTHING = "–"
_REVIEWS = {
    "identifier_invalid": "an identifier has a wrong check digit and counts for nothing",
    "cusip_contradicts_isin": "its ISIN is made of another CUSIP",
    "cusip_of_several": "instruments with different ISINs have its CUSIP",
    "figi_of_several": "what has its FIGI are several instruments by their other identifiers",
    "symbol_of_several": "instruments with different identifiers have its symbol at its exchange",
    "terms_of_several": "derivatives that differ have its terms, and which of them it is is not known",
    "manual_contradicts": "it was mapped by hand, and what identifies it says otherwise",
}


def listed(rows: Sequence[InstrumentRow], *, is_more: bool) -> None:
    """Instruments, one a line."""
    console = new_console()
    if not rows:
        console.print("No instruments.")
        return
    table = new_table(
        "Instruments",
        *(
            "conid",
            "symbol",
            "type",
            "currency",
            "exchange",
            "global instrument",
            "by",
            "confidence",
            "review",
        ),
    )
    for one in rows:
        confidence = _NOTHING if one.confidence is None else plain(one.confidence)
        names = (
            one.symbol,
            one.sec_type,
            one.currency,
            one.exchange,
            one.global_instrument_id or "not mapped yet",
        )
        found = one.source or _NOTHING, confidence, one.review or ""
        table.add_row(str(one.conid), *map(escape, names), *found)
    console.print(table)
    if is_more:
        console.print("… and more: --limit shows them.")


def shown(one: InstrumentRow, where: GlobalRow | None, same: Sequence[InstrumentRow]) -> None:
    """One instrument, what it is and what else is."""
    console = new_console()
    name = one.description or one.local_symbol or one.symbol
    console.print(f"[bold]{one.conid}[/] {escape(name)}, {one.sec_type} in {one.currency}")
    identifiers = (("ISIN", one.isin), ("CUSIP", one.cusip), ("FIGI", one.figi))
    told = ", ".join(f"{label} {escape(value)}" for label, value in identifiers if value)
    console.print(told or "No identifier is known.")
    if where is None or one.confidence is None:
        console.print("It is not mapped yet: a worker does so within seconds.")
        return
    by = f"by {one.source}" if one.mapped_by is None else f"by hand ({escape(one.mapped_by)})"
    console.print(
        f"It is [bold]{escape(where.id)}[/] ({escape(where.name)}), {by}, confidence {plain(one.confidence)}."
    )
    if one.review is not None:
        console.print(f"[yellow]To be looked at[/]: {_REVIEWS[one.review]}.")
    others = [other for other in same if other.conid != one.conid]
    if others:
        table = new_table("The same", "conid", "symbol", "type", "currency", "exchange", "by")
        for other in others[:SHOWN]:
            names = (other.symbol, other.sec_type, other.currency, other.exchange, other.source or _NOTHING)
            table.add_row(str(other.conid), *map(escape, names))
        console.print(table)
        if len(others) > SHOWN:
            console.print(f"… and {len(others) - SHOWN:,} more; --json lists them.")


def changed(told: InstrumentRow | GlobalRow | None, why: str, *, apart: bool) -> None:
    """What something has become, and what contradicts it."""
    console = new_console()
    if why:
        console.print(f"[yellow]Against what identifies it[/]: {escape(why)}.")
    if isinstance(told, InstrumentRow):
        where = told.global_instrument_id or _NOTHING
        console.print(f"{told.conid} ({escape(told.symbol)}) is {escape(where)}, by {told.source}.")
    elif told is not None:
        what = "is by itself again" if apart else "holds what was merged"
        console.print(f"{escape(told.id)} ({escape(told.name)}) {what}.")
    else:
        console.print("No instrument is that any more.")
