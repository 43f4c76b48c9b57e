"""Legs of corporate actions, and what is held before and after them."""

from decimal import Decimal
from typing import Any

from core.domain.instruments import Instrument
from core.domain.stated import StatedEvent, StatedPosition
from models.session import Database
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.facts import ACCOUNT, ACME, at
from tests.services.position_sync.importing.statements import trade

NEWCO = Instrument(conid=705, symbol="NEWCO", sec_type="STK", currency="USD", exchange="SMART")
# Before ACME in the order of locking.
FIRST = Instrument(conid=5, symbol="FIRST", sec_type="STK", currency="USD", exchange="SMART")
LATER = 100_000.0


def leg(
    instrument: Instrument,
    quantity: str,
    cause: Any = "merger",
    *,
    seconds: float = LATER,
    group: str = "g",
    **more: Any,
) -> StatedEvent:
    return StatedEvent(
        line=more.pop("line", 1),
        section="CorporateAction",
        account=ACCOUNT,
        instrument=instrument,
        at=at(seconds),
        cause=cause,
        quantity=Decimal(quantity),
        group=group,
        **{name: Decimal(value) if isinstance(value, str) else value for name, value in more.items()},
    )


def gone(instrument: Instrument, quantity: str, cause: Any = "merger", **more: Any) -> StatedEvent:
    return leg(instrument, quantity, cause, carried=True, **more)


def held(instrument: Instrument, quantity: str, cost: str | None, *, seconds: float) -> StatedPosition:
    return StatedPosition(
        line=9,
        section="OpenPosition",
        account=ACCOUNT,
        instrument=instrument,
        as_of=at(seconds),
        quantity=Decimal(quantity),
        cost=None if cost is None else Decimal(cost),
    )


BOUGHT = (
    trade("a.01", "6", "10", "1", seconds=10, opens=True),
    trade("b.01", "4", "20", "2", seconds=20, opens=True),
)
OLD = [(at(10), Decimal(6), Decimal(61), False), (at(20), Decimal(4), Decimal(82), False)]

CHAIN = (
    gone(ACME, "-10", "tender"),
    leg(NEWCO, "10", "tender"),
    gone(NEWCO, "-10", seconds=2 * LATER, group="h"),
    leg(FIRST, "5", seconds=2 * LATER, group="h"),
)


async def sound(database: Database) -> bool:
    return (await validate_ledger(database)).differences == {}
