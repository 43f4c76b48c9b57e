"""Books and the broker's statements."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text

from core.domain.books import Book, BookKey
from core.domain.causes import Conclusion
from core.domain.episodes import Cause
from models.book_keys import BOOKS, book_arrays
from models.session import Writer
from models.standing import STANDING, newest
from models.stores.bulk import BulkInsert, BulkUpdate
from models.tables import (
    ledger_books,
    position_statements,
)

_ensure_books = text(
    "INSERT INTO ledger_books (account, conid, cost_method) SELECT k.account, k.conid, a.cost_method FROM "  # noqa: S608 - no input in it
    f"{BOOKS} "
    "JOIN broker_accounts a USING (account) ORDER BY k.account, k.conid ON CONFLICT DO NOTHING"
)
_BOOK_STATE = tuple(name for name in Book._fields if name not in {"account", "conid"})
_update_books = BulkUpdate(ledger_books, ("account", "conid"), _BOOK_STATE)

_CAUSE = ("cause", "price", "carried", "inferred")
# What a statement named is never overridden by what was concluded.
_IS_SAID = "excluded.anchor IS NOT NULL AND (s.cause IS NULL OR s.inferred)"
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
        "cause",
        "price",
        "carried",
        "inferred",
        "prior_as_of",
    ),
    conflict="ON CONFLICT (account, conid, epoch, seq) DO UPDATE "
    "SET anchor = coalesce(excluded.anchor, s.anchor), "
    "anchored_at = coalesce(s.anchored_at, excluded.anchored_at), "
    "prior_as_of = coalesce(s.prior_as_of, excluded.prior_as_of), "
    + ", ".join(f"{name} = CASE WHEN {_IS_SAID} THEN excluded.{name} ELSE s.{name} END" for name in _CAUSE),
    alias="s",
)
_name_causes = text(
    "UPDATE position_statements s SET cause = k.cause, price = CAST(k.price AS numeric), "
    "carried = k.carried, inferred = k.cause IS NOT NULL FROM unnest(CAST(:ids AS bigint[]), "
    "CAST(:causes AS text[]), CAST(:prices AS text[]), CAST(:carried AS boolean[])) "
    "AS k(id, cause, price, carried) WHERE s.id = k.id AND (s.cause IS NULL OR s.inferred)"
)
_CHANGED = newest(
    "corporate_actions t",
    ("event_key",),
    columns="t.at",
    where="t.account = r.account AND t.conid = r.conid",
)
# What a correction changed was true to the broker, too, until it was corrected: a word of that time, about
# that trade, holds no longer.
_release_anchors = text(
    "WITH released AS (UPDATE position_statements s SET anchor = NULL, held_from = s.anchored_at, "  # noqa: S608 - no input in it
    "held_until = :now, anchored_at = NULL, cause = NULL, price = NULL, carried = false, inferred = false "
    f"FROM {BOOKS} "
    "WHERE s.account = k.account AND s.conid = k.conid AND (s.anchor = 'provisional' "
    "OR (s.anchor = 'settled' AND (s.cause IS NULL OR s.inferred) AND EXISTS ("
    "SELECT FROM executions o JOIN executions x ON x.exec_base_id = o.exec_base_id "
    "AND x.revision > o.revision AND x.received_at > s.anchored_at "
    "WHERE o.account = s.account AND o.conid = s.conid AND o.executed_at <= s.as_of "
    "AND o.received_at <= s.anchored_at))) RETURNING s.id, s.account, s.conid), "
    # What statements say still holds: of what several say the one counts that was written last.
    "held AS (SELECT r.account, r.conid, min(a.as_of) FILTER (WHERE a.is_whole) AS first_at, "
    "max(a.as_of) AS last_at FROM (SELECT DISTINCT account, conid FROM released) r LEFT JOIN LATERAL ("
    "SELECT as_of, true FROM position_statements WHERE account = r.account AND conid = r.conid "
    "AND anchor IS NOT NULL AND id NOT IN (SELECT id FROM released) "
    f"UNION ALL SELECT p.as_of, true FROM stated_positions p {STANDING.format('p')} "
    "WHERE p.account = r.account AND p.conid = r.conid "
    f"UNION ALL SELECT c.at, false FROM ({_CHANGED}) c) a(as_of, is_whole) ON true "
    "GROUP BY r.account, r.conid) "
    "UPDATE ledger_books b SET first_anchor_at = held.first_at, last_anchor_at = held.last_at, dirty = true "
    "FROM held WHERE b.account = held.account AND b.conid = held.conid RETURNING b.account, b.conid"
)
_settle_anchors = text(
    "UPDATE position_statements s SET anchor = 'settled' FROM "  # noqa: S608 - no input in it
    f"{BOOKS} "
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
    cause: Cause | None = None
    price: Decimal | None = None
    carried: bool = False
    inferred: bool = False
    prior_as_of: datetime | None = None


async def ensure_books(connection: Writer, keys: Iterable[BookKey]) -> None:
    """Make sure that the books exist, so that they can be locked; a new one has its account's cost method."""
    await connection.execute(_ensure_books, book_arrays(keys))


async def update_books(connection: Writer, books: Iterable[Book]) -> None:
    """Store the state of locked books."""
    await _update_books(connection, sorted(tuple(book) for book in books))


async def insert_statements(connection: Writer, statements: Sequence[Statement]) -> None:
    """Store the broker's words. The same word again adds nothing but, it may be, an anchor."""
    # The last of a key wins: one INSERT cannot meet the same row twice.
    distinct = {(one.account, one.conid, one.epoch, one.seq): one for one in statements}
    await _insert_statements(connection, [distinct[key] for key in sorted(distinct)])


async def release_anchors(connection: Writer, keys: Iterable[BookKey], now: datetime) -> set[BookKey]:
    """Release locked books from words that no longer hold, and have them folded anew; returns which.

    Those are the words they were held to before things had settled, and those that were said of a trade
    before it was corrected.
    """
    rows = await connection.execute(_release_anchors, {**book_arrays(keys), "now": now})
    return {(row.account, row.conid) for row in rows}


async def name_causes(connection: Writer, causes: Iterable[tuple[int, Conclusion]]) -> None:
    """Store what was concluded of anchors, by their ids; what a statement named is left as it is."""
    ordered = sorted(causes, key=lambda one: one[0])
    await connection.execute(
        _name_causes,
        {
            "ids": [number for number, _ in ordered],
            "causes": [conclusion.cause for _, conclusion in ordered],
            "prices": [None if one.price is None else str(one.price) for _, one in ordered],
            "carried": [conclusion.carried for _, conclusion in ordered],
        },
    )


async def settle_anchors(connection: Writer, keys: Iterable[BookKey]) -> None:
    """What provisional anchors said has proved right."""
    await connection.execute(_settle_anchors, book_arrays(keys))
