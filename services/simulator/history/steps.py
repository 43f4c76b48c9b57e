"""What happened to an account's holdings, step by step, and the lots that are left of it.

Lots are closed first in, first out. The cost of a lot has its commission in it: paid for what is long,
received for what is short.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from services.simulator.holdings import COST_STEP, ZERO
from services.simulator.instruments import Instrument

Kind = Literal["trade", "expired", "exercised", "assigned", "delivered", "split", "received"]
"""``exercised`` and ``assigned`` are of the option, ``delivered`` of what it was for."""

CARRYING = frozenset({"exercised", "assigned"})
"""Kinds that realize nothing: the cost goes to what is delivered."""


@dataclass(slots=True)
class Step:
    """One change of one holding. ``quantity`` is signed; ``at`` is a time of US/Eastern without its zone.

    ``cost`` is what came with it where it is no trade. What it ``realized`` and the cost it ``closed`` are
    known when all steps before it are; ``None`` of one that closed nothing.
    """

    kind: Kind
    at: datetime
    account: str
    instrument: Instrument
    quantity: Decimal
    price: Decimal = ZERO
    commission: Decimal = ZERO
    commission_currency: str = ""
    cost: Decimal = ZERO
    codes: str = ""
    realized: Decimal | None = None
    gross_realized: Decimal = ZERO
    closed: Decimal | None = None

    @property
    def money(self) -> Decimal:
        """Quantity × price × point value, signed like the quantity."""
        return self.quantity * self.price * self.instrument.point_value

    @property
    def own_commission(self) -> Decimal:
        """The commission as far as it is part of the cost: one in another currency cannot be."""
        return self.commission if self.commission_currency == self.instrument.currency else ZERO

    @property
    def opening_cost(self) -> Decimal:
        """What opening this much cost, or brought when it is sold short; always positive."""
        if self.kind in {"delivered", "received"}:
            return self.cost
        gross = abs(self.money)
        return gross + self.own_commission if self.quantity > ZERO else gross - self.own_commission


@dataclass(slots=True)
class OpenLot:
    """What is left of one opening. ``quantity`` is signed, ``cost`` and ``gross`` are positive."""

    opened_at: datetime
    quantity: Decimal
    cost: Decimal
    gross: Decimal

    def take(self, units: Decimal) -> tuple[Decimal, Decimal]:
        """Take ``units`` away: their cost and gross."""
        held = abs(self.quantity)
        if units == held:
            cost, gross = self.cost, self.gross
        else:
            cost = (self.cost * units / held).quantize(COST_STEP)
            gross = (self.gross * units / held).quantize(COST_STEP)
        self.quantity -= units.copy_sign(self.quantity)
        self.cost -= cost
        self.gross -= gross
        return cost, gross


@dataclass(slots=True)
class Lots:
    """One holding of one account."""

    lots: deque[OpenLot] = field(default_factory=deque)

    @property
    def quantity(self) -> Decimal:
        """What is held, signed."""
        return sum((lot.quantity for lot in self.lots), ZERO)

    @property
    def cost(self) -> Decimal:
        """What it cost, or brought; always positive."""
        return sum((lot.cost for lot in self.lots), ZERO)

    def apply(self, step: Step) -> None:
        """Do ``step``, and note in it what it realized and closed. No step goes through zero."""
        if step.kind == "split":
            self._split(step.quantity)
        elif not self.lots or (self.lots[0].quantity > ZERO) is (step.quantity > ZERO):
            gross = step.cost if step.kind in {"delivered", "received"} else abs(step.money)
            self.lots.append(OpenLot(step.at, step.quantity, step.opening_cost, gross))
        else:
            self._close(step)

    def _split(self, more: Decimal) -> None:
        ratio = (self.quantity + more) / self.quantity
        for lot in self.lots:
            lot.quantity *= ratio

    def _close(self, step: Step) -> None:
        left, cost, gross = abs(step.quantity), ZERO, ZERO
        while left:
            lot = self.lots[0]
            taken = min(left, abs(lot.quantity))
            part, gross_part = lot.take(taken)
            cost, gross, left = cost + part, gross + gross_part, left - taken
            if not lot.quantity:
                self.lots.popleft()
        step.closed = cost
        if step.kind in CARRYING:
            step.realized = ZERO
            return
        sign = 1 if step.quantity > ZERO else -1
        # Selling closes what was bought: proceeds less cost. Buying closes what was sold: that less this.
        step.gross_realized = sign * (gross - abs(step.money))
        step.realized = sign * (cost - abs(step.money)) - step.own_commission
