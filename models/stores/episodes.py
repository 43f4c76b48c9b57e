"""The rows a fold results in: positions with their events, lots and lot disposals."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import astuple
from sqlalchemy import text

from core.domain.books import BookKey
from core.domain.episodes import Episode
from core.domain.money import ZERO
from models.session import Writer
from models.stores.bulk import BulkCopy, BulkInsert, copy_line
from models.tables import lot_disposals, lots, position_events, positions
from models.tables.positions import FOLDED_COLUMNS

_WRITTEN = ("version", "updated_at")
"""Of a position: not what the fold says of it, but when that was written."""
_POSITION_COLUMNS = (*FOLDED_COLUMNS["positions"], *_WRITTEN)
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
_delete_by_id = text(
    "DELETE FROM positions WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING id, account, conid, side, opened_at"
)
_insert_events = BulkInsert(position_events, FOLDED_COLUMNS["position_events"])
_upsert_lots = BulkInsert(
    lots,
    FOLDED_COLUMNS["lots"],
    # A split restates quantity and unit cost.
    conflict="ON CONFLICT (position_id, seq) DO UPDATE SET quantity = excluded.quantity, "
    "remaining = excluded.remaining, unit_cost = excluded.unit_cost, provisional = excluded.provisional, "
    "remaining_commission = excluded.remaining_commission, remaining_cost = excluded.remaining_cost",
)
_insert_disposals = BulkInsert(lot_disposals, FOLDED_COLUMNS["lot_disposals"])
_COPIES = {
    "positions": BulkCopy(positions, _POSITION_COLUMNS),
    **{
        str(table.name): BulkCopy(table, FOLDED_COLUMNS[table.name])
        for table in (position_events, lots, lot_disposals)
    },
}


class RemovedEpisode(NamedTuple):
    """An episode that was deleted to be folded anew."""

    id: UUID
    account: str
    conid: int
    side: str
    opened_at: datetime


Lines = dict[str, list[str]]
"""By table, rows as COPY spells them, each with the columns of ``FOLDED_COLUMNS``."""


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
    rows = [(*_position(episode), version, now) for episode, version in episodes]
    # A book's episodes close before the next one opens: only one may be open at any moment.
    rows.sort(key=lambda row: row[1:4])
    await _upsert_positions(connection, rows)
    alone = [episode for episode, _ in episodes]
    await _insert_events(connection, [row for one in alone for row in _events(one, one.id)])
    await _upsert_lots(connection, [row for one in alone for row in _lots(one, one.id)])
    await _insert_disposals(connection, [row for one in alone for row in _disposals(one, one.id)])


async def insert_episodes(connection: Writer, episodes: Sequence[tuple[Episode, int]], now: datetime) -> None:
    """The same for episodes of which nothing is stored, or no longer."""
    ordered = sorted(episodes, key=lambda one: one[0].id.int)
    lines = lines_of([episode for episode, _ in ordered])
    await replace_episodes(connection, (), lines, [version for _, version in ordered], now)


def lines_of(episodes: Iterable[Episode]) -> Lines:
    """The rows of whole episodes as text, in order of position and number: equal lines are equal rows."""
    lines: Lines = {name: [] for name in _COPIES}
    told, events, lots_, disposals = lines.values()
    for episode in sorted(episodes, key=lambda one: one.id.int):
        name = str(episode.id)
        told.append(copy_line(_position(episode)))
        events.extend(map(copy_line, _events(episode, name)))
        lots_.extend(map(copy_line, _lots(episode, name)))
        disposals.extend(map(copy_line, _disposals(episode, name)))
    return lines


async def replace_episodes(
    connection: Writer,
    stale: Collection[str],
    lines: Lines,
    versions: Sequence[int],
    now: datetime,
) -> list[RemovedEpisode]:
    """Delete the positions ``stale`` names and write ``lines`` in their place; returns what was deleted.

    ``versions`` stand in the order of the lines of ``positions``.
    """
    deleted = (await connection.execute(_delete_by_id, {"ids": sorted(stale)})).all() if stale else []
    written = copy_line((now,))
    for name, copy in _COPIES.items():
        rows = lines[name]
        if name == "positions":
            rows = [f"{row}\t{version}\t{written}" for row, version in zip(rows, versions, strict=True)]
        await copy(connection, rows)
    return [RemovedEpisode(*row) for row in deleted]


def _position(episode: Episode) -> tuple[Any, ...]:
    return (
        episode.id,
        episode.account,
        episode.conid,
        episode.ordinal,
        "closed" if episode.closed_at else "open",
        "long" if episode.long else "short",
        episode.quantity,
        episode.max_quantity,
        episode.average_cost,
        episode.cost if episode.quantity or episode.cost is None else ZERO,
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
    )


def _events(episode: Episode, name: UUID | str) -> Iterator[tuple[Any, ...]]:
    return ((name, *astuple(event)) for event in episode.events)


def _lots(episode: Episode, name: UUID | str) -> Iterator[tuple[Any, ...]]:
    # Whether its row is written is the one field that has no column.
    return ((name, *astuple(lot)[:-1]) for lot in episode.lots)


def _disposals(episode: Episode, name: UUID | str) -> Iterator[tuple[Any, ...]]:
    return ((name, *astuple(disposal)) for disposal in episode.disposals)
