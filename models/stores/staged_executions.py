"""Executions that a statement brings, on their way from the staged trades to where they stay.

They are stored once, when all of their books are folded and it is known where they stand in the ledger: what
is stored without its place and given it afterwards is written twice, and put into every index twice.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text

from core.domain.books import BookKey
from models.session import Writer
from models.stores.bulk import copy_line, copy_lines_into
from models.stores.executions import Place

# A book's lie together: few pages are read for each, however large the file.
_STEPS = (
    text(
        "CREATE TEMPORARY TABLE staged_executions ON COMMIT DROP AS SELECT exec_id, base_id, revision, "
        "account, conid, executed_at, side, size, price, perm_id, order_ref, exchange, zone_assumed "
        "FROM staged_trades WHERE fresh ORDER BY account, conid, exec_id"
    ),
    text("CREATE INDEX ON staged_executions (account, conid, exec_id)"),
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
# In the order of their ids, which is about that of their times: the indexes grow at their ends.
_insert = text(
    "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, quantity, "
    "price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, zone_assumed, source, "
    "confirmed_by, received_at, epoch, corrected_by, position_id, realized_pnl, commission_folded) "
    "SELECT exec_id, base_id, revision, account, conid, executed_at, side, size, price, 0, perm_id, 0, "
    "order_ref, exchange, 0, '', zone_assumed, :source, :import_id, :now, 0, corrected_by, position_id, "
    # One that nobody placed has no commission_folded and is refused.
    "realized_pnl, commission_folded FROM staged_executions LEFT JOIN staged_places "
    "USING (account, conid, exec_id) ORDER BY exec_id"
)


async def make_ready(connection: Writer) -> dict[BookKey, int]:
    """Lay what is new of the matched trades together by book; returns how much there is for each."""
    for step in _STEPS:
        await connection.execute(step)
    rows = await connection.execute(_sizes)
    return {(row.account, row.conid): row.executions for row in rows}


async def place_staged(connection: Writer, places: Mapping[tuple[BookKey, str], Place]) -> None:
    """Note where staged executions stand, by book and id."""
    lines = [copy_line((*key, exec_id, *place)) for (key, exec_id), place in places.items()]
    await copy_lines_into(connection, "staged_places", _PLACED, lines)


async def store_placed(connection: Writer, import_id: int, source: str, now: datetime) -> None:
    """Store the staged executions where they were said to stand. Their books are locked."""
    await connection.execute(_insert, {"source": source, "import_id": import_id, "now": now})
