"""Episodes: a position from flat to flat, and the ways in which it changes."""

import uuid
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal

from msgspec import Struct

from core.domain.lots import Closing, CostMethod, Disposal, Lot, Pool, consume, lot_queue
from core.domain.money import ZERO
from core.domain.pnl import per_unit, restated, shares

EventType = Literal["opened", "increased", "reduced", "closed", "flipped", "adjusted", "corrected"]
Cause = Literal[
    "opening_balance",
    "expiry",
    "exercise_or_assignment",
    "split",
    "transfer",
    "merger",
    "spin_off",
    "tender",
    "symbol_change",
    "corporate_action",
    "missed_executions",
    "unexplained",
]
"""Why the ledger was adjusted to what the broker says is held."""

_UNCERTAIN = frozenset({"unexplained", "missed_executions"})

NAMESPACE = uuid.UUID("6f1c1f2e-8d5b-4a57-9f0b-0c6b3d0a7e11")
"""The root of our deterministic ids (RFC 9562 version 5): the same input gives the same row id."""


def is_certain(cause: Cause | None, *, inferred: bool) -> bool:
    """Whether an adjustment's figures stand; otherwise executions may yet turn up that say otherwise."""
    return not inferred and cause not in _UNCERTAIN


class Event(Struct, gc=False, frozen=True):
    """What happened to an episode. ``quantity`` is the signed change, ``seq`` counts from 1.

    A ``corrected`` event stands after the event of the fill that counts: it changes nothing itself (its
    quantity is zero) and tells what ``exec_id`` had reported before, as ``replaced_quantity`` at ``price``.
    """

    seq: int
    type: EventType
    executed_at: datetime
    quantity: Decimal
    price: Decimal | None
    position_after: Decimal
    realized_pnl: Decimal | None
    commission: Decimal | None
    exec_id: str | None
    cause: Cause | None
    inferred: bool = False
    replaced_quantity: Decimal | None = None


class Episode:
    """A position from flat to flat.

    ``cost`` and ``realized`` are ``None`` from the moment on that a part of them is unknown. ``events``,
    ``lots`` and ``disposals`` hold only what is not stored yet.
    """

    def __init__(
        self,
        account: str,
        conid: int,
        ordinal: int,
        opening: str,
        opened_at: datetime,
        method: CostMethod = "fifo",
    ) -> None:
        self.account = account
        self.conid = conid
        self.ordinal = ordinal
        self.opening = opening
        self.opened_at = opened_at
        self.method = method
        self.closed_at: datetime | None = None
        self.long = True
        self.quantity = ZERO
        self.max_quantity = ZERO
        self.cost: Decimal | None = ZERO
        self.realized: Decimal | None = ZERO
        self.commission = ZERO
        self.open_commission = ZERO
        self.missing_commissions = 0
        self.provisional_lots = 0
        self.estimated = False
        self.event_count = 0
        self.lot_count = 0
        self.disposal_count = 0
        self.open_lots = lot_queue(method)
        self.events: list[Event] = []
        self.lots: list[Lot] = []
        self.disposals: list[Disposal] = []

    @cached_property
    def id(self) -> uuid.UUID:
        """Named by what opened it, so that a replay gives the same id."""
        return uuid.uuid5(NAMESPACE, f"position/{self.account}/{self.conid}/{self.opening}")

    @property
    def average_cost(self) -> Decimal | None:
        """Per unit, with multiplier and commission, as IBKR's; ``None`` when flat or unknown."""
        return per_unit(self.cost, self.quantity) if self.quantity and self.cost is not None else None

    @property
    def provisional(self) -> bool:
        """Whether a figure may still change: a commission is awaited, or a cost was concluded."""
        return self.estimated or self.missing_commissions > 0

    def split(self, quantity: Decimal) -> None:
        """Restate what is open as ``quantity`` in all: each lot keeps its cost and its share."""
        by_age = sorted(self.open_lots, key=lambda one: one.seq)
        parts = restated(quantity, [lot.remaining for lot in by_age])
        # A queue that goes by what a unit cost must be made anew when that changes.
        self.open_lots = lot_queue(self.method)
        for lot, remaining in zip(by_age, parts, strict=True):
            lot.quantity += remaining - lot.remaining
            lot.remaining = remaining
            if lot.remaining_cost is not None:
                lot.unit_cost = per_unit(lot.remaining_cost, remaining)
            self.open_lots.append(lot)
            if lot.written:
                lot.written = False
                self.lots.append(lot)
        self.quantity = quantity
        self.max_quantity = max(self.max_quantity, abs(quantity))

    def recost(self, change: Decimal, *, by_cost: bool) -> None:
        """Let what is open have cost ``change`` more: each lot by its share of the cost, or of the units.

        A lot of unknown cost stays one.
        """
        by_age = sorted(self.open_lots, key=lambda one: one.seq)
        costs = [lot.remaining_cost for lot in by_age]
        known = [cost for cost in costs if cost is not None]
        by_cost = by_cost and len(known) == len(costs) and all(cost > ZERO for cost in known)
        parts = shares(change, known if by_cost else [lot.remaining for lot in by_age])
        self.open_lots = lot_queue(self.method)
        for lot, part in zip(by_age, parts, strict=True):
            if lot.cost is not None and lot.remaining_cost is not None:
                lot.cost += part
                lot.remaining_cost += part
                lot.unit_cost = per_unit(lot.remaining_cost, lot.remaining)
                if lot.written:
                    lot.written = False
                    self.lots.append(lot)
            self.open_lots.append(lot)
        if self.cost is not None:
            self.cost += change

    def grow(
        self,
        kind: EventType,
        exec_id: str | None,
        at: datetime,
        quantity: Decimal,
        price: Decimal | None,
        unit_cost: Decimal | None,
        commission: Decimal | None,
        final: bool,
        cause: Cause | None = None,
        inferred: bool = False,
        cost: Decimal | None = None,
        opened_at: datetime | None = None,
    ) -> None:
        """Add a lot, and the event that tells of it. ``cost`` is that of all, where that is what is known.

        ``opened_at`` is its own time where it was opened in another book and came ``at`` that time.
        """
        fee = commission or ZERO
        if cost is not None:
            unit_cost = per_unit(cost, quantity)
        elif unit_cost is not None:
            cost = quantity * unit_cost
        number = self.lot_count = self.lot_count + 1
        lot = Lot(number, exec_id, at, quantity, quantity, price, unit_cost, fee, fee, cost, cost, not final)
        if opened_at is not None:
            lot.opened_at, lot.carried_at = opened_at, at
        self.open_lots.append(lot)
        self.lots.append(lot)
        self.quantity = held = self.quantity + quantity
        size = held if self.long else -held
        if size > self.max_quantity:  # noqa: PLR1730 - max() takes three times as long
            self.max_quantity = size
        if fee:
            self.commission += fee
            self.open_commission += fee
        if not final:
            self.provisional_lots += 1
        if cost is None:
            self.cost = None
        elif self.cost is not None:
            self.cost += cost + fee
        number = self.event_count = self.event_count + 1
        self.events.append(
            Event(number, kind, at, quantity, price, held, None, commission, exec_id, cause, inferred)
        )

    def shrink(
        self,
        kind: EventType,
        quantity: Decimal,
        closing: Closing,
        cause: Cause | None = None,
        inferred: bool = False,
    ) -> Decimal | None:
        """Take ``-quantity`` from the lots, and tell of it; returns what that realized.

        ``None`` when it cannot be known.
        """
        disposals, seq = self.disposals, self.disposal_count + 1
        already = len(disposals)
        cost, opening_fee, realized = consume(
            self.open_lots, -quantity, closing, self.lots, disposals, seq, self._pool()
        )
        self.disposal_count += len(disposals) - already
        self.quantity = held = self.quantity + quantity
        if closing.commission:
            self.commission += closing.commission
        self.open_commission -= opening_fee
        if cost is None:
            self.cost = None
        elif self.cost is not None:
            self.cost -= cost + opening_fee
        if realized is None:
            self.realized = None
        elif self.realized is not None:
            self.realized += realized
        number = self.event_count = self.event_count + 1
        at, price, exec_id = closing.closed_at, closing.price, closing.exec_id
        commission = closing.commission
        self.events.append(
            Event(number, kind, at, quantity, price, held, realized, commission, exec_id, cause, inferred)
        )
        return realized

    def _pool(self) -> Pool | None:
        if self.method != "average":
            return None
        fee = self.open_commission
        cost = None if self.cost is None else self.cost - fee
        return Pool(self.quantity, cost, fee, provisional=self.provisional_lots > 0)

    def note(
        self,
        kind: EventType,
        at: datetime,
        quantity: Decimal,
        price: Decimal | None = None,
        realized: Decimal | None = None,
        commission: Decimal | None = None,
        exec_id: str | None = None,
        cause: Cause | None = None,
        inferred: bool = False,
        replaced_quantity: Decimal | None = None,
    ) -> None:
        """Add an event that neither opens nor closes a lot: a correction, a split."""
        self.event_count += 1
        self.events.append(
            Event(
                self.event_count,
                kind,
                at,
                quantity,
                price,
                self.quantity,
                realized,
                commission,
                exec_id,
                cause,
                inferred,
                replaced_quantity,
            )
        )
