"""What was realized, by period or symbol, ours and the broker's."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, cast, func, select

from core.domain.lots import CostMethod
from models.queries.grouping import GroupKey, in_order, is_period, period_end, period_of, symbol_key
from models.session import Reader
from models.tables import commission_reports, instruments, ledger_books, lot_disposals, positions
from models.types import BigInt

Grouping = Literal["day", "month", "year", "symbol"]


class RealizedRow(NamedTuple):
    """The disposals of one period or symbol, of one account and currency.

    ``realized_pnl`` is ``None`` when one of them is unknown, ``broker_realized_pnl`` when the broker gave no
    figure for one of the closing fills. ``difference`` is ours less the broker's, of the closing fills alone:
    of an adjustment the broker has no figure. ``realized_without_fill`` is ours of the adjustments (an
    expiry, an exercise, a merger), ``None`` when one of them is unknown, so that where all are known
    ``realized_pnl`` is ``broker_realized_pnl`` and ``difference`` and it. ``method`` chose the lots, ``None``
    where several did.
    """

    key: str
    account: str
    currency: str
    realized_pnl: Decimal | None
    commission: Decimal
    broker_realized_pnl: Decimal | None
    difference: Decimal | None
    realized_without_fill: Decimal | None
    disposals: int
    disposals_without_fill: int
    unknown_disposals: int
    missing_broker_figures: int
    provisional: bool
    method: CostMethod | None


def closing_fills(*bounds: ColumnElement[bool]) -> Subquery:
    """One row for each closing fill (or, without ``exec_id``, adjustment) whose disposals are in ``bounds``.

    A fill has several disposals, and the broker's figure once.
    """
    disposal, position = lot_disposals.c, positions.c
    return (
        select(
            disposal.position_id,
            position.account,
            position.conid,
            disposal.closed_at,
            disposal.exec_id,
            # Of no use while one of them is unknown.
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


def with_broker_figures(closing: Subquery) -> Any:
    """Closing fills with their instrument and the broker's report, without currency trades."""
    return closing.join(
        instruments, and_(instruments.c.conid == closing.c.conid, instruments.c.sec_type != "CASH")
    ).outerjoin(commission_reports, commission_reports.c.exec_id == closing.c.exec_id)


def closed_within(
    account: str | None, since: datetime | None, until: datetime | None, symbol: str | None = None
) -> list[ColumnElement[bool]]:
    """Bounds for ``closing_fills``: closed from ``since`` on and before ``until``."""
    bounds: list[ColumnElement[bool]] = [] if since is None else [lot_disposals.c.closed_at >= since]
    if until is not None:
        bounds.append(lot_disposals.c.closed_at < until)
    if account is not None:
        bounds.append(positions.c.account == account)
    if symbol is not None:
        bounds.append(is_of_symbol(symbol))
    return bounds


def is_of_symbol(symbol: str) -> ColumnElement[bool]:
    """Whether a position is in an instrument of this very symbol; a derivative has its underlying's."""
    return positions.c.conid.in_(select(instruments.c.conid).where(instruments.c.symbol == symbol))


def realized_told(grouping: Grouping, *bounds: ColumnElement[bool]) -> Select[Any]:
    """What ``realized_page`` lists of what is in ``bounds``, all of it and in no order."""
    report, book = commission_reports.c, ledger_books.c
    closing = closing_fills(*bounds)
    key = period_of(grouping, closing.c.closed_at) if is_period(grouping) else symbol_key()
    unknown = func.sum(closing.c.unknown)
    # An adjustment has no fill, and so no figure of the broker's.
    is_fill, is_adjustment = closing.c.exec_id.is_not(None), closing.c.exec_id.is_(None)
    missing = func.count(closing.c.exec_id).filter(report.realized_pnl.is_(None))
    place = (key, closing.c.account, instruments.c.currency)
    return (
        select(
            *place,
            case((unknown == 0, func.sum(closing.c.realized))),
            func.sum(closing.c.commission),
            case((missing == 0, func.sum(report.realized_pnl))),
            case(
                (
                    and_(unknown == 0, missing == 0),
                    func.sum(closing.c.realized).filter(is_fill) - func.sum(report.realized_pnl),
                )
            ),
            case(
                (
                    func.coalesce(func.sum(closing.c.unknown).filter(is_adjustment), 0) == 0,
                    func.coalesce(func.sum(closing.c.realized).filter(is_adjustment), 0),
                )
            ),
            # Sums of counts come as NUMERIC.
            cast(func.sum(closing.c.disposals), BigInt),
            cast(func.coalesce(func.sum(closing.c.disposals).filter(is_adjustment), 0), BigInt),
            cast(unknown, BigInt),
            missing,
            func.bool_or(closing.c.provisional),
            case((func.min(book.cost_method) == func.max(book.cost_method), func.min(book.cost_method))),
        )
        .select_from(
            with_broker_figures(closing).outerjoin(
                ledger_books, and_(book.account == closing.c.account, book.conid == closing.c.conid)
            )
        )
        .group_by(*place)
    )


async def realized_page(
    reader: Reader,
    *,
    grouping: Grouping,
    account: str | None = None,
    symbol: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: GroupKey | None = None,
    limit: int,
) -> list[RealizedRow]:
    """At most ``limit`` groups after ``after``, of what was closed from ``since`` on and before ``until``.

    Currency trades are left out: IBKR realizes nothing on them. Days are those of UTC.
    """
    bounds = closed_within(account, since, until, symbol)
    if after is not None and is_period(grouping):
        # So that a later page does not read what the earlier ones have shown.
        bounds.append(lot_disposals.c.closed_at < period_end(after.key))
    query = realized_told(grouping, *bounds)
    key, of_account, currency, *_ = query.selected_columns
    query = in_order(query.limit(limit), (key, of_account, currency), grouping, after)
    return [RealizedRow._make(row) for row in await reader.execute(query)]
