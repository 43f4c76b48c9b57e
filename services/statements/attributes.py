"""Attributes of Flex that stay raw, so that only those that IBKR adds later are told as unknown."""

from typing import Final

# fmt: off
KEPT_RAW: Final = frozenset({
    "accountName", "accruedInt", "acctAlias", "actionDescription", "allocatedTo", "awayBrokerCommission",
    "brokerAccount", "brokerClearingCommission", "brokerExecutionCommission", "brokerName",
    "brokerageOrderID", "changeInPrice", "changeInQuantity", "clearingFirmID", "clientReference",
    "closePrice", "commodityType", "cusip", "deliveredReceived", "deliveringBroker", "deliveryType",
    "exchOrderId", "extExecID", "figi", "fineness", "fxPnl", "holdingPeriodDateTime", "initialInvestment",
    "isAPIOrder", "isin", "issuer", "issuerCountryCode", "model", "mtmPnl", "netTradeMoney",
    "netTradeMoneyInBase", "netTradePrice", "orderTime", "origOrderID", "origTradeDate", "origTradeID",
    "origTradePrice", "origTransactionID", "originatingOrderID", "originatingTransactionID",
    "otherCommission", "percentOfNAV", "pnlAmountInBase", "positionActionID", "positionAmountInBase",
    "positionInstrumentID", "positionValueInBase", "principalAdjustFactor", "regulatoryFee",
    "relatedTradeID", "relatedTransactionID", "rtn", "securityID", "securityIDType", "serialNumber",
    "subCategory", "thirdPartyClearingCommission", "thirdPartyExecutionCommission",
    "thirdPartyRegulatoryCommission", "traderID", "underlyingListingExchange", "underlyingSecurityID",
    "vestingDate", "volatilityOrderLink", "weight", "whenRealized", "whenReopened",
})
