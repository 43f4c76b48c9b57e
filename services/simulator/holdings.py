"""FIFO lots of one account and instrument. Pure arithmetic on Decimal.

Always true: the lots' signed quantities add up to the sum of the fills, all lots have one sign, and every
cent of cost that goes in comes out again (a split rounds one part and gives the rest to the other).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)
# Finer than any currency, so that splitting a lot often does not grow its digits without end.
COST_STEP = Decimal("1e-12")


@dataclass(slots=True)
class Lot:
    """What one fill opened. ``quantity`` is signed.

    ``cost`` is money including commission: paid for a long lot, received (net) for a short one. ``gross`` is
    the same without commission.
    """

    quantity: Decimal
    cost: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fill did: ``realized`` is net of both commissions and ``None`` when nothing was closed."""

    realized: Decimal | None
    gross_realized: Decimal


class Holding:
    """The lots of one account and instrument, oldest first."""

    __slots__ = ("cost", "gross", "lots", "quantity")

    def __init__(self, lots: Iterable[Lot] = ()) -> None:
        self.lots = deque(Lot(lot.quantity, lot.cost, lot.gross) for lot in lots)
        self.quantity = sum((lot.quantity for lot in self.lots), ZERO)
        self.cost = sum((lot.cost for lot in self.lots), ZERO)
        self.gross = sum((lot.gross for lot in self.lots), ZERO)

    @property
    def average_cost(self) -> Decimal:
        """Per unit, with multiplier and commission, as IBKR reports it; positive for shorts too."""
        return self.cost / abs(self.quantity) if self.quantity else ZERO

    def apply(self, quantity: Decimal, unit: Decimal, commission: Decimal) -> Outcome:
        """Book a fill of a signed ``quantity``; ``unit`` is price × multiplier ÷ magnifier."""
        sign = 1 if quantity > 0 else -1
        closing = min(abs(quantity), abs(self.quantity)) if self.quantity * sign < 0 else ZERO
        closing_commission = _part(commission, closing, abs(quantity))
        realized = gross = ZERO
        left = closing
        while left:
            taken, cost, lot_gross = self._take(left)
            left -= taken
            # Closing a long sells: proceeds less cost. Closing a short buys: net proceeds less today's price.
            realized -= sign * (taken * unit - cost)
            gross -= sign * (taken * unit - lot_gross)
        opening = abs(quantity) - closing
        if opening:
            self._add(sign * opening, opening * unit, commission - closing_commission)
        return Outcome(realized - closing_commission if closing else None, gross)

    def _add(self, quantity: Decimal, gross: Decimal, commission: Decimal) -> None:
        cost = gross + commission if quantity > 0 else gross - commission
        self.lots.append(Lot(quantity, cost, gross))
        self.quantity += quantity
        self.cost += cost
        self.gross += gross

    def _take(self, wanted: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Up to ``wanted`` units of the oldest lot: (units, their cost, their gross)."""
        lot = self.lots[0]
        held = abs(lot.quantity)
        taken = min(wanted, held)
        if taken == held:
            self.lots.popleft()
            cost, gross = lot.cost, lot.gross
        else:
            cost, gross = _part(lot.cost, taken, held), _part(lot.gross, taken, held)
            lot.cost -= cost
            lot.gross -= gross
        signed = taken if lot.quantity > 0 else -taken
        lot.quantity -= signed
        self.quantity -= signed
        self.cost -= cost
        self.gross -= gross
        return taken, cost, gross


def _part(amount: Decimal, units: Decimal, of: Decimal) -> Decimal:
    if not units:
        return ZERO
    return amount if units == of else (amount * units / of).quantize(COST_STEP)
