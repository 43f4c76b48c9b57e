"""Comparisons with the broker and what they found."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec
from sqlalchemy import text

from core.domain.books import BookKey
from core.domain.causes import Conclusion
from models.book_keys import BOOKS, book_arrays
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import reconciliation_differences, reconciliations

_insert_reconciliation = BulkInsert(
    reconciliations, ("account", "started_at", "finished_at", "trigger", "checked", "differences", "counts")
)
_upsert_differences = BulkInsert(
    reconciliation_differences,
    ("account", "conid", "kind", "cause", "inferred", "ours", "brokers", "since"),
    conflict="ON CONFLICT (account, conid, kind) WHERE resolved_at IS NULL DO UPDATE SET "
    "cause = excluded.cause, inferred = excluded.inferred, ours = excluded.ours, brokers = excluded.brokers",
)
_resolve = text(
    "UPDATE reconciliation_differences d SET resolved_at = :at FROM "
    "unnest(CAST(:conids AS bigint[]), CAST(:kinds AS text[])) AS k(conid, kind) "
    "WHERE d.account = :account AND d.conid = k.conid AND d.kind = k.kind AND d.resolved_at IS NULL"
)
# The newest difference in quantity of a book is the one that its newest adjustment made.
_explain = text(
    "UPDATE reconciliation_differences d SET cause = coalesce(n.cause, 'unexplained'), "
    "inferred = n.cause IS NOT NULL FROM (SELECT max(r.id) AS id, k.cause FROM "
    "unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[]), CAST(:causes AS text[]), "
    "CAST(:brokers AS text[])) AS k(account, conid, cause, brokers) JOIN reconciliation_differences r "
    "ON r.account = k.account AND r.conid = k.conid AND r.brokers = CAST(k.brokers AS numeric) "
    "AND r.kind IN ('quantity_mismatch', 'missing_local', 'missing_broker') "
    "GROUP BY k.account, k.conid, k.cause) n WHERE d.id = n.id"
)
_mark_reconciled = text(
    "UPDATE ledger_books b SET reconciled_at = :at FROM "  # noqa: S608 - no input in it
    f"{BOOKS} "
    "WHERE b.account = k.account AND b.conid = k.conid"
)


class Difference(NamedTuple):
    """A quantity, or an average cost, that was not the broker's."""

    account: str
    conid: int
    kind: str
    cause: str | None
    inferred: bool
    ours: Decimal | None
    brokers: Decimal | None
    since: datetime


class Explained(NamedTuple):
    """What an adjustment of a book to the broker's quantity is now concluded to be."""

    account: str
    conid: int
    brokers: Decimal
    why: Conclusion


async def record_reconciliation(
    connection: Writer,
    account: str,
    trigger: str,
    started_at: datetime,
    at: datetime,
    counts: Mapping[str, int],
) -> None:
    """Note that an account was compared with the broker, and its books by what that came to."""
    checked = sum(counts.values())
    row = (account, started_at, at, trigger, checked, checked - counts.get("matched", 0))
    await _insert_reconciliation(connection, [(*row, msgspec.json.encode(counts).decode())])


async def record_differences(connection: Writer, differences: Sequence[Difference]) -> None:
    """Note differences; one that stands open is brought up to date."""
    by_key = {(one.account, one.conid, one.kind): one for one in differences}
    await _upsert_differences(connection, [by_key[key] for key in sorted(by_key)])


async def resolve_differences(
    connection: Writer, account: str, differences: Iterable[tuple[int, str]], at: datetime
) -> None:
    """Close differences, given by conid and kind, that are there no longer."""
    ordered = sorted(differences)
    await connection.execute(
        _resolve,
        {
            "account": account,
            "conids": [conid for conid, _ in ordered],
            "kinds": [kind for _, kind in ordered],
            "at": at,
        },
    )


async def explain_differences(connection: Writer, explained: Iterable[Explained]) -> None:
    """Give differences the cause that is concluded now, also those that stand open no longer."""
    ordered = sorted(explained, key=lambda one: one[:2])
    await connection.execute(
        _explain,
        {
            "accounts": [one.account for one in ordered],
            "conids": [one.conid for one in ordered],
            "causes": [one.why.cause for one in ordered],
            "brokers": [str(one.brokers) for one in ordered],
        },
    )


async def mark_reconciled(connection: Writer, keys: Iterable[BookKey], at: datetime) -> None:
    """Note that locked books agree with the broker."""
    await connection.execute(_mark_reconciled, {**book_arrays(keys), "at": at})
