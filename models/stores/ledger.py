"""Books and the broker's statements."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text

from core.domain.books import Book, BookKey
from models.session import Writer
from models.stores.bulk import BulkInsert, BulkUpdate
from models.tables import (
    ledger_books,
    position_statements,
)

_ensure_books = text(
    "INSERT INTO ledger_books (account, conid, cost_method) SELECT k.account, k.conid, a.cost_method FROM "
    "unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[])) AS k(account, conid) "
    "JOIN broker_accounts a USING (account) ORDER BY k.account, k.conid ON CONFLICT DO NOTHING"
)
_BOOK_STATE = tuple(name for name in Book._fields if name not in {"account", "conid"})
_update_books = BulkUpdate(ledger_books, ("account", "conid"), _BOOK_STATE)

_insert_statements = BulkInsert(
    position_statements,
    (
        "account",
        "conid",
        "quantity",
        "average_cost",
        "as_of",
        "received_at",
        "epoch",
        "seq",
        "anchor",
        "anchored_at",
    ),
    conflict="ON CONFLICT (account, conid, epoch, seq) DO UPDATE "
    "SET anchor = coalesce(excluded.anchor, position_statements.anchor), "
    "anchored_at = coalesce(position_statements.anchored_at, excluded.anchored_at)",
)
_drop_provisional_anchors = text(
    "UPDATE position_statements s SET anchor = NULL FROM "
    "unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[])) AS k(account, conid) "
    "WHERE s.account = k.account AND s.conid = k.conid AND s.anchor = 'provisional'"
)
_settle_anchors = text(
    "UPDATE position_statements s SET anchor = 'settled' FROM "
    "unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[])) AS k(account, conid) "
    "WHERE s.account = k.account AND s.conid = k.conid AND s.anchor = 'provisional'"
)


class Statement(NamedTuple):
    """What the broker said is held in one book."""

    account: str
    conid: int
    quantity: Decimal
    average_cost: Decimal | None
    as_of: datetime
    received_at: datetime
    epoch: int
    seq: int
    anchor: str | None = None
    anchored_at: datetime | None = None


async def ensure_books(connection: Writer, keys: Iterable[BookKey]) -> None:
    """Make sure that the books exist, so that they can be locked; a new one has its account's cost method."""
    ordered = sorted(keys)
    await connection.execute(
        _ensure_books, {"accounts": [key[0] for key in ordered], "conids": [key[1] for key in ordered]}
    )


async def update_books(connection: Writer, books: Iterable[Book]) -> None:
    """Store the state of locked books."""
    await _update_books(connection, sorted(tuple(book) for book in books))


async def insert_statements(connection: Writer, statements: Sequence[Statement]) -> None:
    """Store the broker's words. The same word again adds nothing but, it may be, an anchor."""
    # The last of a key wins: one INSERT cannot meet the same row twice.
    distinct = {(one.account, one.conid, one.epoch, one.seq): one for one in statements}
    await _insert_statements(connection, [distinct[key] for key in sorted(distinct)])


async def drop_provisional_anchors(connection: Writer, keys: Iterable[BookKey]) -> None:
    """Release books from the words they were held to before those had settled."""
    ordered = sorted(keys)
    await connection.execute(
        _drop_provisional_anchors,
        {"accounts": [key[0] for key in ordered], "conids": [key[1] for key in ordered]},
    )


async def settle_anchors(connection: Writer, keys: Iterable[BookKey]) -> None:
    """What provisional anchors said has proved right."""
    ordered = sorted(keys)
    await connection.execute(
        _settle_anchors, {"accounts": [key[0] for key in ordered], "conids": [key[1] for key in ordered]}
    )
