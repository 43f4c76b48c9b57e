"""How closed positions ended, by account, symbol or period."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, func, select

from core.domain.statistics import Outcomes
from models.queries.grouping import GroupKey, in_order, is_period, period_end, period_of, symbol_key
from models.session import Reader
from models.tables import instruments, positions

Grouping = Literal["account", "symbol", "day", "month", "year"]

_realized: ColumnElement[Decimal | None] = positions.c.realized_pnl
DECIDED = func.count(_realized)
WON = _realized > Decimal(0)
LOST = _realized < Decimal(0)
CLOSED = positions.c.status == "closed"


def counted_positions() -> FromClause:
    """Positions that any figure counts, with their instruments: IBKR realizes nothing on currency trades."""
    return positions.join(
        instruments, and_(instruments.c.conid == positions.c.conid, instruments.c.sec_type != "CASH")
    )


class StatisticsRow(NamedTuple):
    """One group, of one account and currency."""

    key: str
    account: str
    currency: str
    outcomes: Outcomes


async def statistics_page(
    reader: Reader,
    *,
    grouping: Grouping,
    account: str | None = None,
    symbol: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: GroupKey | None = None,
    limit: int,
) -> list[StatisticsRow]:
    """At most ``limit`` groups after ``after``, of positions closed from ``since`` on and before ``until``.

    Periods are UTC's; a position belongs to the one in which it was closed.
    """
    position = positions.c
    closed_at = position.closed_at
    key = {"account": position.account.collate("C"), "symbol": symbol_key()}.get(grouping)
    if key is None:
        key = period_of(grouping, closed_at)
    place = (key, position.account, instruments.c.currency)
    held = func.extract("epoch", closed_at - position.opened_at)
    nothing = Decimal(0)
    query = (
        select(
            *place,
            func.count(),
            DECIDED,
            func.count().filter(WON),
            func.count().filter(LOST),
            func.count().filter(position.provisional),
            func.coalesce(func.sum(_realized).filter(WON), nothing),
            func.coalesce(func.sum(_realized).filter(LOST), nothing),
            func.max(_realized).filter(WON),
            func.min(_realized).filter(LOST),
            func.sum(position.commission),
            func.sum(held),
            func.coalesce(func.sum(held).filter(WON), nothing),
            func.coalesce(func.sum(held).filter(LOST), nothing),
        )
        .select_from(counted_positions())
        .where(CLOSED)
        .group_by(*place)
        .limit(limit)
    )
    if since is not None:
        query = query.where(closed_at >= since)
    if until is not None:
        query = query.where(closed_at < until)
    if after is not None and is_period(grouping):
        # So that a later page does not read what the earlier ones have shown.
        query = query.where(closed_at < period_end(after.key))
    if account is not None:
        query = query.where(position.account == account)
    if symbol is not None:
        query = query.where(instruments.c.symbol == symbol)
    return [
        StatisticsRow(key, account, currency, Outcomes._make(figures))
        for key, account, currency, *figures in await reader.execute(in_order(query, place, grouping, after))
    ]
