"""What the broker calls the account values that we know."""

from typing import Final

NET_LIQUIDATION: Final = "NetLiquidation"
TOTAL_CASH: Final = "TotalCashValue"
GROSS_POSITION_VALUE: Final = "GrossPositionValue"
CASH_BALANCE: Final = "CashBalance"
ACCRUED_CASH: Final = "AccruedCash"
NET_DIVIDEND: Final = "NetDividend"
FUTURES_PNL: Final = "FuturesPNL"
BASE: Final = "BASE"
"""Stands where a currency would, for all of them together in the base currency."""
BASE_SUMMARY: Final = "BASE_SUMMARY"
"""The same in statements, and in what is kept."""
