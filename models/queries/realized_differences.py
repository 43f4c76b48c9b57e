"""Where what we say a fill realized is not what the broker says."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, Subquery, and_, func, select, tuple_

from models.queries.grouping import period_of
from models.queries.realized import closed_within, closing_fills, with_broker_figures
from models.session import Reader
from models.tables import commission_reports, instruments, lot_disposals

REALIZED_LEEWAY = Decimal("0.005")
"""In the currency of the instrument: how far the two may be apart and still count as equal.

The broker reckons in binary floating point and rounds to digits of its own choice, while ours is exact. Half
a cent is the most that rounding to the cent can make; whatever is further apart has another reason.
"""


class FillKey(NamedTuple):
    """Where a fill stands in the list: newest first."""

    executed_at: datetime
    exec_id: str


class DifferingFill(NamedTuple):
    """A closing fill, both figures of it known and further apart than ``REALIZED_LEEWAY``.

    ``difference`` is ours less the broker's; ``provisional``: ours may still change.
    """

    exec_id: str
    account: str
    conid: int
    symbol: str
    currency: str
    executed_at: datetime
    realized_pnl: Decimal
    broker_realized_pnl: Decimal
    difference: Decimal
    provisional: bool
    position_id: UUID


class RealizedTotal(NamedTuple):
    """The closing fills of one account in one currency.

    The three sums are over those of which both figures are known (``compared``), all three zero where there
    is none; ``differing`` of them are further apart than ``REALIZED_LEEWAY``. Of ``missing`` fills the broker
    gave no figure, of ``unknown`` ones we have none. Of the differing ones ``estimated`` are provisional: a
    commission is awaited, or what was closed was a part of an opening balance.
    """

    account: str
    currency: str
    realized_pnl: Decimal
    broker_realized_pnl: Decimal
    difference: Decimal
    compared: int
    differing: int
    missing: int
    unknown: int
    estimated: int


async def differing_fills(
    reader: Reader,
    *,
    account: str | None = None,
    symbol: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: FillKey | None = None,
    limit: int,
) -> list[DifferingFill]:
    """At most ``limit`` differing fills after ``after``, of those from ``since`` on and before ``until``.

    Currency trades are left out: IBKR realizes nothing on them. A fill that closed nothing here has no
    figure of ours and is not listed, whatever the broker says it realized.
    """
    bounds = [*closed_within(account, since, until, symbol), lot_disposals.c.exec_id.is_not(None)]
    if after is not None:
        bounds.append(lot_disposals.c.closed_at <= after.executed_at)
    closing = closing_fills(*bounds)
    ours, theirs = closing.c.realized, commission_reports.c.realized_pnl
    place = (closing.c.closed_at, closing.c.exec_id)
    query = (
        select(
            closing.c.exec_id,
            closing.c.account,
            closing.c.conid,
            instruments.c.symbol,
            instruments.c.currency,
            closing.c.closed_at,
            ours,
            theirs,
            ours - theirs,
            closing.c.provisional,
            closing.c.position_id,
        )
        .select_from(with_broker_figures(closing))
        # Nothing is compared with null.
        .where(closing.c.unknown == 0, func.abs(ours - theirs) > REALIZED_LEEWAY)
        .order_by(*(column.desc() for column in place))
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*place) < after)
    return [DifferingFill._make(row) for row in await reader.execute(query)]


async def realized_totals(
    reader: Reader,
    *,
    account: str | None = None,
    symbol: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[RealizedTotal]:
    """Ours against the broker's in total, by account and currency, of fills in the same bounds."""
    closing = closing_fills(
        *closed_within(account, since, until, symbol), lot_disposals.c.exec_id.is_not(None)
    )
    return [RealizedTotal._make(row) for row in await reader.execute(_totals(closing))]


async def realized_days(reader: Reader, *, account: str | None = None) -> list[tuple[str, RealizedTotal]]:
    """The same for each day by UTC, newest first."""
    closing = closing_fills(*closed_within(account, None, None), lot_disposals.c.exec_id.is_not(None))
    day = period_of("day", closing.c.closed_at)
    totals = _totals(closing)
    ordered = totals.order_by(None).order_by(day.desc(), *totals.selected_columns[:2])
    rows = await reader.execute(ordered.group_by(day).add_columns(day))
    return [(row[-1], RealizedTotal._make(row[:-1])) for row in rows]


def _totals(closing: Subquery) -> Select[Any]:
    ours, theirs = closing.c.realized, commission_reports.c.realized_pnl
    known = closing.c.unknown == 0
    compared = and_(known, theirs.is_not(None))
    differs = and_(compared, func.abs(ours - theirs) > REALIZED_LEEWAY)
    nothing = Decimal(0)
    by = (closing.c.account, instruments.c.currency)
    return (
        select(
            *by,
            func.coalesce(func.sum(ours).filter(compared), nothing),
            func.coalesce(func.sum(theirs).filter(compared), nothing),
            func.coalesce(func.sum(ours - theirs).filter(compared), nothing),
            func.count().filter(compared),
            func.count().filter(differs),
            func.count().filter(theirs.is_(None)),
            func.count().filter(~known),
            func.count().filter(differs, closing.c.provisional),
        )
        .select_from(with_broker_figures(closing))
        .group_by(*by)
        .order_by(*by)
    )
