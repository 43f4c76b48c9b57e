"""A commission that comes after its fill was folded, as it usually does by some milliseconds.

Where nothing was built upon the fill yet, the commission changes a few sums and no more; writing just those
keeps its cost independent of how long the position's history is. Everything else is folded anew.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import text

from core.domain.books import BookKey
from core.domain.pnl import EXACT, shares
from models.session import Writer
from models.stores.bulk import BulkUpdate
from models.tables import lot_disposals

_GIVEN = (
    "unnest(CAST(:exec_ids AS text[]), CAST(CAST(:fees AS text[]) AS numeric[])) AS k(exec_id, fee) "
    "JOIN position_events v ON v.exec_id = k.exec_id"
)
_simple = text(
    # An open position's fill that was no flip, and whose lot, if it opened one, is untouched.
    "SELECT k.id, p.account, p.conid FROM unnest(CAST(:exec_ids AS text[])) AS k(id) "
    "CROSS JOIN LATERAL (SELECT position_id, seq, type, executed_at FROM position_events "
    "WHERE exec_id = k.id OFFSET 0) v "
    "JOIN positions p ON p.id = v.position_id JOIN ledger_books b ON b.account = p.account "
    "AND b.conid = p.conid WHERE p.status = 'open' "
    "AND (v.type = 'reduced' OR (v.type IN ('opened', 'increased') AND EXISTS (SELECT FROM lots l "
    "WHERE l.position_id = v.position_id AND l.exec_id = k.id AND l.remaining = l.quantity))) "
    "AND NOT EXISTS (SELECT FROM position_events f WHERE f.exec_id = k.id AND f.type = 'flipped') "
    # What the ledger is held to says what everything up to then had cost, commissions and all: of that, an
    # adjustment has what the others leave.
    "AND v.executed_at > coalesce(b.last_anchor_at, '-infinity') "
    # Under average cost every later disposal has its part of an opening commission, and is as provisional
    # as the least certain of all lots.
    "AND (b.cost_method <> 'average' OR CASE v.type WHEN 'reduced' THEN p.provisional_lots = 0 "
    "ELSE NOT EXISTS (SELECT FROM position_events n WHERE n.position_id = v.position_id AND n.seq > v.seq "
    "AND n.type NOT IN ('opened', 'increased', 'corrected')) END)"
)
_lots = text(
    "UPDATE lots l SET commission = trim_scale(k.fee), "  # noqa: S608 - no input in it
    f"remaining_commission = trim_scale(k.fee), provisional = false FROM {_GIVEN} "
    "WHERE l.position_id = v.position_id AND l.exec_id = k.exec_id"
)
_positions = text(
    "UPDATE positions p SET commission = trim_scale(p.commission + s.fee), "  # noqa: S608 - no input in it
    "open_commission = trim_scale(p.open_commission + s.cost), "
    "provisional_lots = p.provisional_lots - s.lots, "
    "cost_basis = trim_scale(p.cost_basis + s.cost), "
    "realized_pnl = trim_scale(p.realized_pnl - s.fee + s.cost), "
    "missing_commissions = p.missing_commissions - s.number FROM (SELECT v.position_id, sum(k.fee) AS fee, "
    "coalesce(sum(k.fee) FILTER (WHERE v.type <> 'reduced'), 0) AS cost, count(*) AS number, "
    "count(*) FILTER (WHERE v.type <> 'reduced') AS lots "
    f"FROM {_GIVEN} GROUP BY v.position_id) s WHERE p.id = s.position_id"
)
_executions = text(
    "UPDATE executions e SET commission_folded = true, "  # noqa: S608 - no input in it
    f"realized_pnl = trim_scale(e.realized_pnl - k.fee) FROM {_GIVEN} "
    "WHERE e.exec_id = k.exec_id"
)
_events = text(
    "UPDATE position_events e SET commission = trim_scale(k.fee), "  # noqa: S608 - no input in it
    f"realized_pnl = trim_scale(e.realized_pnl - k.fee) FROM {_GIVEN} "
    "WHERE e.position_id = v.position_id AND e.seq = v.seq"
)
_disposals = text(
    "SELECT d.position_id, d.lot_seq, d.seq, d.exec_id, d.quantity, d.realized_pnl, l.provisional "
    "FROM lot_disposals d JOIN lots l ON l.position_id = d.position_id AND l.seq = d.lot_seq "
    "WHERE d.exec_id = ANY(:exec_ids) ORDER BY d.exec_id, d.seq"
)
_update_disposals = BulkUpdate(
    lot_disposals,
    ("position_id", "lot_seq", "seq"),
    ("close_commission", "realized_pnl", "provisional"),
)


class LateCommission(NamedTuple):
    """A fill that was folded without a commission, and its commission."""

    exec_id: str
    commission: Decimal


async def simple_ones(connection: Writer, exec_ids: Sequence[str]) -> dict[str, BookKey]:
    """Of these fills, those that nothing was built upon, with their books (which the caller has locked)."""
    rows = await connection.execute(_simple, {"exec_ids": sorted(exec_ids)})
    return {row.id: (row.account, row.conid) for row in rows}


async def add_commissions(connection: Writer, late: Sequence[LateCommission]) -> None:
    """Add the commissions to what was folded without them; averages are the caller's to write."""
    given = {
        "exec_ids": [one.exec_id for one in late],
        "fees": [str(one.commission) for one in late],
    }
    # The events last: their type tells the others what to do.
    for statement in (_lots, _positions, _executions, _events):
        await connection.execute(statement, given)
    await _share_out(connection, {one.exec_id: one.commission for one in late})


async def _share_out(connection: Writer, fees: Mapping[str, Decimal]) -> None:
    """Give each disposal its part of the closing commission, as the fold would have."""
    rows = await connection.execute(_disposals, {"exec_ids": list(fees)})
    updated: list[tuple[Any, ...]] = []
    for exec_id, group in groupby(rows, key=lambda row: row.exec_id):
        disposals = list(group)
        parts = shares(fees[exec_id], [one.quantity for one in disposals])
        updated.extend(
            (
                one.position_id,
                one.lot_seq,
                one.seq,
                fee,
                None if one.realized_pnl is None else EXACT.subtract(one.realized_pnl, fee),
                one.provisional,
            )
            for one, fee in zip(disposals, parts, strict=True)
        )
    await _update_disposals(connection, updated)
