"""What is stored of executions that are told once more."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text

from models.session import Reader

# One index probe an id, whatever the planner thinks of a growing table.
_stored = text(
    "SELECT e.*, c.* FROM unnest(CAST(:exec_ids AS text[])) AS k(id) CROSS JOIN LATERAL ("
    "SELECT exec_id, account, conid, side, quantity, price, commission_folded FROM executions "
    "WHERE exec_id = k.id AND source = 'live' OFFSET 0) e LEFT JOIN LATERAL ("
    "SELECT commission, currency, realized_pnl, epoch, coalesce(repeated_at, received_at) AS told_at "
    "FROM commission_reports WHERE exec_id = k.id AND stated_by IS NULL OFFSET 0) c ON true"
)


class StoredExecution(NamedTuple):
    """An execution that was told live, with its commission where that was told live, too.

    ``epoch`` and ``told_at`` are those of the last report of the commission.
    """

    exec_id: str
    account: str
    conid: int
    side: str
    quantity: Decimal
    price: Decimal
    commission_folded: bool
    commission: Decimal | None
    currency: str | None
    realized_pnl: Decimal | None
    epoch: int | None
    told_at: datetime | None

    @property
    def order(self) -> tuple[int, datetime]:
        """Of that report, as of ``ReceivedCommission``: the later of two counts. There has to be one."""
        if self.epoch is None or self.told_at is None:
            raise ValueError(f"nobody told the commission of {self.exec_id}")
        return self.epoch, self.told_at


async def stored_executions(reader: Reader, exec_ids: Iterable[str]) -> dict[str, StoredExecution]:
    """What is stored of these executions."""
    rows = await reader.execute(_stored, {"exec_ids": sorted(exec_ids)})
    return {row.exec_id: StoredExecution(*row) for row in rows}
