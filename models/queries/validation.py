"""What has to be true of what is stored, beside the ledger itself."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from models.queries.differences import IS_KNOWN
from models.session import Reader

_awaited = text(
    # Neither a combo's own execution nor one that was replaced or cancelled has a commission of its own.
    "SELECT e.account, count(*) AS executions, min(e.executed_at) AS oldest FROM executions e "
    "JOIN instruments i USING (conid) WHERE NOT EXISTS (SELECT FROM commission_reports c "
    "WHERE c.exec_id = e.exec_id) AND e.corrected_by IS NULL AND e.quantity <> 0 AND i.sec_type <> 'BAG' "
    "AND (CAST(:account AS text) IS NULL OR e.account = :account) GROUP BY e.account ORDER BY e.account"
)
_open_by_kind = text(
    "SELECT account, kind, count(*) FILTER (WHERE NOT is_known) AS books, "  # noqa: S608 - no input in it
    "count(*) FILTER (WHERE is_known) AS acknowledged, min(since) AS since FROM ("
    f"SELECT account, kind, since, {IS_KNOWN} AS is_known FROM reconciliation_differences "
    "WHERE resolved_at IS NULL AND (CAST(:account AS text) IS NULL OR account = :account)) d "
    "GROUP BY account, kind ORDER BY account, kind"
)


class Awaited(NamedTuple):
    """An account's executions that no commission report has come for."""

    account: str
    executions: int
    oldest: datetime


class StandingOpen(NamedTuple):
    """Differences of one kind from what the broker says an account holds, and since when there is one.

    ``books`` want attention, of ``acknowledged`` others somebody knows as they are.
    """

    account: str
    kind: str
    books: int
    acknowledged: int
    since: datetime


async def awaited_commissions(reader: Reader, account: str | None = None) -> list[Awaited]:
    """Executions that count and whose commission nobody told."""
    return [Awaited._make(row) for row in await reader.execute(_awaited, {"account": account})]


async def open_by_kind(reader: Reader, account: str | None = None) -> list[StandingOpen]:
    """Differences that stand."""
    return [StandingOpen._make(row) for row in await reader.execute(_open_by_kind, {"account": account})]
