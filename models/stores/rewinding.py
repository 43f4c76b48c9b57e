"""Take an episode back to what it was at an earlier moment, out of its own rows.

A fill that comes late is then folded in at the cost of what was traded after it, however long the history
before it is. Only trades are taken back: what each of them did stands in its event, its lot and its
disposals. Behind an adjustment, a cancelled trade or a figure that nobody knows the way back is not told by
the rows; such books are folded anew.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from core.domain.books import BookKey
from models.book_keys import BOOKS_SINCE, books_since
from models.session import Writer


class Point(NamedTuple):
    """The moment to which a book can be taken back: its ``ordinal``-th episode after so many ``events``.

    ``is_flat`` says that the episode had ended by then, so that it stands as it is.
    """

    episode: UUID
    ordinal: int
    events: int
    is_flat: bool


_points = text(
    "SELECT k.account, k.conid, p.id, p.ordinal, m.seq, m.position_after = 0 AS is_flat "  # noqa: S608 - no input in it
    f"FROM {BOOKS_SINCE} JOIN ledger_books b ON b.account = k.account AND b.conid = k.conid "
    "CROSS JOIN LATERAL (SELECT id, ordinal, cost_basis, realized_pnl FROM positions "
    "WHERE account = k.account AND conid = k.conid AND opened_at < k.since ORDER BY ordinal DESC LIMIT 1) p "
    # From the end backwards: what lies before is not read.
    "CROSS JOIN LATERAL (SELECT seq, position_after FROM position_events WHERE position_id = p.id "
    "AND executed_at < k.since ORDER BY seq DESC LIMIT 1) m "
    "WHERE m.position_after = 0 OR ("
    # Under average cost a lot's row does not tell what its disposals took: the pool did.
    "b.cost_method <> 'average' AND p.cost_basis IS NOT NULL AND p.realized_pnl IS NOT NULL "
    "AND NOT EXISTS (SELECT FROM position_events t WHERE t.position_id = p.id AND t.seq > m.seq "
    "AND t.exec_id IS NULL) "
    # A correction changed nothing itself, and a cancelled trade is not told by its rows. Whether all that the
    # revisions of a fill had cost was known is told by each of them, or else by the one that counts.
    "AND NOT EXISTS (SELECT FROM position_events t JOIN executions e ON e.exec_id = t.exec_id "
    "LEFT JOIN executions c ON c.exec_id = e.corrected_by WHERE t.position_id = p.id AND t.seq > m.seq "
    "AND t.type = 'corrected' "
    "AND (c.quantity IS NULL OR c.quantity = 0 OR (c.commission_folded AND NOT e.commission_folded))) "
    # The first sale of a part makes what an adjustment brought an estimate: it must have been before.
    "AND NOT EXISTS (SELECT FROM position_events t "
    "JOIN lot_disposals d ON d.exec_id = t.exec_id AND d.position_id = p.id "
    "JOIN lots l ON l.position_id = p.id AND l.seq = d.lot_seq "
    "WHERE t.position_id = p.id AND t.seq > m.seq "
    "AND l.exec_id IS NULL AND l.carried_at IS NULL AND l.provisional AND NOT EXISTS ("
    "SELECT FROM lot_disposals o WHERE o.position_id = p.id AND o.lot_seq = l.seq "
    "AND o.closed_at < k.since)))"
)
_rewind = text(
    "WITH k AS MATERIALIZED (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:kept AS integer[])) "
    "AS k(id, kept)), "
    "gone AS MATERIALIZED (DELETE FROM position_events v USING k "
    "WHERE v.position_id = k.id AND v.seq > k.kept RETURNING v.*), "
    # Which lots were opened after it: each of these events opened one.
    "trades AS MATERIALIZED (SELECT k.id, k.kept, "
    "count(*) FILTER (WHERE g.type IN ('opened', 'increased')) AS opened, "
    "count(*) FILTER (WHERE g.type <> 'corrected' AND NOT e.commission_folded) AS missing, "
    "max(abs(g.position_after)) AS size, "
    "coalesce(sum(g.commission), 0) AS commission, coalesce(sum(g.realized_pnl), 0) AS realized "
    "FROM k JOIN gone g ON g.position_id = k.id CROSS JOIN LATERAL ("
    "SELECT commission_folded FROM executions WHERE exec_id = g.exec_id OFFSET 0) e GROUP BY k.id, k.kept), "
    "lots_left AS MATERIALIZED (SELECT t.id, p.lot_count - t.opened AS kept FROM trades t "
    "JOIN positions p ON p.id = t.id), "
    "undone AS MATERIALIZED (DELETE FROM lot_disposals d USING gone g "
    "WHERE d.exec_id = g.exec_id AND d.position_id = g.position_id RETURNING d.*), "
    "dropped AS MATERIALIZED (DELETE FROM lots l USING lots_left n "
    "WHERE l.position_id = n.id AND l.seq > n.kept RETURNING l.*), "
    "restored AS (UPDATE lots l SET remaining = trim_scale(l.remaining + s.quantity), "
    "remaining_commission = trim_scale(l.remaining_commission + s.commission), "
    "remaining_cost = trim_scale(l.remaining_cost + s.cost) FROM ("
    "SELECT d.position_id, d.lot_seq, sum(d.quantity) AS quantity, sum(d.open_commission) AS commission, "
    "sum(d.cost) AS cost FROM undone d JOIN lots_left n ON n.id = d.position_id AND d.lot_seq <= n.kept "
    "GROUP BY d.position_id, d.lot_seq) s WHERE l.position_id = s.position_id AND l.seq = s.lot_seq), "
    "sold AS MATERIALIZED (SELECT position_id AS id, count(*) AS number, sum(cost) AS cost, "
    "sum(open_commission) AS commission FROM undone GROUP BY position_id), "
    "bought AS MATERIALIZED (SELECT position_id AS id, count(*) FILTER (WHERE provisional) AS provisional, "
    "sum(cost) AS cost, sum(commission) AS commission FROM dropped GROUP BY position_id) "
    "UPDATE positions p SET status = 'open', closed_at = NULL, quantity = m.position_after, "
    "max_quantity = CASE WHEN p.max_quantity > t.size THEN p.max_quantity ELSE ("
    "SELECT trim_scale(max(abs(position_after))) FROM position_events WHERE position_id = p.id "
    "AND seq <= t.kept) END, "
    "cost_basis = trim_scale(p.cost_basis - coalesce(o.cost + o.commission, 0) "
    "+ coalesce(s.cost + s.commission, 0)), "
    "realized_pnl = trim_scale(p.realized_pnl - t.realized), "
    "commission = trim_scale(p.commission - t.commission), "
    "open_commission = trim_scale(p.open_commission - coalesce(o.commission, 0) "
    "+ coalesce(s.commission, 0)), "
    "missing_commissions = p.missing_commissions - t.missing, "
    "provisional_lots = p.provisional_lots - coalesce(o.provisional, 0), "
    "event_count = t.kept, lot_count = p.lot_count - t.opened, "
    "disposal_count = p.disposal_count - coalesce(s.number, 0) "
    "FROM trades t JOIN position_events m ON m.position_id = t.id AND m.seq = t.kept "
    "LEFT JOIN sold s ON s.id = t.id LEFT JOIN bought o ON o.id = t.id WHERE p.id = t.id"
)


async def points(connection: Writer, since: Mapping[BookKey, datetime]) -> dict[BookKey, Point]:
    """To where these books can be taken back so that nothing of, or after, a time is in them any more.

    That they are held to nothing around that time is for the caller to see to.
    """
    rows = await connection.execute(_points, books_since(since.items()))
    return {(row[0], row[1]): Point(*row[2:]) for row in rows}


async def rewind(connection: Writer, back_to: Iterable[Point]) -> None:
    """Take these episodes back; those after them must be deleted already, for only one may be open.

    Averages are left to who writes what follows. ``back_to`` must be of this transaction, which has locked
    its books.
    """
    ordered = sorted(point for point in back_to if not point.is_flat)
    if ordered:
        await connection.execute(
            _rewind,
            {"ids": [point.episode for point in ordered], "kept": [point.events for point in ordered]},
        )
