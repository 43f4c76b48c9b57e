"""Executions that a statement brings, on their way from the staged trades to where they stay.

They are stored once, when their book is folded and it is known where they stand in the ledger: what is stored
without its place and given it afterwards is written twice, and put into every index twice.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text

from core.domain.books import BookKey
from models.session import Writer
from models.stores.bulk import copy_line, copy_lines_into
from models.stores.executions import Place

# A book's lie together: few pages are read for each, however large the file. The number tells most apart, and
# is compared many times faster than a text.
_STEPS = (
    text(
        "CREATE TEMPORARY TABLE staged_executions ON COMMIT DROP AS SELECT exec_id, base_id, revision, "
        "account, conid, executed_at, side, size, price, perm_id, order_ref, exchange, zone_assumed "
        "FROM staged_trades WHERE fresh ORDER BY conid, account"
    ),
    text("CREATE INDEX ON staged_executions (conid, account, exec_id)"),
    text(
        "CREATE TEMPORARY TABLE staged_places (account text, conid bigint, exec_id text, corrected_by text, "
        "position_id uuid, realized_pnl numeric, commission_folded boolean) ON COMMIT DROP"
    ),
)
_sizes = text("SELECT account, conid, count(*) AS executions FROM staged_executions GROUP BY 1, 2")
_PLACED = (
    *("account", "conid", "exec_id"),
    *("corrected_by", "position_id", "realized_pnl", "commission_folded"),
)
# In the order of their ids, which is about that of their times: neighbours in the indexes come together.
_INSERT = (
    "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, quantity, "
    "price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, zone_assumed, source, "
    "confirmed_by, received_at, epoch, corrected_by, position_id, realized_pnl, commission_folded) "
    "SELECT exec_id, base_id, revision, account, conid, executed_at, side, size, price, 0, perm_id, 0, "
    "order_ref, exchange, 0, '', zone_assumed, :source, :import_id, :now, 0, corrected_by, position_id, "
    "realized_pnl, commission_folded FROM {0} ORDER BY exec_id"
)
_insert_placed = text(_INSERT.format("staged_places JOIN staged_executions USING (account, conid, exec_id)"))
_forget_places = text("TRUNCATE staged_places")
# One that nobody placed has no commission_folded and is refused.
_insert_rest = text(
    _INSERT.format(
        "(SELECT s.* FROM staged_executions s "
        "WHERE NOT EXISTS (SELECT FROM executions e WHERE e.exec_id = s.exec_id)) s "
        "LEFT JOIN staged_places USING (account, conid, exec_id)"
    )
)


async def make_ready(connection: Writer) -> dict[BookKey, int]:
    """Lay what is new of the matched trades together by book; returns how much there is for each."""
    for step in _STEPS:
        await connection.execute(step)
    rows = await connection.execute(_sizes)
    return {(row.account, row.conid): row.executions for row in rows}


def placed(places: Mapping[tuple[BookKey, str], Place]) -> list[str]:
    """Where staged executions stand, by book and id, for ``store_placed``."""
    return [copy_line((*key, exec_id, *place)) for (key, exec_id), place in places.items()]


async def store_placed(
    connection: Writer, lines: Sequence[str], import_id: int, source: str, now: datetime
) -> None:
    """Store staged executions where they stand, as ``placed`` tells it. Their books are locked."""
    if lines:
        await copy_lines_into(connection, "staged_places", _PLACED, lines)
        await connection.execute(_insert_placed, {"source": source, "import_id": import_id, "now": now})
        await connection.execute(_forget_places)


async def end(connection: Writer, import_id: int, source: str, now: datetime) -> None:
    """Have it fail where any was not stored: no statement may lose a trade."""
    await connection.execute(_insert_rest, {"source": source, "import_id": import_id, "now": now})
