"""What a row is about: its instrument, and why a row may be about none that is kept in a book."""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from core.domain.instruments import COMBO_CONID, Instrument
from core.domain.pnl import EXACT
from core.domain.stated import Ignored, IgnoredReason
from services.statements import rows_cash, rows_nav, rows_reference
from services.statements.rows import (
    CorporateAction,
    Held,
    OpenPosition,
    OptionEvent,
    Owned,
    Trade,
    Transfer,
)
from services.statements.securities import security_of

OPTIONS: Final = frozenset({"OPT", "FOP", "FSOPT", "FSFOP", "WAR", "IOPT"})
_UNIT_PRICED: Final = frozenset({"STK", "FUND"})
IN_PERCENT: Final = frozenset({"BOND", "BILL"})
_MAGNIFIERS: Final = tuple(Decimal(10) ** power for power in range(5))


class Instruments:
    """The instruments of one file, each built once as long as rows say the same of it."""

    MOST = 8192

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Instrument | None] = {}
        self._magnifiers: dict[int, int] = {}
        self._by_conid: dict[int, Instrument] = {}
        self._called: dict[str, Instrument] = {}

    def of(self, row: Held) -> Instrument | None:
        """The instrument that ``row`` is about; ``None`` where it does not say which."""
        conid: int | None = getattr(row, "conid", None)
        if conid is None:
            return None
        magnifier = self._magnifier(conid, row)
        key = (
            conid,
            row.asset_category,
            row.symbol,
            row.currency,
            getattr(row, "multiplier", None),
            magnifier,
        )
        if key in self._known:
            return self._known[key]
        security = security_of(row)
        found = None if security is None else replace(security.instrument, price_magnifier=magnifier)
        if len(self._known) >= self.MOST:
            self._known.clear()
            self._by_conid.clear()
            self._called.clear()
        self._known[key] = found
        if security is not None and found is not None:
            self._by_conid[conid] = found
            # An American ISIN has the CUSIP in it.
            names = {security.isin, security.isin[2:11], security.cusip} - {""}
            self._called.update(dict.fromkeys(names, found))
        return found

    def known(self, conid: int) -> Instrument | None:
        """An instrument as a row was about it that trades or holds it, if there was one lately."""
        return self._by_conid.get(conid)

    def called(self, number: str) -> Instrument | None:
        """The same by its ISIN or CUSIP."""
        return self._called.get(number)

    def _magnifier(self, conid: int, row: Held) -> int:
        known = self._magnifiers.get(conid)
        if known is not None:
            return known
        told = None
        if isinstance(row, Trade):
            told = magnifier_told(row.quantity, row.price, row.multiplier, row.trade_money)
        elif isinstance(row, OpenPosition):
            told = magnifier_told(row.quantity, row.mark_price, row.multiplier, row.market_value)
        if told is not None:
            self._magnifiers[conid] = told
            return told
        return 100 if row.asset_category in IN_PERCENT else 1


def magnifier_told(
    quantity: Decimal | None, price: Decimal | None, multiplier: Decimal | None, money: Decimal | None
) -> int | None:
    """How much of its money's unit one unit of a price is: 100 where prices are in cents or percent.

    Concluded from the money that Flex states beside price and quantity; ``None`` where that tells nothing.
    """
    if not (price and quantity and multiplier and money):
        return None
    value = EXACT.multiply(EXACT.multiply(quantity, price), multiplier)
    if value == money:
        return 1
    ratio = abs(EXACT.divide(value, money))
    return int(min(_MAGNIFIERS, key=lambda one: abs(EXACT.divide(ratio, one) - 1)))


def reason_against(row: Held, quantity: Decimal | None) -> IgnoredReason | None:
    """The first reason why ``row`` changes no position of anybody; ``None`` for one that does."""
    conid: int | None = getattr(row, "conid", None)
    multiplier: Decimal | None = getattr(row, "multiplier", None)
    category = row.asset_category
    reasons: tuple[tuple[bool, IgnoredReason], ...] = (
        (not row.account, "no_account"),
        (category == "CASH", "currency_trade"),
        (conid == COMBO_CONID or category == "BAG", "combo"),
        (not conid or not category, "no_instrument"),
        (not quantity, "no_quantity"),
        (not multiplier and category not in _UNIT_PRICED, "no_multiplier"),
    )
    return next((reason for holds, reason in reasons if holds), None)


_SECTIONS: Final[dict[type, str]] = {
    Trade: "trades",
    OptionEvent: "events",
    CorporateAction: "events",
    Transfer: "events",
    OpenPosition: "positions",
    rows_cash.CashTransaction: "cash",
    rows_cash.TransactionTax: "cash",
    rows_cash.SalesTax: "cash",
    rows_cash.CfdCharge: "cash",
    rows_cash.DebitCardActivity: "cash",
    rows_cash.CashReport: "cash_balances",
    rows_nav.EquitySummary: "values",
    rows_reference.AccountInformation: "accounts",
    rows_reference.SecurityInfo: "instruments",
}
"""What the report counts the rows under."""


def ignored(row: Owned, reason: IgnoredReason) -> Ignored:
    """That ``row`` changes nothing."""
    section = _SECTIONS.get(type(row), row.element)
    return Ignored(line=row.line, section=section, account=row.account, reason=reason)
