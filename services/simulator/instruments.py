"""What can be held: contracts of several kinds with the fields the protocol shows of them."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

SecType = Literal["STK", "OPT", "FUT", "CASH"]

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One contract.

    ``multiplier_text`` and ``exchange`` are what the wire shows (empty for a stock's multiplier);
    ``point_value`` is what one unit gains when its price moves by one.
    """

    conid: int
    symbol: str
    sec_type: SecType
    currency: str
    exchange: str
    local_symbol: str
    trading_class: str
    long_name: str
    min_tick: Decimal
    lot_size: Decimal = ONE
    multiplier: Decimal = ONE
    price_magnifier: int = 1
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""
    stock_type: str = ""
    under_conid: int = 0
    isin: str = ""
    volatility: float = 0.0002

    @property
    def point_value(self) -> Decimal:
        """Money per unit and point: multiplier ÷ price magnifier (some contracts quote in minor units)."""
        return self.multiplier / self.price_magnifier

    @property
    def multiplier_text(self) -> str:
        """The wire's multiplier: only derivatives have one."""
        return format(self.multiplier, "f") if self.sec_type in {"OPT", "FUT"} else ""

    @property
    def position_exchange(self) -> str:
        """Positions of derivatives come without an exchange (as recorded)."""
        return "" if self.sec_type in {"OPT", "FUT"} else self.exchange

    @property
    def routing_exchange(self) -> str:
        """Where an order would be sent."""
        return "SMART" if self.sec_type in {"STK", "OPT"} else self.exchange

    def on_tick(self, price: Decimal) -> Decimal:
        """The nearest price that can be quoted, never below one tick."""
        ticks = (price / self.min_tick).quantize(ONE, rounding=ROUND_HALF_EVEN)
        return max(ticks, ONE) * self.min_tick


def commission_for(instrument: Instrument, quantity: Decimal, price: Decimal) -> tuple[Decimal, str]:
    """What the broker charges for a fill, and in which currency: tiers in the manner of IBKR's schedule."""
    units = abs(quantity)
    match instrument.sec_type:
        case "STK" if instrument.currency == "USD":
            amount = max(units * Decimal("0.005"), Decimal("0.35"))
        case "STK":
            amount = max(units * price * instrument.point_value * Decimal("0.0005"), Decimal("1.25"))
        case "OPT":
            amount = max(units * Decimal("0.65"), Decimal("1.00"))
        case "FUT":
            amount = units * Decimal("2.37")
        case "CASH":
            # Charged in the base currency, not in that of the trade.
            return max(units * price * Decimal("0.00002"), Decimal("2.00")).quantize(Decimal("0.0001")), "USD"
    return amount.quantize(Decimal("0.0001")), instrument.currency
