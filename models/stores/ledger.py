"""Books, broker statements and the rows a fold results in."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import astuple
from sqlalchemy import text

from core.domain.books import Book, BookKey
from core.domain.lifecycle import Episode
from core.domain.lots import Disposal
from core.domain.money import ZERO
from models.session import Writer
from models.stores.bulk import BulkInsert, BulkUpdate
from models.tables import (
    ledger_books,
    lot_disposals,
    lots,
    position_events,
    position_statements,
    positions,
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

_POSITION_COLUMNS = (
    "id",
    "account",
    "conid",
    "ordinal",
    "status",
    "side",
    "quantity",
    "max_quantity",
    "average_cost",
    "cost_basis",
    "realized_pnl",
    "commission",
    "open_commission",
    "opened_at",
    "closed_at",
    "provisional",
    "missing_commissions",
    "estimated",
    "provisional_lots",
    "event_count",
    "lot_count",
    "disposal_count",
    "version",
    "updated_at",
)
_upsert_positions = BulkInsert(
    positions,
    _POSITION_COLUMNS,
    conflict="ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _POSITION_COLUMNS[4:]),
)
_delete_positions = text(
    "DELETE FROM positions p USING unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[]), "
    "CAST(:ordinals AS integer[])) AS k(account, conid, ordinal) "
    "WHERE p.account = k.account AND p.conid = k.conid AND p.ordinal >= k.ordinal "
    "RETURNING p.id, p.account, p.conid, p.side, p.opened_at"
)
_insert_events = BulkInsert(
    position_events,
    (
        "position_id",
        "seq",
        "type",
        "executed_at",
        "quantity",
        "price",
        "position_after",
        "realized_pnl",
        "commission",
        "exec_id",
        "cause",
        "inferred",
        "replaced_quantity",
    ),
)
_upsert_lots = BulkInsert(
    lots,
    (
        "position_id",
        "seq",
        "exec_id",
        "opened_at",
        "quantity",
        "remaining",
        "price",
        "unit_cost",
        "commission",
        "remaining_commission",
        "cost",
        "remaining_cost",
        "provisional",
    ),
    # A split restates quantity and unit cost.
    conflict="ON CONFLICT (position_id, seq) DO UPDATE SET quantity = excluded.quantity, "
    "remaining = excluded.remaining, unit_cost = excluded.unit_cost, "
    "remaining_commission = excluded.remaining_commission, remaining_cost = excluded.remaining_cost",
)
_insert_disposals = BulkInsert(lot_disposals, ("position_id", *Disposal.__struct_fields__))


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


class RemovedEpisode(NamedTuple):
    """An episode that was deleted to be folded anew."""

    id: UUID
    account: str
    conid: int
    side: str
    opened_at: datetime


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


async def delete_episodes(connection: Writer, starts: Iterable[tuple[BookKey, int]]) -> list[RemovedEpisode]:
    """Delete the episodes of books from an ordinal on, with their events, lots and disposals."""
    ordered = sorted(starts)
    rows = await connection.execute(
        _delete_positions,
        {
            "accounts": [key[0] for key, _ in ordered],
            "conids": [key[1] for key, _ in ordered],
            "ordinals": [ordinal for _, ordinal in ordered],
        },
    )
    return [RemovedEpisode(*row) for row in rows]


async def write_episodes(connection: Writer, episodes: Sequence[tuple[Episode, int]], now: datetime) -> None:
    """Store episodes, each with its book's version, and what is new of their events, lots and disposals."""
    rows = [
        (
            episode.id,
            episode.account,
            episode.conid,
            episode.ordinal,
            "closed" if episode.closed_at else "open",
            "long" if episode.long else "short",
            episode.quantity,
            episode.max_quantity,
            episode.average_cost,
            episode.cost if episode.quantity else _flat_cost(episode),
            episode.realized,
            episode.commission,
            episode.open_commission,
            episode.opened_at,
            episode.closed_at,
            episode.provisional,
            episode.missing_commissions,
            episode.estimated,
            episode.provisional_lots,
            episode.event_count,
            episode.lot_count,
            episode.disposal_count,
            version,
            now,
        )
        for episode, version in episodes
    ]
    # A book's episodes close before the next one opens: only one may be open at any moment.
    rows.sort(key=lambda row: (row[1], row[2], row[3]))
    await _upsert_positions(connection, rows)
    events = [(episode.id, *astuple(event)) for episode, _ in episodes for event in episode.events]
    await _insert_events(connection, events)
    await _upsert_lots(
        connection,
        [
            (
                episode.id,
                lot.seq,
                lot.exec_id,
                lot.opened_at,
                lot.quantity,
                lot.remaining,
                lot.price,
                lot.unit_cost,
                lot.commission,
                lot.remaining_commission,
                lot.cost,
                lot.remaining_cost,
                lot.provisional,
            )
            for episode, _ in episodes
            for lot in episode.lots
        ],
    )
    await _insert_disposals(
        connection,
        [(episode.id, *astuple(disposal)) for episode, _ in episodes for disposal in episode.disposals],
    )


def _flat_cost(episode: Episode) -> Decimal | None:
    return None if episode.cost is None else ZERO
