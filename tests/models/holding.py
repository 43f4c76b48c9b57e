"""Positions of the ledger, put down as a fold would have left them."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from models import tables as t
from models.session import Database


async def hold(
    database: Database,
    account: str,
    conid: int,
    quantity: Any,
    *,
    opened_at: datetime,
    cost: Any = None,
    closed_at: datetime | None = None,
) -> uuid.UUID:
    """An episode of one lot, opened at a moment and, if so, closed at another."""
    number, size = uuid.uuid4(), Decimal(quantity)
    async with database.write() as writer:
        await writer.execute(
            insert(t.positions).values(
                id=number,
                account=account,
                conid=conid,
                ordinal=1,
                status="open" if closed_at is None else "closed",
                side="long" if size > 0 else "short",
                quantity=size if closed_at is None else Decimal(0),
                max_quantity=abs(size),
                commission=Decimal(0),
                opened_at=opened_at,
                closed_at=closed_at,
                provisional=False,
                missing_commissions=0,
                estimated=False,
                event_count=1,
                lot_count=1,
                version=1,
                updated_at=opened_at,
            )
        )
        await writer.execute(
            insert(t.lots).values(
                position_id=number,
                seq=1,
                opened_at=opened_at,
                quantity=size,
                remaining=size,
                commission=Decimal(0),
                remaining_commission=Decimal(0),
                cost=None if cost is None else Decimal(cost),
            )
        )
    await note(database, number, "opened", opened_at, size, size)
    if closed_at is not None:
        await note(database, number, "closed", closed_at, -size, Decimal(0), seq=9)
    return number


async def note(
    database: Database,
    position: uuid.UUID,
    kind: str,
    at: datetime,
    quantity: Any,
    after: Any,
    *,
    seq: int = 1,
    cause: str | None = None,
) -> None:
    """An event of an episode."""
    async with database.write() as writer:
        await writer.execute(
            insert(t.position_events).values(
                position_id=position,
                seq=seq,
                type=kind,
                executed_at=at,
                quantity=Decimal(quantity),
                position_after=Decimal(after),
                cause=cause,
            )
        )
