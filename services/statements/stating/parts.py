"""What a statement's own sums are made of: cash, and the account's value.

Flex adds columns to these sections now and then, and each is another part of the sum. So the parts are all
figures of a row but those that are known to be something else.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from core.domain.money import ZERO
from core.domain.stated import StatedBalance
from services.statements.rows import Row
from services.statements.rows_cash import CashReport
from services.statements.rows_nav import ChangeInNav, EquitySummary
from services.statements.values import read_number

_NO_FIGURES: Final = frozenset(
    {"accountId", "acctAlias", "model", "currency", "fromDate", "toDate", "reportDate"}
)

_CASH_ENDS: Final = frozenset(
    {"startingCash", "endingCash", "endingSettledCash", "slbStartingCashCollateral"}
)
_CASH_AGAIN: Final = frozenset({"deposits", "withdrawals"})
"""Told again, apart, beside ``depositWithdrawals``."""

_OF_A_PART: Final = re.compile(r".+(?:Sec|Com|IBUKL|Paxos|CryptoTrust|MTD|YTD)")
"""Columns of one segment of an account, or of the time since the month or the year began."""

_CHANGE_ENDS: Final = frozenset({"startingValue", "endingValue", "twr"})
_REALIZED: Final = frozenset(
    {"realized", "changeInUnrealized", "costAdjustments", "transferredPnlAdjustments"}
)
"""What ``mtm`` is made of, in a query that asks for realized and unrealized figures instead, or as well."""

_OWNERS: Final = frozenset(
    {
        *("depositsWithdrawals", "assetTransfers", "internalCashTransfers", "debitCardActivity"),
        *("billPay", "linkingAdjustments", "excessFundSweep"),
    }
)
"""What the owner brings or takes."""

_HOLDINGS: Final = ("stock", "options", "bonds", "notes", "funds", "commodities", "crypto")
_TOLD_APART: Final = frozenset(
    {"total", "cash", "stock", "options", "bonds", "funds", "interestAccruals", "dividendAccruals"}
)


def with_cash_moved(record: StatedBalance, row: CashReport) -> StatedBalance:
    """The balance with what led to it; as it is where a query leaves those columns out."""
    first = row.from_date or (row.statement.from_date if row.statement else None)
    if row.starting_cash is None or first is None:
        return record
    figures = {
        name: figure
        for name, figure in _figures(row)
        if name not in _CASH_ENDS and _OF_A_PART.fullmatch(name) is None
    }
    if "depositWithdrawals" in figures:
        figures = {name: figure for name, figure in figures.items() if name not in _CASH_AGAIN}
    trades = [figures.pop(name, None) for name in ("netTradesSales", "netTradesPurchases")]
    futures = figures.pop("cashSettlingMtm", None)
    commissions = figures.pop("commissions", None)
    return replace(
        record,
        starts_on=first,
        starting_cash=row.starting_cash,
        trades=None if None in trades else sum((one for one in trades if one is not None), ZERO),
        commissions=commissions,
        futures=futures,
        flows=sum(figures.values(), ZERO),
    )


def value_moved(row: ChangeInNav) -> tuple[Decimal, Decimal]:
    """What the owner brought less what he took, and all the rest that changed the account's value."""
    figures = {name: figure for name, figure in _figures(row) if name not in _CHANGE_ENDS}
    if figures.get("mtm"):
        figures = {name: figure for name, figure in figures.items() if name not in _REALIZED}
    contribution = sum((figures.pop(name, ZERO) for name in _OWNERS), ZERO)
    return contribution, sum(figures.values(), ZERO)


def other_assets(row: EquitySummary) -> Decimal:
    """The part of an account's value that has no column of its own here."""
    return sum(
        (
            figure
            for name, figure in _figures(row)
            # A side or a component of another column is told there.
            if name not in _TOLD_APART and not name.endswith(("Long", "Short", "Component"))
        ),
        ZERO,
    )


def gross_value(row: EquitySummary) -> Decimal | None:
    """What all holdings are worth, shorts taken as positive; ``None`` where a query leaves a side out."""
    figures = dict(_figures(row))
    gross = ZERO
    for name in _HOLDINGS:
        sides = [figures.get(f"{name}{side}") for side in ("Long", "Short")]
        known = [abs(one) for one in sides if one is not None]
        if len(known) == len(sides):
            gross += sum(known, ZERO)
        elif figures.get(name):
            return None
    return gross if any(f"{name}Long" in figures for name in _HOLDINGS) else None


def _figures(row: Row) -> Iterator[tuple[str, Decimal]]:
    for name, text in row.attributes.items():
        figure = None if name in _NO_FIGURES else read_number(text.strip())
        if figure is not None:
            yield name, figure
