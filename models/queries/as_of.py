"""Positions as they stood at a moment, by what is known now: from events, lots, disposals and statements."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    Subquery,
    column,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.sql.selectable import LateralFromClause

from core.domain.as_of import Standing
from core.domain.books import BookKey
from core.domain.money import ZERO
from core.domain.pnl import EXACT
from core.events.changes import PositionChanged
from models.queries.positions import PositionKey, Status
from models.session import Reader
from models.tables import instruments, lot_disposals, lots, position_events, position_statements, positions
from models.types import BigInt, Instant, String

DESCRIBED = (
    "symbol",
    "local_symbol",
    "sec_type",
    "currency",
    "description",
    "multiplier",
    "price_magnifier",
)
"""What a position tells of its instrument."""


async def positions_as_of(
    reader: Reader,
    at: datetime,
    *,
    status: Status,
    account: str | None = None,
    symbol: str | None = None,
    after: PositionKey | None = None,
    limit: int,
    apart: Collection[BookKey] = (),
    known_by: datetime | None = None,
) -> list[PositionChanged]:
    """At most ``limit`` positions that had begun by ``at``, after ``after``, newest first.

    ``status`` is what they were then. ``known_by`` leaves out what the broker said of a holding later; the
    books in ``apart`` are left out whole.
    """
    shown = _shown(at, status, account, symbol, after, limit, apart).subquery("shown")
    figures, in_book = _figures(shown, at), _in_book(shown, at)
    told = _broker_word(shown, at, known_by)
    query = (
        select(
            shown,
            *(each for part in figures for each in part.c),
            in_book.c.held,
            told.c.broker_quantity,
        )
        .select_from(shown)
        .outerjoin(in_book, true())
        .outerjoin(told, true())
        .order_by(shown.c.opened_at.desc(), shown.c.id.desc())
    )
    for part in figures:
        query = query.outerjoin(part, true())
    return [_position(row, at) for row in await reader.execute(query)]


def _shown(
    at: datetime,
    status: Status,
    account: str | None,
    symbol: str | None,
    after: PositionKey | None,
    limit: int,
    apart: Collection[BookKey],
) -> Select[Any]:
    table = positions.c
    query = (
        select(
            *(table[name] for name in ("id", "account", "conid", "side", "opened_at", "closed_at")),
            table.provisional,
            *(instruments.c[name] for name in DESCRIBED),
        )
        .select_from(positions.join(instruments, table.conid == instruments.c.conid))
        .order_by(table.opened_at.desc(), table.id.desc())
        .limit(limit)
    )
    if status == "open":
        # An episode that began and ended at one moment is an empty range, which holds nothing.
        query = query.where(_during(table.opened_at, table.closed_at, at))
    else:
        query = query.where(table.opened_at <= at)
        if status == "closed":
            query = query.where(table.closed_at <= at)
    if account is not None:
        query = query.where(table.account == account)
    if symbol is not None:
        query = query.where(instruments.c.symbol == symbol)
    if after is not None:
        query = query.where(tuple_(table.opened_at, table.id) < after)
    if apart:
        keys = (
            func.unnest(
                literal([key[0] for key in apart], ARRAY(String)),
                literal([key[1] for key in apart], ARRAY(BigInt)),
            )
            .table_valued(column("account", String), column("conid", BigInt))
            .render_derived()
        )
        query = query.where(tuple_(table.account, table.conid).not_in(select(keys.c.account, keys.c.conid)))
    return query


def _during(begun: ColumnElement[Any], ended: ColumnElement[Any], at: datetime) -> ColumnElement[bool]:
    return func.tstzrange(begun, ended).bool_op("@>")(literal(at, Instant))


def _figures(shown: Subquery, at: datetime) -> tuple[LateralFromClause, ...]:
    """What ``core.domain.as_of.standing`` sums, summed where the rows are."""
    event, lot, sold = position_events.c, lots.c, lot_disposals.c
    events = select(
        func.sum(event.quantity).label("quantity"),
        func.sum(event.commission).label("commission"),
        func.sum(event.realized_pnl).filter(event.type == "corrected").label("fees"),
    ).where(event.position_id == shown.c.id, event.executed_at <= at)
    opened = select(
        func.sum(lot.cost + lot.commission).label("bought"),
        func.bool_or(lot.cost.is_(None)).label("bought_unknown"),
    ).where(lot.position_id == shown.c.id, func.coalesce(lot.carried_at, lot.opened_at) <= at)
    closed = select(
        func.sum(sold.cost + sold.open_commission).label("sold"),
        func.bool_or(sold.cost.is_(None)).label("sold_unknown"),
        func.sum(sold.realized_pnl).label("realized"),
        func.bool_or(sold.realized_pnl.is_(None)).label("realized_unknown"),
    ).where(sold.position_id == shown.c.id, sold.closed_at <= at)
    return events.lateral("events"), opened.lateral("opened"), closed.lateral("closed")


def _in_book(shown: Subquery, at: datetime) -> LateralFromClause:
    """What the ledger held of the instrument then, in whichever episode was the last to have begun."""
    last, event = positions.alias("last").c, position_events.alias("held_events").c
    current = (
        select(last.id)
        .where(last.account == shown.c.account, last.conid == shown.c.conid, last.opened_at <= at)
        .order_by(last.ordinal.desc())
        .limit(1)
        .correlate(shown)
        .scalar_subquery()
    )
    held = func.sum(event.quantity).label("held")
    return select(held).where(event.position_id == current, event.executed_at <= at).lateral("in_book")


def _broker_word(shown: Subquery, at: datetime, known_by: datetime | None) -> LateralFromClause:
    said = position_statements.c
    query = (
        select(said.quantity.label("broker_quantity"))
        .where(said.account == shown.c.account, said.conid == shown.c.conid, said.as_of <= at)
        .order_by(said.as_of.desc(), said.id.desc())
        .limit(1)
    )
    if known_by is not None:
        query = query.where(said.received_at <= known_by)
    return query.lateral("told")


def _position(row: Row[Any], at: datetime) -> PositionChanged:
    bought, sold = row.bought or ZERO, row.sold or ZERO
    realized = EXACT.add(row.realized or ZERO, row.fees or ZERO)
    ended = row.closed_at is not None and row.closed_at <= at
    stood = Standing(
        row.quantity or ZERO,
        None if row.bought_unknown or row.sold_unknown else EXACT.subtract(bought, sold),
        None if row.realized_unknown else realized,
        row.commission or ZERO,
        row.closed_at if ended else None,
    )
    return stood_as(
        stood,
        {name: getattr(row, name) for name in DESCRIBED},
        position_id=row.id,
        key=(row.account, row.conid),
        long=row.side == "long",
        opened_at=row.opened_at,
        held=row.held or ZERO,
        broker_quantity=row.broker_quantity,
        provisional=row.provisional,
    )


def stood_as(
    stood: Standing,
    described: Mapping[str, Any],
    *,
    position_id: UUID,
    key: BookKey,
    long: bool,
    opened_at: datetime,
    held: Decimal,
    broker_quantity: Decimal | None,
    provisional: bool,
) -> PositionChanged:
    """The position of a list. ``held`` is what the ledger held of the instrument, in whichever episode."""
    is_open = stood.closed_at is None
    return PositionChanged(
        id=str(position_id),
        version=0,
        account=key[0],
        conid=key[1],
        side="long" if long else "short",
        status="open" if is_open else "closed",
        quantity=stood.quantity,
        average_cost=stood.average_cost,
        cost_basis=stood.cost_basis,
        realized_pnl=stood.realized_pnl,
        commission=stood.commission,
        opened_at=opened_at,
        closed_at=stood.closed_at,
        # The broker's word is about what is held: of an episode that is over it says nothing.
        broker_quantity=broker_quantity if is_open else None,
        reconciled=broker_quantity == held,
        provisional=provisional,
        **described,
    )
