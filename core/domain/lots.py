"""Lots: what was opened at one price, and the order in which it is closed (first in, first out)."""

from collections import deque
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from core.domain.money import ZERO
from core.domain.pnl import share


class Lot:
    """What one fill, or one adjustment, opened. Quantities are signed: a short lot is negative.

    ``unit_cost`` is the price with the multiplier, per unit, without commission; for an adjustment it is the
    broker's average cost, which has the commission in it; ``None`` when nobody told what it cost.
    """

    __slots__ = (
        "commission",
        "exec_id",
        "opened_at",
        "price",
        "quantity",
        "remaining",
        "remaining_commission",
        "seq",
        "unit_cost",
        "written",
    )

    def __init__(
        self,
        seq: int,
        exec_id: str | None,
        opened_at: datetime,
        quantity: Decimal,
        price: Decimal | None,
        unit_cost: Decimal | None,
        commission: Decimal,
    ) -> None:
        self.seq = seq
        self.exec_id = exec_id
        self.opened_at = opened_at
        self.quantity = quantity
        self.remaining = quantity
        self.price = price
        self.unit_cost = unit_cost
        self.commission = commission
        self.remaining_commission = commission
        # Whether the stored row still says the same. A new lot has no row yet.
        self.written = False


class Disposal(NamedTuple):
    """The sum over the lots that one reduction consumed.

    ``cost`` is what they had cost without commission, ``None`` when one of them has no known cost.
    """

    cost: Decimal | None
    commission: Decimal


def consume(open_lots: deque[Lot], quantity: Decimal, changed: list[Lot]) -> Disposal:
    """Take ``quantity`` (of the lots' own sign) from the oldest lots on.

    A lot's commission goes with its quantity, pro rata; its last part takes what remains of it. Lots whose
    stored row no longer holds are added to ``changed``.
    """
    cost: Decimal | None = ZERO
    commission = ZERO
    left = quantity
    size = abs(left)
    while left:
        lot = open_lots[0]
        part = lot.remaining
        if abs(part) <= size:
            fee = lot.remaining_commission
            lot.remaining = lot.remaining_commission = ZERO
            open_lots.popleft()
        else:
            fee = share(lot.remaining_commission, left, part)
            lot.remaining = part - left
            lot.remaining_commission -= fee
            part = left
        if lot.written:
            lot.written = False
            changed.append(lot)
        if lot.unit_cost is None:
            cost = None
        elif cost is not None:
            cost += part * lot.unit_cost
        commission += fee
        left -= part
        size = abs(left)
    return Disposal(cost, commission)
