"""The rows about money: what came in and went out, what it was for, and what the broker says is there.

Amounts are signed as the account sees them: negative for what it paid.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeAlias

from services.statements.rows import Held, Owned
from services.statements.values import Moment

BASE_SUMMARY: Final = "BASE_SUMMARY"
"""The currency of a row that sums all currencies, in the account's base currency."""

CashKind: TypeAlias = Literal[
    "deposit_withdrawal",
    "dividend",
    "payment_in_lieu",
    "withholding_tax",
    "broker_interest",
    "bond_interest",
    "fee",
    "commission_adjustment",
    "transfer",
    "tax",
    "other",
]
"""What a cash transaction was for, in the ledger's words; ``other`` is a type that IBKR added since."""

_KINDS: Final[tuple[tuple[str, CashKind], ...]] = (
    # The first that a type's name has in it counts, so that "Payment In Lieu Of Dividends" is no dividend.
    ("in lieu", "payment_in_lieu"),
    ("withholding", "withholding_tax"),
    ("871(m)", "withholding_tax"),
    ("bond interest", "bond_interest"),
    ("interest", "broker_interest"),
    ("dividend", "dividend"),
    ("deposit", "deposit_withdrawal"),
    ("withdrawal", "deposit_withdrawal"),
    ("debit card", "deposit_withdrawal"),
    ("bill pay", "deposit_withdrawal"),
    ("transfer", "transfer"),
    ("commission adjustment", "commission_adjustment"),
    ("fee", "fee"),
    ("tax", "tax"),
)


class CashTransaction(Held, frozen=True, gc=False):
    """One movement of cash that is no trade. ``ex_date`` is of a dividend."""

    type: Annotated[str, "type"]
    transaction_id: Annotated[str, "transactionID"]
    trade_id: Annotated[str, "tradeID"]
    action_id: Annotated[str, "actionID"]
    client_reference: Annotated[str, "clientReference"]
    multiplier: Annotated[Decimal | None, "multiplier"]
    strike: Annotated[Decimal | None, "strike"]
    amount: Annotated[Decimal | None, "amount"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    underlying_conid: Annotated[int | None, "underlyingConid"]
    expires_on: Annotated[date | None, "expiry"]
    report_date: Annotated[date | None, "reportDate"]
    settle_date: Annotated[date | None, "settleDate"]
    ex_date: Annotated[date | None, "exDate"]
    available_on: Annotated[date | None, "availableForTradingDate"]
    at: Annotated[Moment | None, "dateTime"]
    codes: Annotated[tuple[str, ...], "code"]

    @property
    def is_summary(self) -> bool:
        """Whether it sums what rows of more detail state one by one."""
        return self.level == "SUMMARY"

    @property
    def kind(self) -> CashKind:
        """What it was for."""
        said = self.type.casefold()
        return next((kind for name, kind in _KINDS if name in said), "other")

    @property
    def is_external(self) -> bool:
        """Whether the money crossed the account's border, rather than being earned or spent inside."""
        return self.kind in {"deposit_withdrawal", "transfer"}


class CashReport(Owned, frozen=True, gc=False):
    """Cash at the start and the end of a statement, in one currency or summed, and what moved it."""

    starting_cash: Annotated[Decimal | None, "startingCash"]
    ending_cash: Annotated[Decimal | None, "endingCash"]
    ending_settled_cash: Annotated[Decimal | None, "endingSettledCash"]
    deposits_withdrawals: Annotated[Decimal | None, "depositWithdrawals"]
    deposits: Annotated[Decimal | None, "deposits"]
    withdrawals: Annotated[Decimal | None, "withdrawals"]
    account_transfers: Annotated[Decimal | None, "accountTransfers"]
    internal_transfers: Annotated[Decimal | None, "internalTransfers"]
    linking_adjustments: Annotated[Decimal | None, "linkingAdjustments"]
    debit_card: Annotated[Decimal | None, "debitCardActivity"]
    bill_pay: Annotated[Decimal | None, "billPay"]
    dividends: Annotated[Decimal | None, "dividends"]
    payment_in_lieu: Annotated[Decimal | None, "paymentInLieu"]
    broker_interest: Annotated[Decimal | None, "brokerInterest"]
    bond_interest: Annotated[Decimal | None, "bondInterest"]
    withholding_tax: Annotated[Decimal | None, "withholdingTax"]
    withholding_871m: Annotated[Decimal | None, "withholding871m"]
    withholding_collected: Annotated[Decimal | None, "withholdingCollectedTax"]
    transaction_tax: Annotated[Decimal | None, "transactionTax"]
    sales_tax: Annotated[Decimal | None, "salesTax"]
    commissions: Annotated[Decimal | None, "commissions"]
    client_fees: Annotated[Decimal | None, "clientFees"]
    advisor_fees: Annotated[Decimal | None, "advisorFees"]
    broker_fees: Annotated[Decimal | None, "brokerFees"]
    other_fees: Annotated[Decimal | None, "otherFees"]
    other_income: Annotated[Decimal | None, "otherIncome"]
    other: Annotated[Decimal | None, "other"]
    sales: Annotated[Decimal | None, "netTradesSales"]
    purchases: Annotated[Decimal | None, "netTradesPurchases"]
    settling_mtm: Annotated[Decimal | None, "cashSettlingMtm"]
    cfd_charges: Annotated[Decimal | None, "cfdCharges"]
    fx_translation: Annotated[Decimal | None, "fxTranslationGainLoss"]
    from_date: Annotated[date | None, "fromDate"]
    to_date: Annotated[date | None, "toDate"]

    @property
    def is_summary(self) -> bool:
        """Whether it sums what other rows state currency by currency."""
        return self.currency == BASE_SUMMARY or self.level == "BASECURRENCY"


class FundsLine(Held, frozen=True, gc=False):
    """A line of the statement of funds: one movement of cash, trades among them, and the balance after it.

    The same movements are told once in their currency and once more in the base currency.
    """

    activity_code: Annotated[str, "activityCode"]
    activity_description: Annotated[str, "activityDescription"]
    trade_id: Annotated[str, "tradeID"]
    order_id: Annotated[str, "orderID"]
    transaction_id: Annotated[str, "transactionID"]
    action_id: Annotated[str, "actionID"]
    side: Annotated[str, "buySell"]
    amount: Annotated[Decimal | None, "amount"]
    debit: Annotated[Decimal | None, "debit"]
    credit: Annotated[Decimal | None, "credit"]
    balance: Annotated[Decimal | None, "balance"]
    trade_quantity: Annotated[Decimal | None, "tradeQuantity"]
    trade_price: Annotated[Decimal | None, "tradePrice"]
    trade_gross: Annotated[Decimal | None, "tradeGross"]
    trade_commission: Annotated[Decimal | None, "tradeCommission"]
    trade_tax: Annotated[Decimal | None, "tradeTax"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    on_date: Annotated[date | None, "date"]
    report_date: Annotated[date | None, "reportDate"]
    settle_date: Annotated[date | None, "settleDate"]
    codes: Annotated[tuple[str, ...], "tradeCode"]

    @property
    def is_summary(self) -> bool:
        """Whether it is in the base currency what another line states in its own."""
        return self.level.startswith("BASE") or self.currency == BASE_SUMMARY


class DividendAccrual(Held, frozen=True, gc=False):
    """A dividend that is expected: still open (OpenDividendAccrual), or posted (Po) or reversed (Re) then."""

    action_id: Annotated[str, "actionID"]
    quantity: Annotated[Decimal | None, "quantity"]
    tax: Annotated[Decimal | None, "tax"]
    fee: Annotated[Decimal | None, "fee"]
    gross_rate: Annotated[Decimal | None, "grossRate"]
    gross_amount: Annotated[Decimal | None, "grossAmount"]
    net_amount: Annotated[Decimal | None, "netAmount"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    on_date: Annotated[date | None, "date"]
    report_date: Annotated[date | None, "reportDate"]
    ex_date: Annotated[date | None, "exDate"]
    pay_date: Annotated[date | None, "payDate"]
    codes: Annotated[tuple[str, ...], "code"]

    @property
    def is_open(self) -> bool:
        """Whether it is what is outstanding at the end, not a change on the way there."""
        return self.element == "OpenDividendAccrual"


class InterestAccrual(Owned, frozen=True, gc=False):
    """Interest that is expected in one currency, or summed: at the start, at the end, and what changed it."""

    starting: Annotated[Decimal | None, "startingAccrualBalance"]
    accrued: Annotated[Decimal | None, "interestAccrued"]
    reversed: Annotated[Decimal | None, "accrualReversal"]
    fx_translation: Annotated[Decimal | None, "fxTranslation"]
    ending: Annotated[Decimal | None, "endingAccrualBalance"]
    from_date: Annotated[date | None, "fromDate"]
    to_date: Annotated[date | None, "toDate"]

    @property
    def is_summary(self) -> bool:
        """Whether it sums what other rows state currency by currency."""
        return self.currency == BASE_SUMMARY or self.level == "BASECURRENCY"


class TierInterest(Owned, frozen=True, gc=False):
    """Interest of one day on one tier of a balance. ``rate`` is in percent a year."""

    type: Annotated[str, "interestType"]
    tier: Annotated[str, "tierBreak"]
    principal: Annotated[Decimal | None, "totalPrincipal"]
    rate: Annotated[Decimal | None, "rate"]
    interest: Annotated[Decimal | None, "totalInterest"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    value_date: Annotated[date | None, "valueDate"]
    report_date: Annotated[date | None, "reportDate"]
    codes: Annotated[tuple[str, ...], "code"]


class TransactionTax(Held, frozen=True, gc=False):
    """A tax or another fee on a trade, which its commission does not have in it."""

    tax_description: Annotated[str, "taxDescription"]
    # Flex spells it with a small d here; should that be mended, both are read.
    trade_id: Annotated[str, "tradeId", "tradeID"]
    source: Annotated[str, "source"]
    quantity: Annotated[Decimal | None, "quantity"]
    price: Annotated[Decimal | None, "tradePrice"]
    amount: Annotated[Decimal | None, "taxAmount"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    on_date: Annotated[date | None, "date"]
    report_date: Annotated[date | None, "reportDate"]
    codes: Annotated[tuple[str, ...], "code"]

    @property
    def is_summary(self) -> bool:
        """Whether it sums what rows of more detail state one by one."""
        return self.level == "SUMMARY" and self.element != "TransactionTaxDetail"


class SalesTax(Held, frozen=True, gc=False):
    """A tax on a service of the broker's, such as value added tax on a fee."""

    country: Annotated[str, "country"]
    type: Annotated[str, "taxType"]
    payer: Annotated[str, "payer"]
    taxed_description: Annotated[str, "taxableDescription"]
    taxed_transaction_id: Annotated[str, "taxableTransactionID"]
    transaction_id: Annotated[str, "transactionID"]
    taxed_amount: Annotated[Decimal | None, "taxableAmount"]
    rate: Annotated[Decimal | None, "taxRate"]
    amount: Annotated[Decimal | None, "salesTax"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    on_date: Annotated[date | None, "date"]
    codes: Annotated[tuple[str, ...], "code"]


class CommissionDetail(Held, frozen=True, gc=False):
    """What the commission of one execution is made of."""

    side: Annotated[str, "buySell"]
    exchange: Annotated[str, "exchange"]
    trade_id: Annotated[str, "tradeID"]
    order_reference: Annotated[str, "orderReference"]
    quantity: Annotated[Decimal | None, "quantity"]
    price: Annotated[Decimal | None, "price"]
    total: Annotated[Decimal | None, "totalCommission"]
    broker_execution: Annotated[Decimal | None, "brokerExecutionCharge"]
    broker_clearing: Annotated[Decimal | None, "brokerClearingCharge"]
    exchange_execution: Annotated[Decimal | None, "thirdPartyExecutionCharge"]
    exchange_clearing: Annotated[Decimal | None, "thirdPartyClearingCharge"]
    regulatory: Annotated[Decimal | None, "thirdPartyRegulatoryCharge"]
    other: Annotated[Decimal | None, "other"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    at: Annotated[Moment | None, "dateTime"]


class CfdCharge(Held, frozen=True, gc=False):
    """What holding a contract for difference cost or brought."""

    activity_description: Annotated[str, "activityDescription"]
    transaction_id: Annotated[str, "transactionID", "transactionId"]
    trade_id: Annotated[str, "tradeID"]
    amount: Annotated[Decimal | None, "total", "amount"]
    received: Annotated[Decimal | None, "received"]
    paid: Annotated[Decimal | None, "paid"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    on_date: Annotated[date | None, "date"]
    report_date: Annotated[date | None, "reportDate"]
    at: Annotated[Moment | None, "dateTime"]
    codes: Annotated[tuple[str, ...], "code"]


class DebitCardActivity(Owned, frozen=True, gc=False):
    """A payment by the account's card: money that left."""

    status: Annotated[str, "status"]
    category: Annotated[str, "category"]
    amount: Annotated[Decimal | None, "amount"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    report_date: Annotated[date | None, "reportDate"]
    posting_date: Annotated[date | None, "postingDate"]
    at: Annotated[Moment | None, "transactionDateTime"]
