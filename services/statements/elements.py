"""Which row each element of a statement becomes, and which elements are known without being typed."""

from typing import Final

from services.statements.rows import (
    ConversionRate,
    CorporateAction,
    OpenPosition,
    OptionEvent,
    Query,
    Row,
    Statement,
    Trade,
    Transfer,
)
from services.statements.rows_cash import (
    CashReport,
    CashTransaction,
    CfdCharge,
    CommissionDetail,
    DebitCardActivity,
    DividendAccrual,
    FundsLine,
    InterestAccrual,
    SalesTax,
    TierInterest,
    TransactionTax,
)
from services.statements.rows_nav import (
    ChangeInNav,
    EquitySummary,
    FifoPerformance,
    FxPosition,
    FxTransaction,
    MtmPerformance,
    NetStockPosition,
    PriorPeriodPosition,
    StockGrant,
)
from services.statements.rows_reference import AccountInformation, SecurityInfo

ROWS: Final[dict[str, type[Row]]] = {
    "FlexQueryResponse": Query,
    "FlexStatement": Statement,
    "AccountInformation": AccountInformation,
    "Trade": Trade,
    "TradeConfirm": Trade,
    "TradeTransfer": Trade,
    "Order": Trade,
    "SymbolSummary": Trade,
    "AssetSummary": Trade,
    "Lot": Trade,
    "WashSale": Trade,
    "OpenPosition": OpenPosition,
    "OptionEAE": OptionEvent,
    "CorporateAction": CorporateAction,
    "Transfer": Transfer,
    "TransferLot": Transfer,
    "ConversionRate": ConversionRate,
    "SecurityInfo": SecurityInfo,
    "CashTransaction": CashTransaction,
    "CashReportCurrency": CashReport,
    "StatementOfFundsLine": FundsLine,
    "ChangeInDividendAccrual": DividendAccrual,
    "OpenDividendAccrual": DividendAccrual,
    "InterestAccrualsCurrency": InterestAccrual,
    "TierInterestDetail": TierInterest,
    "TransactionTax": TransactionTax,
    "TransactionTaxDetail": TransactionTax,
    "SalesTax": SalesTax,
    "UnbundledCommissionDetail": CommissionDetail,
    "CFDCharge": CfdCharge,
    "DebitCardActivity": DebitCardActivity,
    "EquitySummaryByReportDateInBase": EquitySummary,
    "ChangeInNAV": ChangeInNav,
    "FIFOPerformanceSummaryUnderlying": FifoPerformance,
    "MTMPerformanceSummaryUnderlying": MtmPerformance,
    "PriorPeriodPosition": PriorPeriodPosition,
    "NetStockPosition": NetStockPosition,
    "FxTransaction": FxTransaction,
    "FxPosition": FxPosition,
    "FxLot": FxPosition,
    "StockGrantActivity": StockGrant,
}
"""Which row an element becomes; every other element becomes an ``Other``."""

# fmt: off
_SECTIONS: Final = frozenset({
    "Adjustments", "CFDCharges", "CashReport", "CashTransactions", "ChangeInDividendAccruals",
    "ChangeInPositionValues", "ClientFees", "CommissionCredits", "ComplexPositions", "ConversionRates",
    "CorporateActions", "DebitCardActivities", "DepositsOnHold", "EquitySummaryInBase",
    "FIFOPerformanceSummaryInBase", "FdicInsuredDepositsByBank", "FlexStatements", "FxLots", "FxPositions",
    "FxTransactions", "HKIPOOpenSubscriptions", "HKIPOSubscriptionActivity", "HardToBorrowDetails",
    "HardToBorrowMarkupDetails", "IBGNoteTransactions", "IncentiveCouponAccrualDetails",
    "InterestAccruals", "MTDYTDPerformanceSummary", "MTMPerformanceSummaryInBase",
    "NetStockPositionSummary", "OpenDividendAccruals", "OpenPositions", "PendingExcercises",
    "PriorPeriodPositions", "RoutingCommissions", "SLBActivities", "SLBCollaterals", "SLBFees",
    "SLBOpenContracts", "SalesTaxes", "SecuritiesInfo", "SoftDollars", "StmtFunds",
    "StockGrantActivities", "TierInterestDetails", "TradeConfirms", "TradeTransfers", "Trades",
    "TransactionTaxes", "Transfers", "UnbookedTrades", "UnbundledCommissionDetails", "UnsettledTransfers",
})

_UNTYPED: Final = frozenset({
    "Adjustment", "ChangeInPositionValue", "ClientFee", "ClientFeesDetail", "CommissionCredit",
    "ComplexPosition", "DepositOnHold", "FdicInsuredDeposit", "HKIPOOpenSubscription", "HKIPOSubscription",
    "HardToBorrowDetail", "HardToBorrowMarkupDetail", "IBGNoteTransaction",
    "IncentiveCouponAccrualDetail", "MTDYTDPerformanceSummaryUnderlying", "Message", "PendingExcercise",
    "RoutingCommission", "SLBActivity", "SLBCollateral", "SLBFee", "SLBOpenContract", "SoftDollar",
    "UnbookedTrade", "UnsettledTransfer",
})
# fmt: on

KEPT_RAW_ELEMENTS: Final = _SECTIONS | _UNTYPED
"""Elements that Flex is known to have and that the ledger has no use for: kept as they came."""
