"""The Flex Web Service, for people."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from rich.markup import escape

from core.clock import utc_now
from core.errors import LotkeeperError
from services.cli.show import new_console, new_table
from services.statements.kept_file import KeptFile

SECTIONS: Final = (
    ("Account Information", ""),
    ("Trades", "Executions and Closed Lots"),
    ("Transaction Fees", ""),
    ("Option Exercises, Assignments and Expirations", ""),
    ("Open Positions", "Summary and Lot"),
    ("Corporate Actions", ""),
    ("Transfers", ""),
    ("Cash Transactions", "Detail"),
    ("Cash Report", ""),
    ("Net Asset Value (NAV) in Base", ""),
    ("Change in NAV", ""),
    ("Forex: conversion rates", ""),
    ("Interest Accruals, Dividend Accruals", ""),
    ("Financial Instrument Information", ""),
)


class QueryStatus(NamedTuple):
    """How it goes with one query. ``next_due_at`` is ``None`` where that waits for another token."""

    query: str
    last_fetch_at: datetime | None
    last_outcome: str | None
    last_success_at: datetime | None
    next_due_at: datetime | None
    error_category: str | None
    error: str | None
    file: str | None


def sections() -> None:
    """What a query should have in it."""
    console = new_console()
    console.print(
        "An Activity Flex Query (Client Portal → Performance & Reports → Flex Queries) should have these "
        "sections, each with all of its columns:"
    )
    for name, options in SECTIONS:
        console.print(f"  {name}{f' ({options})' if options else ''}")
    console.print(
        "Format XML, dates yyyyMMdd, times HHmmss, separator ; (semicolon). Its period may overlap: the same "
        "statement twice changes nothing."
    )


def fetched(outcomes: Sequence[tuple[str, KeptFile | None, LotkeeperError | None]]) -> None:
    """Where each statement is; what failed is told, too, where there are several."""
    console = new_console()
    for query_id, kept, error in outcomes:
        if kept is not None:
            console.print(f"{query_id}: {escape(str(kept.path))} ({kept.size_bytes:,} bytes)", soft_wrap=True)
        elif len(outcomes) > 1:
            console.print(f"{query_id}: [red]not fetched[/]: {escape(str(error))}", soft_wrap=True)


def status(source: str | None, expires_on: date | None, queries: Sequence[QueryStatus]) -> None:
    """One line for each query."""
    console = new_console()
    if source is None:
        console.print("No Flex token is set up: run `lotkeeper flex setup`.")
        return
    until = "" if expires_on is None else f", good until {expires_on}"
    console.print(f"Token: from {escape(source)}{until}")
    if not queries:
        console.print("No queries are set up: run `lotkeeper flex setup`.")
        return
    table = new_table("Flex queries", "query", "last fetch", "last success", "next", "last error")
    for one in queries:
        error = f"{one.error_category}: {one.error}" if one.error is not None else "–"
        outcome = "" if one.last_outcome in {None, "succeeded"} else f" ({one.last_outcome})"
        table.add_row(
            one.query,
            _time(one.last_fetch_at) + outcome,
            _time(one.last_success_at),
            _next(one.next_due_at),
            escape(error),
        )
    console.print(table)


def _time(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _next(at: datetime | None) -> str:
    if at is None:
        return "when the token is another"
    return "now" if at <= utc_now() else _time(at)
