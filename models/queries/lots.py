"""A position's lots, what became of each, and the averages that follow from its history."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, case, func, select

from core.domain.pnl import per_unit
from models.session import Reader
from models.tables import lot_disposals, lots, position_events, positions


class LotRow(NamedTuple):
    """What one fill, or one adjustment, opened."""

    seq: int
    exec_id: str | None
    opened_at: datetime
    carried_at: datetime | None
    quantity: Decimal
    remaining: Decimal
    price: Decimal | None
    unit_cost: Decimal | None
    commission: Decimal
    remaining_commission: Decimal
    provisional: bool


class DisposalRow(NamedTuple):
    """A lot, or a part of it, consumed by one fill or adjustment."""

    lot_seq: int
    seq: int
    exec_id: str | None
    closed_at: datetime
    quantity: Decimal
    close_price: Decimal | None
    cost: Decimal | None
    proceeds: Decimal | None
    open_commission: Decimal
    close_commission: Decimal
    realized_pnl: Decimal | None
    provisional: bool


class Averages(NamedTuple):
    """Of a whole episode. A price is ``None`` when a part of it has none, or there is no part.

    A split leaves both unknown: what was traded before it was counted in other units.
    """

    entry_price: Decimal | None
    exit_price: Decimal | None
    max_quantity: Decimal


async def lots_page(
    reader: Reader, position_id: UUID, *, after: int | None = None, limit: int
) -> list[LotRow]:
    """At most ``limit`` lots of a position after the lot number ``after``, oldest first."""
    table = lots.c
    query = (
        select(*(table[name] for name in LotRow._fields))
        .where(table.position_id == position_id, table.seq > (after or 0))
        .order_by(table.seq)
        .limit(limit)
    )
    return [LotRow(*row) for row in await reader.execute(query)]


async def disposals_of(
    reader: Reader, position_id: UUID, lots_shown: Sequence[LotRow]
) -> dict[int, list[DisposalRow]]:
    """The disposals of consecutive lots, by the lot's number, oldest first."""
    if not lots_shown:
        return {}
    table = lot_disposals.c
    query = (
        select(*(table[name] for name in DisposalRow._fields))
        .where(
            table.position_id == position_id,
            table.lot_seq.between(lots_shown[0].seq, lots_shown[-1].seq),
        )
        .order_by(table.lot_seq, table.seq)
    )
    found: dict[int, list[DisposalRow]] = {}
    for row in await reader.execute(query):
        found.setdefault(row.lot_seq, []).append(DisposalRow(*row))
    return found


async def disposal_counts(reader: Reader, position_id: UUID, lots_shown: Sequence[LotRow]) -> dict[int, int]:
    """How often consecutive lots were consumed, by the lot's number."""
    if not lots_shown:
        return {}
    table = lot_disposals.c
    query = (
        select(table.lot_seq, func.count())
        .where(
            table.position_id == position_id,
            table.lot_seq.between(lots_shown[0].seq, lots_shown[-1].seq),
        )
        .group_by(table.lot_seq)
    )
    return {row[0]: row[1] for row in await reader.execute(query)}


async def averages_of(reader: Reader, position_id: UUID) -> Averages | None:
    """What was paid and got on average, as traded, and the largest size; ``None`` without such a position."""
    event, position = position_events.c, positions.c
    grows = (event.quantity > 0) == (position.side == "long")
    value = func.abs(event.quantity) * event.price
    size = func.abs(event.quantity)
    one_unit = func.bool_and(event.cause.is_distinct_from("split"))
    # A correction traded nothing.
    counts = and_(event.position_id == position.id, event.type != "corrected")
    query = (
        select(
            position.max_quantity,
            *(
                total
                for part in (grows, ~grows)
                for total in (
                    # One part without a price leaves the average unknown.
                    case(
                        (
                            and_(one_unit, func.bool_and(event.price.is_not(None)).filter(part)),
                            func.sum(value).filter(part),
                        )
                    ),
                    func.sum(size).filter(part),
                )
            ),
        )
        .select_from(positions.outerjoin(position_events, counts))
        .where(position.id == position_id)
        .group_by(position.id)
    )
    row = (await reader.execute(query)).one_or_none()
    if row is None:
        return None
    largest, paid, bought, got, sold = row
    return Averages(
        None if paid is None else per_unit(paid, bought),
        None if got is None else per_unit(got, sold),
        largest,
    )
