"""What is held: an IBKR contract, known by its ``conid``."""

import hashlib
from decimal import Decimal
from typing import Final

from msgspec import Struct

COMBO_CONID = 28812380
"""The conid IBKR gives every combo (BAG). Only its legs are positions."""


class Instrument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An instrument as positions and executions describe it.

    ``multiplier`` is what one unit of price is worth per unit of quantity before ``price_magnifier``:
    value = quantity × price × multiplier ÷ price_magnifier. ``price_magnifier``, ``description``, the
    hours of regular trading (of some days, as IBKR spells them, in ``time_zone``), ``isin`` and ``cusip``
    come from contract details only; until those arrive the magnifier is 1 and the others empty.
    """

    conid: int
    symbol: str
    sec_type: str
    currency: str
    local_symbol: str = ""
    trading_class: str = ""
    exchange: str = ""
    multiplier: Decimal = Decimal(1)
    expiry: str = ""
    strike: Decimal | None = None
    right: str = ""
    price_magnifier: int = 1
    description: str = ""
    liquid_hours: str = ""
    time_zone: str = ""
    isin: str = ""
    cusip: str = ""

    @property
    def point_value(self) -> Decimal:
        """The value of one whole point of quoted price per unit of quantity, in ``currency``."""
        return self.multiplier / self.price_magnifier


_OWN_BITS: Final = 52
"""A number of so many bits is exact in JSON wherever it is read."""


def own_conid(name: str) -> int:
    """A number for what has no conid, always the same for a name. It is negative, as none of IBKR's is.

    >>> own_conid("STK/USD/ACME") == own_conid("STK/USD/ACME") < 0
    True
    """
    digest = hashlib.sha256(name.encode()).digest()
    return -1 - (int.from_bytes(digest[:8]) >> (64 - _OWN_BITS))
