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
    ``provisional`` says that its cost or commission may still change.
    """

    __slots__ = (
        "commission",
        "exec_id",
        "opened_at",
        "price",
        "provisional",
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
        provisional: bool,
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
        self.provisional = provisional
        # Whether the stored row still says the same. A new lot has no row yet.
        self.written = False


class Closing(NamedTuple):
    """What closes lots: a fill, or with neither ``exec_id`` nor ``price`` an adjustment.

    ``unit_value`` is the price with the multiplier, ``None`` when nobody told what it brought. ``final`` says
    that its commission is all known.
    """

    exec_id: str | None
    closed_at: datetime
    price: Decimal | None
    unit_value: Decimal | None
    commission: Decimal
    final: bool


class Disposal(NamedTuple):
    """One lot, or a part of it, consumed by one fill or adjustment. ``seq`` counts from 1 in the episode.

    ``quantity`` is signed like the lot. ``cost`` and ``proceeds`` are without commissions, ``None`` when
    nobody told them; then ``realized_pnl`` is unknown, too.
    """

    seq: int
    lot_seq: int
    exec_id: str | None
    opened_at: datetime
    closed_at: datetime
    quantity: Decimal
    open_price: Decimal | None
    close_price: Decimal | None
    cost: Decimal | None
    proceeds: Decimal | None
    open_commission: Decimal
    close_commission: Decimal
    realized_pnl: Decimal | None
    provisional: bool


class Consumed(NamedTuple):
    """The sum over the disposals of one reduction; ``None`` where one of them is unknown."""

    cost: Decimal | None
    commission: Decimal
    realized_pnl: Decimal | None


def consume(
    open_lots: deque[Lot],
    quantity: Decimal,
    closing: Closing,
    changed: list[Lot],
    disposals: list[Disposal],
    seq: int,
) -> Consumed:
    """Take ``quantity`` (of the lots' own sign) from the oldest lots on; disposals are numbered from ``seq``.

    A lot's commission and the closing one go with the quantity, pro rata; the last part takes what remains.
    Lots whose stored row no longer holds are added to ``changed``.
    """
    exec_id, closed_at, price, unit_value, fee_left, final = closing
    cost: Decimal | None = ZERO
    realized: Decimal | None = ZERO
    commission = ZERO
    left = quantity
    size = abs(left)
    while left:
        lot = open_lots[0]
        part = lot.remaining
        if abs(part) <= size:
            open_fee = lot.remaining_commission
            lot.remaining = lot.remaining_commission = ZERO
            open_lots.popleft()
        else:
            open_fee = share(lot.remaining_commission, left, part)
            lot.remaining = part - left
            lot.remaining_commission -= open_fee
            part = left
        if lot.written:
            lot.written = False
            changed.append(lot)
        close_fee = fee_left if part == left else share(fee_left, part, left)
        part_cost = None if lot.unit_cost is None else part * lot.unit_cost
        proceeds = None if unit_value is None else part * unit_value
        gained = (
            None if part_cost is None or proceeds is None else proceeds - part_cost - open_fee - close_fee
        )
        disposals.append(
            Disposal(
                seq,
                lot.seq,
                exec_id,
                lot.opened_at,
                closed_at,
                part,
                lot.price,
                price,
                part_cost,
                proceeds,
                open_fee,
                close_fee,
                gained,
                lot.provisional or not final,
            )
        )
        seq += 1
        cost = None if cost is None or part_cost is None else cost + part_cost
        realized = None if realized is None or gained is None else realized + gained
        commission += open_fee
        fee_left -= close_fee
        left -= part
        size = abs(left)
    return Consumed(cost, commission, realized)
