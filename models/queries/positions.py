"""Positions as the ledger has them, their events and their last known marks."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, false, func, or_, select, tuple_

from core.domain.lots import CostMethod
from core.events.changes import PositionChanged
from core.events.facts import MarkReported
from models.queries.notes import TAGGED
from models.session import Reader
from models.tables import instruments, ledger_books, marks, position_events, positions

Status = Literal["open", "closed", "all"]


class PositionKey(NamedTuple):
    """Where a position stands in the list: newest first."""

    opened_at: datetime
    id: UUID


class EventRow(NamedTuple):
    """One step of a position's life."""

    position_id: UUID
    seq: int
    type: str
    executed_at: datetime
    quantity: Decimal
    price: Decimal | None
    position_after: Decimal
    realized_pnl: Decimal | None
    commission: Decimal | None
    exec_id: str | None
    cause: str | None
    inferred: bool
    replaced_quantity: Decimal | None


class BookWords(NamedTuple):
    """What a position's book is reckoned by, and the broker's average cost of what is held in it now."""

    cost_method: CostMethod
    broker_average_cost: Decimal | None


def _described() -> Select[Any]:
    ledger, book, described = positions.c, ledger_books.c, instruments.c
    is_open = ledger.status == "open"
    return select(
        ledger.id,
        ledger.version,
        ledger.account,
        ledger.conid,
        described.symbol,
        described.local_symbol,
        described.sec_type,
        described.currency,
        described.description,
        described.multiplier,
        described.price_magnifier,
        ledger.side,
        ledger.status,
        ledger.quantity,
        ledger.average_cost,
        ledger.cost_basis,
        ledger.realized_pnl,
        ledger.commission,
        ledger.opened_at,
        ledger.closed_at,
        # The broker's word is about what is held now: of an episode that is over it says nothing.
        case((is_open, book.broker_quantity)).label("broker_quantity"),
        func.coalesce(book.broker_quantity == book.quantity, false()).label("reconciled"),
        ledger.provisional,
    ).select_from(
        positions.join(instruments, ledger.conid == described.conid).outerjoin(
            ledger_books, and_(book.account == ledger.account, book.conid == ledger.conid)
        )
    )


def _position(row: Row[Any]) -> PositionChanged:
    fields = dict(row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's mapping view of a row
    fields["id"] = str(row.id)
    return PositionChanged(**fields)


async def open_positions(reader: Reader) -> list[PositionChanged]:
    """Every open position."""
    rows = await reader.execute(_described().where(positions.c.status == "open"))
    return [_position(row) for row in rows]


async def positions_page(
    reader: Reader,
    *,
    status: Status,
    account: str | None = None,
    symbol: str | None = None,
    tag: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: PositionKey | None = None,
    limit: int,
) -> list[PositionChanged]:
    """At most ``limit`` positions after ``after``, newest first.

    With ``since`` or ``until`` they are those that were held at some time from then to then.
    """
    table = positions.c
    query = _described().order_by(table.opened_at.desc(), table.id.desc()).limit(limit)
    if status != "all":
        query = query.where(table.status == status)
    if account is not None:
        query = query.where(table.account == account)
    if symbol is not None:
        query = query.where(instruments.c.symbol == symbol)
    if tag is not None:
        query = query.where(TAGGED.bindparams(tag=tag))
    if since is not None:
        query = query.where(or_(table.status == "open", table.closed_at >= since))
    if until is not None:
        query = query.where(table.opened_at < until)
    if after is not None:
        query = query.where(tuple_(table.opened_at, table.id) < after)
    return [_position(row) for row in await reader.execute(query)]


async def position_by_id(reader: Reader, position_id: UUID) -> PositionChanged | None:
    """One position, or ``None``."""
    row = (await reader.execute(_described().where(positions.c.id == position_id))).one_or_none()
    return None if row is None else _position(row)


async def book_of(reader: Reader, position_id: UUID) -> BookWords | None:
    """The words of a position's book; ``None`` without such a position."""
    ledger, book = positions.c, ledger_books.c
    query = (
        # As its quantity: of an episode that is over the broker says nothing.
        select(book.cost_method, case((ledger.status == "open", book.broker_average_cost)))
        .select_from(
            positions.join(ledger_books, and_(book.account == ledger.account, book.conid == ledger.conid))
        )
        .where(ledger.id == position_id)
    )
    row = (await reader.execute(query)).one_or_none()
    return None if row is None else BookWords._make(row)


async def events_page(
    reader: Reader, position_id: UUID, *, after: int | None = None, limit: int
) -> list[EventRow]:
    """At most ``limit`` events of a position after the event number ``after``, oldest first."""
    table = position_events.c
    query = (
        select(*(table[name] for name in EventRow._fields))
        .where(table.position_id == position_id, table.seq > (after or 0))
        .order_by(table.seq)
        .limit(limit)
    )
    return [EventRow(*row) for row in await reader.execute(query)]


async def latest_marks(reader: Reader) -> list[MarkReported]:
    """The last known mark of every position."""
    rows: Sequence[Row[Any]] = (await reader.execute(select(marks))).all()
    return [
        MarkReported(
            account=row.account,
            conid=row.conid,
            quantity=row.quantity,
            market_price=row.market_price,
            market_value=row.market_value,
            daily_pnl=row.daily_pnl,
            unrealized_pnl=row.unrealized_pnl,
            realized_pnl=row.realized_pnl,
            received_at=row.as_of,
        )
        for row in rows
    ]
