"""Comparisons with the broker and what they found."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text

from core.domain.books import BookKey
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import reconciliation_differences, reconciliations

_insert_reconciliation = BulkInsert(
    reconciliations, ("account", "started_at", "finished_at", "trigger", "checked", "differences")
)
_upsert_differences = BulkInsert(
    reconciliation_differences,
    ("account", "conid", "kind", "cause", "ours", "brokers", "since"),
    conflict="ON CONFLICT (account, conid, kind) WHERE resolved_at IS NULL "
    "DO UPDATE SET cause = excluded.cause, ours = excluded.ours, brokers = excluded.brokers",
)
_resolve = text(
    "UPDATE reconciliation_differences d SET resolved_at = :at WHERE d.account = :account "
    "AND d.resolved_at IS NULL AND NOT EXISTS (SELECT FROM positions p JOIN position_events e "
    "ON e.position_id = p.id WHERE p.account = d.account AND p.conid = d.conid AND e.cause = 'unexplained')"
)
_mark_reconciled = text(
    "UPDATE ledger_books b SET reconciled_at = :at FROM "
    "unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[]), CAST(:versions AS bigint[])) "
    "AS k(account, conid, version) "
    "WHERE b.account = k.account AND b.conid = k.conid AND b.version = k.version"
)


class Difference(NamedTuple):
    """A quantity that was not the broker's."""

    account: str
    conid: int
    kind: str
    cause: str
    ours: Decimal
    brokers: Decimal
    since: datetime


async def record_reconciliation(
    connection: Writer,
    account: str,
    trigger: str,
    started_at: datetime,
    at: datetime,
    checked: int,
    found: int,
) -> None:
    """Note that an account was compared with the broker."""
    await _insert_reconciliation(connection, [(account, started_at, at, trigger, checked, found)])


async def record_differences(connection: Writer, differences: Sequence[Difference]) -> None:
    """Note differences; one that stands open is brought up to date."""
    await _upsert_differences(connection, sorted(differences))


async def resolve_differences(connection: Writer, account: str, at: datetime) -> int:
    """Close the differences of books in which nothing is unexplained any more; returns how many."""
    return (await connection.execute(_resolve, {"account": account, "at": at})).rowcount


async def mark_reconciled(connection: Writer, books: Iterable[tuple[BookKey, int]], at: datetime) -> None:
    """Note that books agree with the broker, unless they were written (another version) in between."""
    ordered = sorted(books)
    await connection.execute(
        _mark_reconciled,
        {
            "accounts": [key[0] for key, _ in ordered],
            "conids": [key[1] for key, _ in ordered],
            "versions": [version for _, version in ordered],
            "at": at,
        },
    )
