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

_KNOWN = reconciliation_differences.name
_insert_reconciliation = BulkInsert(
    reconciliations, ("account", "started_at", "finished_at", "trigger", "checked", "differences", "counts")
)
_upsert_differences = BulkInsert(
    reconciliation_differences,
    ("account", "conid", "kind", "cause", "inferred", "ours", "brokers", "since"),
    conflict="ON CONFLICT (account, conid, kind) WHERE resolved_at IS NULL DO UPDATE SET "
    "cause = excluded.cause, inferred = excluded.inferred, ours = excluded.ours, brokers = excluded.brokers, "
    # What somebody said is of the figures that they knew. Once it has ended it stays so: who knew of the same
    # figures long ago need not know that they are back.
    f"acknowledgement_ended_at = CASE WHEN {_KNOWN}.acknowledged_at IS NOT NULL THEN "
    f"coalesce({_KNOWN}.acknowledgement_ended_at, CASE WHEN (excluded.ours, excluded.brokers) "
    f"IS DISTINCT FROM ({_KNOWN}.acknowledged_ours, {_KNOWN}.acknowledged_brokers) "
    "THEN excluded.since END) END",
)
_resolve = text(
    "UPDATE reconciliation_differences d SET resolved_at = :at FROM "
    "unnest(CAST(:conids AS bigint[]), CAST(:kinds AS text[])) AS k(conid, kind) "
    "WHERE d.account = :account AND d.conid = k.conid AND d.kind = k.kind AND d.resolved_at IS NULL"
)
_acknowledge = text(
    "UPDATE reconciliation_differences SET acknowledged_at = :now, acknowledged_by = :by, note = :note, "
    "acknowledged_ours = ours, acknowledged_brokers = brokers, acknowledgement_ended_at = NULL "
    "WHERE id = :id AND resolved_at IS NULL AND (NOT :is_seen OR (ours, brokers) IS NOT DISTINCT FROM "
    "(CAST(CAST(:ours AS text) AS numeric), CAST(CAST(:brokers AS text) AS numeric))) RETURNING id"
)
_take_back = text(
    "UPDATE reconciliation_differences SET acknowledged_at = NULL, acknowledged_by = NULL, note = NULL, "
    "acknowledged_ours = NULL, acknowledged_brokers = NULL, acknowledgement_ended_at = NULL "
    "WHERE id = :id AND resolved_at IS NULL RETURNING id"
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


class Figures(NamedTuple):
    """What somebody saw of a difference: decimals as text, ``None`` where there was none."""

    ours: str | None
    brokers: str | None


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
    """Note differences; one that stands is brought up to date.

    What somebody said of it counts no more once either figure is another than they knew.
    """
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


async def acknowledge_difference(
    connection: Writer, difference_id: int, *, by: str, note: str, now: datetime, seen: Figures | None = None
) -> bool:
    """Note that somebody knows of a difference as it is now, and why it may stand.

    Again it is they who say so, and what was said before is gone. ``False``: it stands no longer, or its
    figures are not those that were ``seen``.
    """
    figures = seen or Figures(None, None)
    told = {
        "id": difference_id,
        "by": by,
        "note": note,
        "now": now,
        "is_seen": seen is not None,
        **figures._asdict(),
    }
    return (await connection.execute(_acknowledge, told)).scalar_one_or_none() is not None


async def take_back_acknowledgement(connection: Writer, difference_id: int) -> bool:
    """Have a difference as if nobody had said anything of it; ``False``: it does not stand any more."""
    return (await connection.execute(_take_back, {"id": difference_id})).scalar_one_or_none() is not None


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
