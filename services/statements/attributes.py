"""Attributes of Flex that stay raw, so that only those that IBKR adds later are told as unknown."""

from typing import Final

_SUFFIXES: Final = ("IBUKL", "Paxos", "Sec", "Com", "MTD", "YTD", "Long", "Short")
"""A figure's part of one entity, market, period or side: ``cashLong`` is part of ``cash``."""


def stem(attribute: str) -> str:
    """The figure that an attribute states a part of: ``dividendsYTD`` → ``dividends``; else itself."""
    suffix = next((end for end in _SUFFIXES if attribute.endswith(end)), "")
    return attribute.removesuffix(suffix)


# fmt: off
KEPT_RAW: Final = frozenset({
    "accountName", "accountRepName", "accountRepPhone", "accruedInt", "advisorFeePaxos", "allocatedTo",
    "avgCreditBalance", "avgDebitBalance", "awayBrokerCommission", "balanceThreshold",
    "billableCommissions", "billableSalesTax", "blockID", "bondInterestAccrualsComponent", "borrowFee",
    "borrowFeeRate", "brokerAccount", "brokerCashComponent", "brokerClearingCommission",
    "brokerExecutionCommission", "brokerFeesAccrualsComponent", "brokerInterestAccrualsComponent",
    "brokerName", "brokerageOrderID", "capitalGainsPnl", "carbonCredits", "carryCharge",
    "changeInBrokerFeeAccruals", "changeInIncentiveCouponAccruals", "changeInPrice", "changeInQuantity",
    "city", "cityResidentialAddress", "clearingCharge", "clearingFirmID", "collateralAmount",
    "commissionCreditsRedemption", "commissionReceivables", "commissionsAtPaxos", "commoditiesInterest",
    "commoditiesPrincipal", "commodityType", "contra", "corporateActions", "costAdjustments",
    "countryResidentialAddress", "deliveredReceived", "deliveringBroker", "deliveryType", "donations",
    "endOfPeriodValue", "eventContractInterestAccruals", "excessFundSweep", "excessQuantity",
    "exchOrderId", "expense", "expenseInBase", "expenseIndicator", "extExecID",
    "fdicInsuredAccountInterestAccrualsComponent", "fdicInsuredBankSweepAccountCashComponent", "feeRate",
    "feeType", "feesReceivables", "fineness", "fromAcct", "futurePriceAdjustments", "fxPnl",
    "fxTranslationPnl", "grossLendFee", "ibuklInterest", "ibuklPrincipal", "incentiveCouponAccruals",
    "initialInvestment", "insuredBankDepositRedemptionCashComponent", "insuredDepositInteresPaxos",
    "insuredDepositInterest", "ipoSubscription", "isAPIOrder", "issuerCountryCode", "lastTradedDate",
    "liteSurchargeAccruals", "marginBalance", "marginFinancingChargeAccruals", "markCurrentPrice",
    "markPriorPrice", "markQuantity", "marketFeeRate", "masterName", "merchantNameLocation", "model",
    "mtmAtPaxos", "mtmPnl", "mtmPriorPeriodPositions", "mtmTransactions", "name", "net", "netCashInBase",
    "netInBase", "netLendFee", "netLendFeeRate", "netTradeMoney", "netTradeMoneyInBase", "netTradePrice",
    "orderTime", "origOrderID", "origTradeDate", "origTradePrice", "origTransactionID", "otherCommission",
    "otherWithAccruals", "paxosTransfers", "percentOfNAV", "physDel", "pnlAmountInBase",
    "positionActionID", "positionAmountInBase", "positionInstructionID", "positionInstructionSetID",
    "positionInstrumentID", "positionValueInBase", "postalCode", "postalCodeResidentialAddress",
    "primaryEmail", "priorPeriodValue", "realLTMTD", "realLTYTD", "realSTMTD", "realSTYTD",
    "realizedCapitalGainsPnlMTD", "realizedCapitalGainsPnlYTD", "realizedForexVm", "realizedFxPnlMTD",
    "realizedFxPnlYTD", "realizedVm", "referralFee", "regFINRATradingActivityFee", "regOther",
    "regSection31TransactionFee", "registeredRepName", "registeredRepPhone", "regulatoryFee",
    "relatedTradeID", "relatedTransactionID", "revenue", "revenueInBase", "rfqID", "rtn",
    "securitiesInterest", "securitiesPrincipal", "securityID", "securityIDType", "sedol", "serialNumber",
    "settledCash", "settlementPolicyMethod", "slbEndingCashCollateral", "slbNetCash",
    "slbNetSecuritiesLentActivity", "slbNetSettledCash", "slbStartingCashCollateral", "slbTransactionId",
    "stage", "startDate", "state", "stateResidentialAddress", "street", "street2",
    "street2ResidentialAddress", "streetResidentialAddress", "targetSettlement", "taxReceivables",
    "thirdPartyClearingCommission", "thirdPartyExecutionCommission", "thirdPartyRegulatoryCommission",
    "ticketCharge", "toAcct", "totalCapitalGainsPnl", "totalCharges", "totalFxPnl", "totalNet",
    "totalNetInBase", "totalRealizedCapitalGainsPnl", "totalRealizedFxPnl", "totalRevenue",
    "totalUnrealizedCapitalGainsPnl", "totalUnrealizedFxPnl", "tradeAmount", "tradeAmountInBase",
    "traderID", "transactions", "transferredCapitalGainsPnl", "transferredFxPnl",
    "transferredPnlAdjustments", "uniqueID", "unrealizedCapitalGainsPnl", "unrealizedLTLoss",
    "unrealizedLTProfit", "unrealizedSTLoss", "unrealizedSTProfit", "unrealizedlFxPnl",
    "volatilityOrderLink", "weight", "whenRealized", "whenReopened", "withholdingTaxCollected",
})
