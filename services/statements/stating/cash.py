"""Money that came or went, other than by trades.

IBKR's cash report has a line of its own for each of these sections, so that none tells what another does:
deposits, dividends, interest and fees are cash transactions; transaction taxes, sales taxes, charges on
contracts for difference and transfers are not among them. What the commission and the taxes of a trade have
in them already is told nowhere else (Reporting Guide, "Cash Report"). Payments by card have a line, too, but
cash transactions may say that they are some: what both tell counts once, as the cash transaction has it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Final

from core.domain.pnl import EXACT
from core.domain.stated import CashKind, StatedCashFlow, Statement, passed_over
from services.statements.rows import Owned
from services.statements.rows_cash import (
    BASE_SUMMARY,
    CashTransaction,
    CfdCharge,
    DebitCardActivity,
    SalesTax,
    TransactionTax,
)
from services.statements.rows_cash import CashKind as FlexKind
from services.statements.stating.days import ARRIVED, when
from services.statements.stating.holdings import ignored
from services.statements.stating.sums import Itemized
from services.statements.stating.trades import Trades
from services.statements.values import Moment, said

_KINDS: Final[dict[FlexKind, CashKind]] = {
    "dividend": "dividend",
    "payment_in_lieu": "payment_in_lieu",
    "withholding_tax": "withholding_tax",
    "broker_interest": "interest",
    "bond_interest": "bond_interest",
    "fee": "fee",
    "transfer": "transfer",
    "tax": "tax",
    "commission_adjustment": "commission_adjustment",
    "other": "other",
}
_CARD: Final = "debit card"
_CENT: Final = Decimal("0.01")


class Cash:
    """The flows of cash of one statement. ``bases`` are the base currencies that accounts have."""

    def __init__(self, itemized: Itemized, trades: Trades, bases: dict[str, str]) -> None:
        self._itemized = itemized
        self._trades = trades
        self._bases = bases
        self._by_card: Counter[tuple[str, Decimal]] = Counter()
        self._cards: list[StatedCashFlow] = []

    def transaction(self, row: CashTransaction) -> Iterable[Statement]:
        """A deposit, a dividend, interest, a fee: one by one, or summed where that is all there is."""
        kind = _kind_of(row)
        flow = self._flow(
            row, row.amount, kind, row.at, row.report_date or row.settle_date, row.transaction_id
        )
        if not isinstance(flow, StatedCashFlow):
            return (flow,)
        if not row.is_summary and _CARD in f"{row.type} {row.description}".casefold():
            self._by_card[_in_base(flow)] += 1
        return self._itemized.state(flow, "transactions", is_summary=row.is_summary)

    def transaction_tax(self, row: TransactionTax) -> Iterable[Statement]:
        """A tax on a trade, unless that trade told of its taxes: IBKR puts trades before these."""
        if row.trade_id and row.trade_id in self._trades.taxed:
            return (ignored(row, "repeated"),)
        flow = self._flow(row, row.amount, "tax", None, row.on_date or row.report_date, "")
        if not isinstance(flow, StatedCashFlow):
            return (flow,)
        return self._itemized.state(flow, "transaction taxes", is_summary=row.is_summary)

    def sales_tax(self, row: SalesTax) -> Iterable[Statement]:
        """A tax on a service of the broker's."""
        return (self._flow(row, row.amount, "tax", None, row.on_date, row.transaction_id),)

    def cfd_charge(self, row: CfdCharge) -> Iterable[Statement]:
        """What holding a contract for difference cost or brought."""
        day = row.on_date or row.report_date
        return (self._flow(row, row.amount, "fee", row.at, day, row.transaction_id),)

    def card(self, row: DebitCardActivity) -> Iterable[Statement]:
        """A payment by the account's card, once it is settled; it waits for what else may tell of it."""
        if said(row.status) and row.status.casefold() != "settled":
            return (ignored(row, "not_used"),)
        kind: CashKind = "withdrawal" if (row.amount or 0) < 0 else "deposit"
        flow = self._flow(row, row.amount, kind, row.at, row.posting_date or row.report_date, "")
        if not isinstance(flow, StatedCashFlow):
            return (flow,)
        self._cards.append(flow)
        return ()

    def close(self) -> Iterator[Statement]:
        """The payments by card that no cash transaction of the statement tells."""
        for flow in self._cards:
            key = _in_base(flow)
            told = self._by_card[key] > 0
            self._by_card[key] -= told
            yield passed_over(flow, flow.account, "repeated") if told else flow
        self._cards.clear()
        self._by_card.clear()

    def _flow(
        self,
        row: Owned,
        amount: Decimal | None,
        kind: CashKind,
        moment: Moment | None,
        day: date | None,
        transaction_id: str,
    ) -> Statement:
        if not row.account:
            return ignored(row, "no_account")
        if not amount:
            return ignored(row, "no_amount")
        at = when(moment, day, ARRIVED)
        if at is None:
            return ignored(row, "no_date")
        currency = self._bases.get(row.account, "") if row.currency == BASE_SUMMARY else row.currency
        if not said(currency):
            return ignored(row, "no_currency")
        symbol = getattr(row, "symbol", "")
        return StatedCashFlow(
            line=row.line,
            section=row.element,
            account=row.account,
            kind=kind,
            at=at,
            amount=amount,
            currency=currency,
            fx_rate_to_base=getattr(row, "fx_rate_to_base", None),
            conid=getattr(row, "conid", None),
            symbol=said(symbol),
            transaction_id=said(transaction_id),
            description=_description(row),
            reported_on=getattr(row, "report_date", None) or day,
        )


def _in_base(flow: StatedCashFlow) -> tuple[str, Decimal]:
    """What tells a payment by card, which may be stated in the base currency, by its amount."""
    return flow.account, EXACT.multiply(flow.amount, flow.fx_rate_to_base or 1).quantize(_CENT)


def _kind_of(row: CashTransaction) -> CashKind:
    kind = row.kind
    if kind == "deposit_withdrawal":
        return "withdrawal" if (row.amount or 0) < 0 else "deposit"
    return _KINDS[kind]


def _description(row: Owned) -> str:
    """What the row says it is about, beyond its instrument."""
    for name in ("tax_description", "taxed_description", "activity_description", "description", "category"):
        text = said(getattr(row, name, ""))
        if text:
            return text
    return ""
