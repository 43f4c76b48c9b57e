from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, select, true, tuple_

from models.session import Reader
from models.tables import commission_reports, executions, instruments, position_events


class ExecutionKey(NamedTuple):
    """Where an execution stands in the list: newest first."""

    executed_at: datetime
    exec_id: str


class ExecutionRow(NamedTuple):
    """An execution with its instrument, and what it was charged."""

    exec_id: str
    order_ref: str
    perm_id: int
    account: str
    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
    side: str
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: str | None
    realized_pnl: Decimal | None
    broker_realized_pnl: Decimal | None
    currency: str
    executed_at: datetime
    corrected_by: str | None
    position_id: UUID | None
    source: str


async def executions_page(
    reader: Reader,
    *,
    account: str | None = None,
    symbol: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    corrected: bool = False,
    position_id: UUID | None = None,
    after: ExecutionKey | None = None,
    limit: int,
) -> list[ExecutionRow]:
    """At most ``limit`` executions after ``after``, newest first; from ``since`` on and before ``until``.

    A corrected fill is charged by differences: the commissions of its versions add up. With ``corrected`` the
    replaced versions are listed too, each with its own report. Those of ``position_id`` are the fills
    that its events tell of: a fill through zero belongs to two positions.
    """
    fill, described, report = executions.c, instruments.c, commission_reports.c
    version = executions.alias("version")
    same_fill = (
        version.c.exec_id == fill.exec_id if corrected else version.c.exec_base_id == fill.exec_base_id
    )
    charged = (
        select(
            func.sum(report.commission).label("commission"),
            func.min(report.currency).label("currency"),
            func.max(report.realized_pnl).filter(report.exec_id == fill.exec_id).label("broker_realized_pnl"),
        )
        .select_from(version.join(commission_reports, report.exec_id == version.c.exec_id))
        .where(same_fill)
        .correlate(executions)
        .lateral("charged")
    )
    query = (
        select(
            fill.exec_id,
            fill.order_ref,
            fill.perm_id,
            fill.account,
            fill.conid,
            described.symbol,
            described.local_symbol,
            described.sec_type,
            fill.side,
            fill.quantity,
            fill.price,
            charged.c.commission,
            charged.c.currency,
            fill.realized_pnl,
            charged.c.broker_realized_pnl,
            described.currency,
            fill.executed_at,
            fill.corrected_by,
            fill.position_id,
            fill.source,
        )
        .select_from(
            executions.join(instruments, and_(described.conid == fill.conid)).outerjoin(charged, true())
        )
        .order_by(fill.executed_at.desc(), fill.exec_id.desc())
        .limit(limit)
    )
    conditions = [
        None if account is None else fill.account == account,
        None if symbol is None else described.symbol == symbol,
        None if since is None else fill.executed_at >= since,
        None if until is None else fill.executed_at < until,
        None if corrected else fill.corrected_by.is_(None),
        None
        if position_id is None
        else fill.exec_id.in_(
            select(position_events.c.exec_id).where(position_events.c.position_id == position_id)
        ),
        None if after is None else tuple_(fill.executed_at, fill.exec_id) < after,
    ]
    query = query.where(*(condition for condition in conditions if condition is not None))
    return [ExecutionRow._make(row) for row in await reader.execute(query)]
