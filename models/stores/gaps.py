"""Times of which the gateway can tell the executions no more, until something else tells of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from core.domain.coverage import Span, split
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import observation_gaps

_COLUMNS = ("account", "started_at", "ended_at", "reason", "detected_at", "epoch")
_insert = BulkInsert(
    observation_gaps, _COLUMNS, conflict="ON CONFLICT DO NOTHING", returning="account, started_at, ended_at"
)
_insert_pieces = BulkInsert(
    observation_gaps, (*_COLUMNS, "closed_at", "closed_by"), conflict="ON CONFLICT DO NOTHING"
)
_overlapping = text(
    "SELECT id, account, started_at, ended_at, reason, detected_at, epoch FROM observation_gaps "
    "WHERE account = :account AND closed_at IS NULL AND started_at < :ended_at AND ended_at > :started_at "
    "ORDER BY id FOR UPDATE"
)
_closed_by = text(
    "SELECT id, account, started_at, ended_at, reason, detected_at, epoch FROM observation_gaps g "
    "WHERE closed_by = :by OR (closed_at IS NULL AND EXISTS (SELECT FROM observation_gaps c WHERE "
    "c.closed_by = :by AND (c.account, c.reason, c.detected_at, c.epoch) = "
    "(g.account, g.reason, g.detected_at, g.epoch))) "
    "ORDER BY account, reason, detected_at, epoch, started_at, id FOR UPDATE"
)
_delete = text("DELETE FROM observation_gaps WHERE id = ANY(:ids)")


class Gap(NamedTuple):
    """A time of which an account's executions are not known, and why."""

    account: str
    started_at: datetime
    ended_at: datetime
    reason: str
    detected_at: datetime
    epoch: int


async def record_gaps(connection: Writer, gaps: Sequence[Gap]) -> list[Gap]:
    """Store gaps; returns those that were not known."""
    new = {tuple(row) for row in await _insert(connection, sorted(set(gaps)))}
    return [gap for gap in sorted(set(gaps)) if gap[:3] in new]


async def cover(
    connection: Writer, account: str, started_at: datetime, ended_at: datetime, *, by: str, now: datetime
) -> int:
    """Close what of an account's gaps falls into a time, because ``by`` tells of its executions.

    A gap that is covered in part is cut: what is covered is closed, and what is left of it stays open, in one
    piece or two. Returns how many gaps it met.
    """
    parameters = {"account": account, "started_at": started_at, "ended_at": ended_at}
    rows = list(await connection.execute(_overlapping, parameters))
    pieces: list[tuple[object, ...]] = []
    for row in rows:
        gap = Gap(*row[1:])
        covered, left = split(Span(gap.started_at, gap.ended_at), Span(started_at, ended_at))
        pieces += [(*gap._replace(started_at=span.start, ended_at=span.end), None, None) for span in left]
        if covered is not None:
            pieces.append((*gap._replace(started_at=covered.start, ended_at=covered.end), now, by))
    if rows:
        await connection.execute(_delete, {"ids": [row.id for row in rows]})
        await _insert_pieces(connection, pieces)
    return len(rows)


async def reopen(connection: Writer, by: str) -> set[str]:
    """Open the gaps that ``by`` closed, whole where they were cut; returns their accounts."""
    rows = list(await connection.execute(_closed_by, {"by": by}))
    if not rows:
        return set()
    whole: list[Gap] = []
    for row in rows:
        piece = Gap(*row[1:])
        last = whole[-1] if whole else None
        is_next = (
            last is not None and last._replace(started_at=piece.started_at, ended_at=piece.ended_at) == piece
        )
        if last is not None and is_next and piece.started_at <= last.ended_at:
            whole[-1] = last._replace(ended_at=max(last.ended_at, piece.ended_at))
        else:
            whole.append(piece)
    await connection.execute(_delete, {"ids": [row.id for row in rows]})
    await _insert(connection, whole)
    return {gap.account for gap in whole}
