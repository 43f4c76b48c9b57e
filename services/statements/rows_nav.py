"""The rows that the broker's own sums are in: the account's value day by day, what changed it, and P&L.

They are what ours is compared with, and the only past that an account has before it was recorded.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated

from services.statements.rows import Held, Owned
from services.statements.values import Moment


class EquitySummary(Owned, frozen=True, gc=False):
    """The account's net asset value at the end of ``report_date`` and its parts, in the base currency."""

    total: Annotated[Decimal | None, "total"]
    total_long: Annotated[Decimal | None, "totalLong"]
    total_short: Annotated[Decimal | None, "totalShort"]
    cash: Annotated[Decimal | None, "cash"]
    stock: Annotated[Decimal | None, "stock"]
    options: Annotated[Decimal | None, "options"]
    bonds: Annotated[Decimal | None, "bonds"]
    notes: Annotated[Decimal | None, "notes"]
    funds: Annotated[Decimal | None, "funds"]
    commodities: Annotated[Decimal | None, "commodities"]
    crypto: Annotated[Decimal | None, "crypto"]
    forex_cfd_unrealized: Annotated[Decimal | None, "forexCfdUnrealizedPl"]
    cfd_unrealized: Annotated[Decimal | None, "cfdUnrealizedPl"]
    interest_accruals: Annotated[Decimal | None, "interestAccruals"]
    dividend_accruals: Annotated[Decimal | None, "dividendAccruals"]
    soft_dollars: Annotated[Decimal | None, "softDollars"]
    bank_sweep: Annotated[Decimal | None, "fdicInsuredBankSweepAccount"]
    bank_sweep_interest: Annotated[Decimal | None, "fdicInsuredAccountInterestAccruals"]
    lending_collateral: Annotated[Decimal | None, "slbCashCollateral"]
    securities_borrowed: Annotated[Decimal | None, "slbDirectSecuritiesBorrowed"]
    securities_lent: Annotated[Decimal | None, "slbDirectSecuritiesLent"]
    report_date: Annotated[date | None, "reportDate"]


class ChangeInNav(Owned, frozen=True, gc=False):
    """How the net asset value came from ``starting`` to ``ending``, in the base currency.

    ``twr`` is the time-weighted return in percent.
    """

    starting: Annotated[Decimal | None, "startingValue"]
    ending: Annotated[Decimal | None, "endingValue"]
    twr: Annotated[Decimal | None, "twr"]
    mtm: Annotated[Decimal | None, "mtm"]
    realized_pnl: Annotated[Decimal | None, "realized"]
    change_in_unrealized: Annotated[Decimal | None, "changeInUnrealized"]
    deposits_withdrawals: Annotated[Decimal | None, "depositsWithdrawals"]
    asset_transfers: Annotated[Decimal | None, "assetTransfers"]
    internal_cash_transfers: Annotated[Decimal | None, "internalCashTransfers"]
    debit_card: Annotated[Decimal | None, "debitCardActivity"]
    bill_pay: Annotated[Decimal | None, "billPay"]
    grants: Annotated[Decimal | None, "grantActivity"]
    linking_adjustments: Annotated[Decimal | None, "linkingAdjustments"]
    dividends: Annotated[Decimal | None, "dividends"]
    change_in_dividend_accruals: Annotated[Decimal | None, "changeInDividendAccruals"]
    interest: Annotated[Decimal | None, "interest"]
    change_in_interest_accruals: Annotated[Decimal | None, "changeInInterestAccruals"]
    withholding_tax: Annotated[Decimal | None, "withholdingTax"]
    transaction_tax: Annotated[Decimal | None, "transactionTax"]
    sales_tax: Annotated[Decimal | None, "salesTax"]
    commissions: Annotated[Decimal | None, "commissions"]
    forex_commissions: Annotated[Decimal | None, "forexCommissions"]
    advisor_fees: Annotated[Decimal | None, "advisorFees"]
    client_fees: Annotated[Decimal | None, "clientFees"]
    broker_fees: Annotated[Decimal | None, "brokerFees"]
    other_fees: Annotated[Decimal | None, "otherFees"]
    other_income: Annotated[Decimal | None, "otherIncome"]
    corporate_action_proceeds: Annotated[Decimal | None, "corporateActionProceeds"]
    net_fx_trading: Annotated[Decimal | None, "netFxTrading"]
    fx_translation: Annotated[Decimal | None, "fxTranslation"]
    other: Annotated[Decimal | None, "other"]
    from_date: Annotated[date | None, "fromDate"]
    to_date: Annotated[date | None, "toDate"]


class FifoPerformance(Held, frozen=True, gc=False):
    """Realized and unrealized P&L of one instrument over a statement, in the base currency.

    Rows without an instrument are sums of an asset category, or of all.
    """

    realized_short_profit: Annotated[Decimal | None, "realizedSTProfit"]
    realized_short_loss: Annotated[Decimal | None, "realizedSTLoss"]
    realized_long_profit: Annotated[Decimal | None, "realizedLTProfit"]
    realized_long_loss: Annotated[Decimal | None, "realizedLTLoss"]
    realized_pnl: Annotated[Decimal | None, "totalRealizedPnl"]
    unrealized_profit: Annotated[Decimal | None, "unrealizedProfit"]
    unrealized_loss: Annotated[Decimal | None, "unrealizedLoss"]
    unrealized_pnl: Annotated[Decimal | None, "totalUnrealizedPnl"]
    total_pnl: Annotated[Decimal | None, "totalFifoPnl"]
    transferred_pnl: Annotated[Decimal | None, "transferredPnl"]
    cost_adjustment: Annotated[Decimal | None, "costAdj"]
    conid: Annotated[int | None, "conid"]
    report_date: Annotated[date | None, "reportDate"]
    codes: Annotated[tuple[str, ...], "code"]


class MtmPerformance(Held, frozen=True, gc=False):
    """P&L of one instrument by its market price over a statement, in the base currency.

    Rows without an instrument are sums of an asset category, or of all.
    """

    previous_quantity: Annotated[Decimal | None, "prevCloseQuantity"]
    previous_price: Annotated[Decimal | None, "prevClosePrice"]
    quantity: Annotated[Decimal | None, "closeQuantity"]
    price: Annotated[Decimal | None, "closePrice"]
    transaction_mtm: Annotated[Decimal | None, "transactionMtm"]
    prior_open_mtm: Annotated[Decimal | None, "priorOpenMtm"]
    corporate_action_mtm: Annotated[Decimal | None, "corpActionMtm"]
    dividends: Annotated[Decimal | None, "dividends"]
    commissions: Annotated[Decimal | None, "commissions"]
    other: Annotated[Decimal | None, "other"]
    total: Annotated[Decimal | None, "total"]
    total_with_accruals: Annotated[Decimal | None, "totalWithAccruals"]
    conid: Annotated[int | None, "conid"]
    report_date: Annotated[date | None, "reportDate"]
    codes: Annotated[tuple[str, ...], "code"]


class PriorPeriodPosition(Held, frozen=True, gc=False):
    """What a holding of the day before gained by its price on ``on_date``."""

    price: Annotated[Decimal | None, "price"]
    mtm_pnl: Annotated[Decimal | None, "priorMtmPnl"]
    conid: Annotated[int | None, "conid"]
    on_date: Annotated[date | None, "date"]


class NetStockPosition(Held, frozen=True, gc=False):
    """Shares at the broker, borrowed and lent, and what they come to."""

    at_broker: Annotated[Decimal | None, "sharesAtIb"]
    borrowed: Annotated[Decimal | None, "sharesBorrowed"]
    lent: Annotated[Decimal | None, "sharesLent"]
    quantity: Annotated[Decimal | None, "netShares"]
    conid: Annotated[int | None, "conid"]
    report_date: Annotated[date | None, "reportDate"]


class FxTransaction(Owned, frozen=True, gc=False):
    """A change of a balance in a foreign currency, with its cost in the functional one."""

    functional_currency: Annotated[str, "functionalCurrency"]
    fx_currency: Annotated[str, "fxCurrency"]
    activity_description: Annotated[str, "activityDescription"]
    quantity: Annotated[Decimal | None, "quantity"]
    proceeds: Annotated[Decimal | None, "proceeds"]
    cost: Annotated[Decimal | None, "cost"]
    realized_pnl: Annotated[Decimal | None, "realizedPL"]
    report_date: Annotated[date | None, "reportDate"]
    at: Annotated[Moment | None, "dateTime"]
    codes: Annotated[tuple[str, ...], "code"]


class FxPosition(Owned, frozen=True, gc=False):
    """A balance in a foreign currency, as a sum and, if a query asks for it, lot by lot again."""

    functional_currency: Annotated[str, "functionalCurrency"]
    fx_currency: Annotated[str, "fxCurrency"]
    lot_description: Annotated[str, "lotDescription"]
    quantity: Annotated[Decimal | None, "quantity"]
    cost_price: Annotated[Decimal | None, "costPrice"]
    cost: Annotated[Decimal | None, "costBasis"]
    close_price: Annotated[Decimal | None, "closePrice"]
    value: Annotated[Decimal | None, "value"]
    unrealized_pnl: Annotated[Decimal | None, "unrealizedPL"]
    report_date: Annotated[date | None, "reportDate"]
    opened_at: Annotated[Moment | None, "lotOpenDateTime"]
    codes: Annotated[tuple[str, ...], "code"]

    @property
    def is_lot(self) -> bool:
        """Whether it is a part of a balance that another row states as a whole."""
        return self.level == "LOT" or (not self.level and self.opened_at is not None)


class StockGrant(Held, frozen=True, gc=False):
    """Shares that were given to the account's owner."""

    activity_description: Annotated[str, "activityDescription"]
    quantity: Annotated[Decimal | None, "quantity"]
    price: Annotated[Decimal | None, "price"]
    value: Annotated[Decimal | None, "value"]
    conid: Annotated[int | None, "conid"]
    report_date: Annotated[date | None, "reportDate"]
    awarded_on: Annotated[date | None, "awardDate"]
    vests_on: Annotated[date | None, "vestingDate"]
