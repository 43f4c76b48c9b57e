"""What was realized, by period or symbol, ours and the broker's."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, select, tuple_

from models.session import Reader
from models.tables import commission_reports, instruments, lot_disposals, positions

Grouping = Literal["day", "month", "year", "symbol"]
_FORMATS = {"day": "YYYY-MM-DD", "month": "YYYY-MM", "year": "YYYY"}


class RealizedKey(NamedTuple):
    """Which group a row is: periods stand newest first, symbols in order."""

    key: str
    account: str
    currency: str


class RealizedRow(NamedTuple):
    """The disposals of one period or symbol, of one account and currency.

    ``realized_pnl`` is ``None`` when one of them is unknown, ``broker_realized_pnl`` when the broker gave no
    figure for one of the closing fills.
    """

    key: str
    account: str
    currency: str
    realized_pnl: Decimal | None
    commission: Decimal
    broker_realized_pnl: Decimal | None
    disposals: int
    unknown_disposals: int
    missing_broker_figures: int
    provisional: bool


def _key(grouping: Grouping, closed_at: ColumnElement[datetime]) -> ColumnElement[str]:
    if grouping == "symbol":
        return instruments.c.symbol.collate("C")
    return func.to_char(func.timezone("UTC", closed_at), _FORMATS[grouping]).collate("C")


def period_end(period: str) -> datetime:
    """When a day, month or year that is spelled so is over. Raises ``ValueError`` for anything else."""
    year, month, day = (*map(int, period.split("-")), 0, 0)[:3]
    if day:
        return datetime.fromordinal(datetime(year, month, day, tzinfo=UTC).toordinal() + 1).replace(
            tzinfo=UTC
        )
    following = (year, month + 1) if 0 < month < 12 else (year + 1, 1)  # noqa: PLR2004 - months a year has
    return datetime(*following, 1, tzinfo=UTC)


async def realized_page(
    reader: Reader,
    *,
    grouping: Grouping,
    account: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: RealizedKey | None = None,
    limit: int,
) -> list[RealizedRow]:
    """At most ``limit`` groups after ``after``, of what was closed from ``since`` on and before ``until``.

    Currency trades are left out: IBKR realizes nothing on them. Days are those of UTC.
    """
    disposal, position, report = lot_disposals.c, positions.c, commission_reports.c
    bounds = [] if since is None else [disposal.closed_at >= since]
    if until is not None:
        bounds.append(disposal.closed_at < until)
    if after is not None and grouping != "symbol":
        # So that a later page does not read what the earlier ones have shown.
        bounds.append(disposal.closed_at < period_end(after.key))
    if account is not None:
        bounds.append(position.account == account)
    # One row a closing fill first: it has several disposals, and the broker's figure once.
    closing = (
        select(
            position.account,
            position.conid,
            disposal.closed_at,
            disposal.exec_id,
            func.sum(disposal.realized_pnl).label("realized"),
            func.sum(disposal.open_commission + disposal.close_commission).label("commission"),
            func.count().label("disposals"),
            (func.count() - func.count(disposal.realized_pnl)).label("unknown"),
            func.bool_or(disposal.provisional).label("provisional"),
        )
        .select_from(lot_disposals.join(positions, position.id == disposal.position_id))
        .where(*bounds)
        .group_by(
            disposal.position_id, position.account, position.conid, disposal.closed_at, disposal.exec_id
        )
        .subquery("closing")
    )
    key = _key(grouping, closing.c.closed_at)
    unknown = func.sum(closing.c.unknown)
    # An adjustment has no fill, and so no figure of the broker's.
    missing = func.count(closing.c.exec_id).filter(report.realized_pnl.is_(None))
    place = (key, closing.c.account, instruments.c.currency)
    query = (
        select(
            key,
            closing.c.account,
            instruments.c.currency,
            case((unknown == 0, func.sum(closing.c.realized))),
            func.sum(closing.c.commission),
            case((missing == 0, func.sum(report.realized_pnl))),
            func.sum(closing.c.disposals),
            unknown,
            missing,
            func.bool_or(closing.c.provisional),
        )
        .select_from(
            closing.join(
                instruments, and_(instruments.c.conid == closing.c.conid, instruments.c.sec_type != "CASH")
            ).outerjoin(commission_reports, report.exec_id == closing.c.exec_id)
        )
        .group_by(*place)
        .limit(limit)
    )
    if grouping == "symbol":
        query = query.order_by(*place)
    else:
        query = query.order_by(*(column.desc() for column in place))
    if after is not None:
        query = query.where(tuple_(*place) > after if grouping == "symbol" else tuple_(*place) < after)
    return [
        # Sums of counts come as NUMERIC.
        RealizedRow._make((*row[:6], *map(int, row[6:9]), row[9]))
        for row in await reader.execute(query)
    ]
