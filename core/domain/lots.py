"""Lots: what was opened at one price, and the order in which it is closed."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from heapq import heappop, heappush
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from core.domain.money import ZERO
from core.domain.pnl import share

CostMethod = Literal["fifo", "lifo", "hifo", "average"]
"""Which lot a closing fill takes: the oldest, the newest, the dearest; or a part of each at their average."""


class Lot(Struct, gc=False, eq=False):
    """What one fill, or one adjustment, opened. Quantities are signed: a short lot is negative.

    ``unit_cost`` is the price with the multiplier, per unit, without commission; for an adjustment it is the
    broker's average cost, which has the commission in it; ``None`` when nobody told what it cost. ``cost`` is
    that of all of it when it was opened, ``remaining_cost`` what is left: exact, also where a split makes
    ``unit_cost`` a rounded quotient. ``provisional`` says that its cost or commission may still change.

    ``carried_at`` is when it came from another book, with its age and its cost (commission in it); ``None``
    of what was opened in this one.
    """

    seq: int
    exec_id: str | None
    opened_at: datetime
    quantity: Decimal
    remaining: Decimal
    price: Decimal | None
    unit_cost: Decimal | None
    commission: Decimal
    remaining_commission: Decimal
    cost: Decimal | None
    remaining_cost: Decimal | None
    provisional: bool
    carried_at: datetime | None = None
    written: bool = False
    """Whether the stored row still says the same. A new lot has no row yet."""

    def take(self, quantity: Decimal, *, averaged: bool) -> tuple[Decimal | None, Decimal]:
        """Take out a part; returns its cost and commission.

        An adjustment is one lot at the broker's average cost where the broker has, it may be, several: what a
        part of it cost is an estimate, and so is what the rest did, unless all is ``averaged`` anyhow.
        """
        if self.exec_id is None and self.carried_at is None and not averaged:
            self.provisional = True
        fee = share(self.remaining_commission, quantity, self.remaining)
        self.remaining -= quantity
        self.remaining_commission -= fee
        if self.unit_cost is None or self.remaining_cost is None:
            return None, fee
        cost = quantity * self.unit_cost
        self.remaining_cost -= cost
        return cost, fee


class LotQueue(Protocol):
    """Open lots. The first is the next to be closed; iterating gives each once, in no promised order."""

    def __getitem__(self, index: Literal[0], /) -> Lot: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Lot]: ...
    def append(self, lot: Lot, /) -> None:
        """Add a lot that is younger than all there are."""

    def popleft(self) -> Lot:
        """Take out the first."""


class _NewestFirst(deque[Lot]):
    def append(self, lot: Lot, /) -> None:
        self.appendleft(lot)


class _DearestFirst:
    """By cost per unit before commissions, of equals the oldest; what nobody told the cost of comes last.

    A short's cost is its proceeds: of shorts, too, the one with the highest price comes first. Commissions
    have no say, so that one that is reported late changes no order.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[bool, Decimal, int, Lot]] = []

    def __getitem__(self, index: Literal[0], /) -> Lot:
        return self._heap[index][-1]

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Lot]:
        return (entry[-1] for entry in self._heap)

    def append(self, lot: Lot, /) -> None:
        cost = lot.unit_cost
        heappush(self._heap, (cost is None, ZERO if cost is None else -cost, lot.seq, lot))

    def popleft(self) -> Lot:
        return heappop(self._heap)[-1]


def lot_queue(method: CostMethod) -> LotQueue:
    """An empty queue in the order of ``method``; under average cost the oldest units count as sold first."""
    if method == "lifo":
        return _NewestFirst()
    return _DearestFirst() if method == "hifo" else deque()


class Closing(Struct, gc=False, frozen=True):
    """What closes lots: a fill, or without ``exec_id`` an adjustment.

    ``unit_value`` is the price with the multiplier, ``None`` when nobody told what it brought. ``final`` says
    that its commission is all known. ``carried`` units take their cost with them, known or not, whatever they
    were worth: nothing is realized but ``gain``, where they were paid for in part; ``None``: not known.
    """

    exec_id: str | None
    closed_at: datetime
    price: Decimal | None
    unit_value: Decimal | None
    commission: Decimal | None
    final: bool
    carried: bool = False
    gain: Decimal | None = ZERO


class CarriedLot(NamedTuple):
    """A lot, or a part of one, on its way from one book to another, with when it was opened.

    ``quantity`` and ``cost``, commissions in it, are signed alike; a cost that nobody knows is ``None``.
    """

    opened_at: datetime
    quantity: Decimal
    cost: Decimal | None
    provisional: bool


class Disposal(Struct, gc=False, frozen=True):
    """One lot, or a part of it, consumed by one fill or adjustment. ``seq`` counts from 1 in the episode.

    ``quantity`` is signed like the lot. ``cost`` and ``proceeds`` are without commissions, ``None`` when
    nobody told them; then ``realized_pnl`` is unknown, too, unless the units were carried.
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


class Pool:
    """What is held under average cost: one sum, of which each unit has the same share."""

    __slots__ = ("_commission", "_cost", "_quantity", "provisional")

    def __init__(
        self, quantity: Decimal, cost: Decimal | None, commission: Decimal, *, provisional: bool
    ) -> None:
        self._quantity = quantity
        self._cost = cost
        self._commission = commission
        self.provisional = provisional

    def take(self, part: Decimal) -> tuple[Decimal | None, Decimal]:
        """Cost and commission of ``part``; the last part takes what remains."""
        cost = None if self._cost is None else share(self._cost, part, self._quantity)
        commission = share(self._commission, part, self._quantity)
        if self._cost is not None and cost is not None:
            self._cost -= cost
        self._commission -= commission
        self._quantity -= part
        return cost, commission


Consumed = tuple[Decimal | None, Decimal, Decimal | None]
"""Cost, commission and realized P&L: sums over the disposals of one reduction; ``None``: one is unknown."""


def consume(
    open_lots: LotQueue,
    quantity: Decimal,
    closing: Closing,
    changed: list[Lot],
    disposals: list[Disposal],
    seq: int,
    pool: Pool | None = None,
) -> Consumed:
    """Take ``quantity`` (of the lots' own sign) from the first lots on; disposals are numbered from ``seq``.

    A lot's commission and the closing one go with the quantity, pro rata; the last part takes what remains.
    With a ``pool`` the lots tell only how long the units were held, and the pool what they cost. Lots whose
    stored row no longer holds are added to ``changed``. To be called in the ``EXACT`` context.
    """
    exec_id, closed_at, price = closing.exec_id, closing.closed_at, closing.price
    unit_value, fee_left = closing.unit_value, closing.commission or ZERO
    gain_left = closing.gain
    final = closing.final and (pool is None or not pool.provisional)
    first = len(disposals)
    left = quantity
    is_long = left > ZERO
    while left:
        lot = open_lots[0]
        part = lot.remaining
        if part <= left if is_long else part >= left:
            part_cost, open_fee = lot.remaining_cost, lot.remaining_commission
            lot.remaining = lot.remaining_commission = ZERO
            if part_cost is not None:
                lot.remaining_cost = ZERO
            open_lots.popleft()
        else:
            part = left
            part_cost, open_fee = lot.take(part, averaged=pool is not None)
        if lot.written:
            lot.written = False
            changed.append(lot)
        if pool is not None:
            part_cost, open_fee = pool.take(part)
        close_fee = fee_left if part == left else share(fee_left, part, left)
        proceeds = realized = None
        if closing.carried:
            own_cost = None if part_cost is None else part_cost + open_fee + close_fee
            proceeds, realized, gain_left = _carry(own_cost, gain_left, part, left)
        elif unit_value is not None:
            proceeds = part * unit_value
            if part_cost is not None:
                realized = proceeds - part_cost - open_fee - close_fee
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
                realized,
                lot.provisional or not final,
            )
        )
        seq += 1
        fee_left -= close_fee
        left -= part
    return _sums(disposals, first)


def _carry(
    cost: Decimal | None, gain: Decimal | None, part: Decimal, left: Decimal
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """What a carried part was worth and realized, and the gain of the others."""
    if gain is None:
        return None, None, None
    realized = gain if part == left else share(gain, part, left)
    return None if cost is None else cost + realized, realized, gain - realized


def _sums(disposals: list[Disposal], first: int) -> Consumed:
    one = disposals[first]
    cost, commission, realized = one.cost, one.open_commission, one.realized_pnl
    for one in disposals[first + 1 :]:
        cost = None if cost is None or one.cost is None else cost + one.cost
        realized = None if realized is None or one.realized_pnl is None else realized + one.realized_pnl
        commission += one.open_commission
    return cost, commission, realized
