from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, null, or_, select, true, tuple_

from core.domain.pnl import QUANTUM
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
    commission_rate: Decimal | None
    realized_pnl: Decimal | None
    broker_realized_pnl: Decimal | None
    currency: str
    executed_at: datetime
    corrected_by: str | None
    position_id: UUID | None
    source: str


def _converted(into: ColumnElement[str]) -> ColumnElement[Decimal]:
    """A commission in ``into``, rounded as the ledger rounds it; null where it needs a rate and has none."""
    report = commission_reports.c
    places = -int(QUANTUM.as_tuple().exponent)
    return case(
        (or_(report.currency == "", into == ""), null()),
        (report.currency == into, report.commission),
        else_=func.trim_scale(func.round(report.commission * report.rate, places)),
    )


def executions_told(*, corrected: bool) -> Select[Any]:
    """What ``executions_page`` lists, all of it and in no order."""
    fill, described, report = executions.c, instruments.c, commission_reports.c
    version = executions.alias("version")
    same_fill = (
        version.c.exec_id == fill.exec_id if corrected else version.c.exec_base_id == fill.exec_base_id
    )
    one_currency = func.count(report.currency.distinct()) == 1
    converted = func.count(_converted(described.currency))
    all_converted = and_(converted > 0, converted == func.count())
    one_rate = and_(func.count() == func.count(report.rate), func.count(report.rate.distinct()) == 1)
    charged = (
        select(
            case(
                (one_currency, func.sum(report.commission)),
                (all_converted, func.sum(_converted(described.currency))),
            ).label("commission"),
            case((one_currency, func.min(report.currency)), (all_converted, described.currency)).label(
                "currency"
            ),
            case((and_(one_currency, one_rate), func.min(report.rate))).label("rate"),
            func.max(report.realized_pnl).filter(report.exec_id == fill.exec_id).label("broker_realized_pnl"),
        )
        .select_from(version.join(commission_reports, report.exec_id == version.c.exec_id))
        .where(same_fill)
        .correlate(executions, instruments)
        .lateral("charged")
    )
    query = select(
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
        charged.c.rate,
        fill.realized_pnl,
        charged.c.broker_realized_pnl,
        described.currency,
        fill.executed_at,
        fill.corrected_by,
        fill.position_id,
        fill.source,
    ).select_from(
        executions.join(instruments, and_(described.conid == fill.conid)).outerjoin(charged, true())
    )
    return query if corrected else query.where(fill.corrected_by.is_(None), fill.quantity != 0)


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

    A corrected fill is charged by differences: the commissions of its versions add up. Where those were
    charged in several currencies they are converted, and unknown while one of them cannot be. With
    ``corrected`` the replaced versions and the cancellations are listed too, each with its own report. Those
    of ``position_id`` are the fills that its events tell of: a fill through zero belongs to two positions.
    """
    fill, described = executions.c, instruments.c
    query = (
        executions_told(corrected=corrected)
        .order_by(fill.executed_at.desc(), fill.exec_id.desc())
        .limit(limit)
    )
    conditions = [
        None if account is None else fill.account == account,
        None if symbol is None else described.symbol == symbol,
        None if since is None else fill.executed_at >= since,
        None if until is None else fill.executed_at < until,
        None
        if position_id is None
        else fill.exec_id.in_(
            select(position_events.c.exec_id).where(position_events.c.position_id == position_id)
        ),
        None if after is None else tuple_(fill.executed_at, fill.exec_id) < after,
    ]
    query = query.where(*(condition for condition in conditions if condition is not None))
    return [ExecutionRow._make(row) for row in await reader.execute(query)]
