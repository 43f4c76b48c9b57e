"""What a statement says besides, held against what our ledger comes to: kinds, causes and tolerances."""

from decimal import Decimal
from typing import Final, Literal, TypeAlias

DisputeKind: TypeAlias = Literal[
    "trade", "realized", "lot", "quantity", "cost", "cash", "value", "contribution", "change", "twr"
]
"""What was compared.

``trade``: what a trade was, under its id. ``realized``: what a trade or an event realized. ``lot``: a lot
that was closed. ``quantity``, ``cost``: what was held at the end of a day. ``cash``: in one currency, at the
end of a statement. ``value``: what an account was worth. ``contribution``: what its owner brought less what
he took. ``change``: whether the parts of a change in value add up to it. ``twr``: the time-weighted return.
"""

DisputeCause: TypeAlias = Literal[
    "contradiction",
    "told_otherwise",
    "not_itemized",
    "not_covered",
    "missing_opening",
    "unknown_cost",
    "opening_balance",
    "awaited_commission",
    "cost_method",
    "converted_commission",
    "return_of_capital",
    "corporate_action",
    "futures_settlement",
    "missing_rate",
    "holdings_differ",
    "flow_convention",
    "unexplained",
]
"""Why the two differ, the most telling cause first; docs/statements.md says what each means."""

FLEX_CUT: Final = Decimal("0.000001")
"""Flex cuts realized figures to six decimals: so far a figure may be apart for each lot that took part."""

COST_LEEWAY: Final = Decimal("0.01")
"""For the cost of a whole holding, as in the comparison with the live broker."""

MONEY_LEEWAY: Final = Decimal("0.005")
"""For sums of money, and for each holding in a sum: half a cent is what rounding to the cent can make."""

RATE_LEEWAY: Final = Decimal("0.000005")
"""Rates are stated to five decimals: so far one may be apart for each unit that is converted."""

TWR_LEEWAY: Final = Decimal("0.000001")
"""For a return, as a fraction: a ten-thousandth of a percent."""
