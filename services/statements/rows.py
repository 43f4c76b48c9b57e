"""The typed rows of a statement: what each element means, one class for each kind.

A field is annotated with the names of the attributes that can hold it, the first one present counts; its type
says how the text is read. Fields stand in the order of ``KINDS``, so that a row is built without looking at
each. Texts are as they are spelled, ``""`` where there is none. Signs are Flex's own, except where a property
says otherwise.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Struct

from core.domain.money import ZERO
from services.statements.values import NOTHING, Moment, moment_on

KINDS: Final = (str, Decimal | None, int | None, date | None, Moment | None, tuple[str, ...])
"""The types a field may have, in the order in which a row's fields stand."""

Detail: TypeAlias = Literal["execution", "lot", "order", "summary", "transfer", "other"]
"""What a row under Trades tells of: only executions are fills, the others repeat what they say."""


class Row(Struct, frozen=True, gc=False):
    """One element: where it stands, and all of its attributes as they came.

    ``statement`` is the one it is part of, ``None`` in a fragment without any.
    """

    element: str
    line: int
    statement: "Statement | None"
    names: tuple[str, ...]
    values: list[str]

    @property
    def attributes(self) -> dict[str, str]:
        """The raw attributes, in their order."""
        return dict(zip(self.names, self.values, strict=False))  # one more value stands for what is absent

    @property
    def flaw(self) -> str | None:
        """Why nothing can be made of it; ``None`` for a row that is sound."""
        return None


class Other(Row, frozen=True, gc=False):
    """An element that is not typed, kept as it came; ``text`` is what stood between its tags."""

    text: str = ""


class Query(Row, frozen=True, gc=False):
    """The head of a file: which query it answers. ``type`` is AF (activity) or TCF (trade confirmations)."""

    name: Annotated[str, "queryName"]
    type: Annotated[str, "type"]


class Statement(Row, frozen=True, gc=False):
    """The head of one account's statement; the rows up to its end are part of it."""

    account: Annotated[str, "accountId"]
    period: Annotated[str, "period"]
    from_date: Annotated[date | None, "fromDate"]
    to_date: Annotated[date | None, "toDate"]
    generated_at: Annotated[Moment | None, "whenGenerated"]

    @property
    def accounts(self) -> tuple[str, ...]:
        """Whose it is: several, or nobody by name, when it is consolidated."""
        return tuple(name for name in map(str.strip, self.account.split(",")) if name not in NOTHING)


class Owned(Row, frozen=True, gc=False):
    """What every row of an account has: whose it is, in which currency, and how closely it looks.

    ``stated_account`` is empty where a query leaves the column out: ``account`` then is the statement's.
    """

    stated_account: Annotated[str, "accountId"]
    currency: Annotated[str, "currency"]
    level_of_detail: Annotated[str, "levelOfDetail"]

    @property
    def account(self) -> str:
        """Whose row it is; empty when neither it nor a statement names one account alone."""
        stated = self.stated_account
        if stated and stated not in NOTHING:
            return "" if "," in stated else stated
        accounts = self.statement.accounts if self.statement else ()
        return accounts[0] if len(accounts) == 1 else ""

    @property
    def level(self) -> str:
        """The level of detail in one spelling: ``BaseCurrency`` → ``BASECURRENCY``, none → ``""``."""
        level = self.level_of_detail
        return "" if level in NOTHING else level.upper().replace(" ", "_")


class Held(Owned, frozen=True, gc=False):
    """What every row about an instrument has: whose it is and what it is of."""

    asset_category: Annotated[str, "assetCategory"]
    sub_category: Annotated[str, "subCategory"]
    symbol: Annotated[str, "symbol"]
    description: Annotated[str, "description"]
    expiry: Annotated[str, "expiry"]
    right: Annotated[str, "putCall"]
    listing_exchange: Annotated[str, "listingExchange"]
    underlying_symbol: Annotated[str, "underlyingSymbol"]
    isin: Annotated[str, "isin"]
    cusip: Annotated[str, "cusip"]
    figi: Annotated[str, "figi"]


class Trade(Held, frozen=True, gc=False):
    """A row under Trades, or of a trade confirmation, at whatever level of detail.

    ``quantity`` is signed. ``taxes`` and ``stated_commission`` are negative for a cost. ``cost`` is signed
    like the quantity: what was paid for what it opens, or had been for what it closes. ``multiplier`` is what
    a point of price is worth.
    """

    side: Annotated[str, "buySell"]
    transaction_type: Annotated[str, "transactionType"]
    open_close: Annotated[str, "openCloseIndicator"]
    exec_id: Annotated[str, "ibExecID", "execID"]
    trade_id: Annotated[str, "tradeID"]
    transaction_id: Annotated[str, "transactionID"]
    orig_trade_id: Annotated[str, "origTradeID"]
    order_id: Annotated[str, "ibOrderID", "orderID"]
    order_reference: Annotated[str, "orderReference"]
    order_type: Annotated[str, "orderType"]
    exchange: Annotated[str, "exchange"]
    commission_currency: Annotated[str, "ibCommissionCurrency", "commissionCurrency"]
    trade_time: Annotated[str, "tradeTime"]
    multiplier: Annotated[Decimal | None, "multiplier"]
    strike: Annotated[Decimal | None, "strike"]
    quantity: Annotated[Decimal | None, "quantity"]
    price: Annotated[Decimal | None, "tradePrice", "price", "TradePrice"]
    trade_money: Annotated[Decimal | None, "tradeMoney", "amount"]
    proceeds: Annotated[Decimal | None, "proceeds"]
    taxes: Annotated[Decimal | None, "taxes", "tax"]
    stated_commission: Annotated[Decimal | None, "ibCommission", "commission"]
    net_cash: Annotated[Decimal | None, "netCash"]
    cost: Annotated[Decimal | None, "cost"]
    stated_realized_pnl: Annotated[Decimal | None, "fifoPnlRealized"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    underlying_conid: Annotated[int | None, "underlyingConid"]
    expires_on: Annotated[date | None, "expiry"]
    trade_date: Annotated[date | None, "tradeDate"]
    report_date: Annotated[date | None, "reportDate"]
    settle_date: Annotated[date | None, "settleDateTarget", "settleDate"]
    stated_time: Annotated[Moment | None, "dateTime"]
    opened_at: Annotated[Moment | None, "openDateTime"]
    codes: Annotated[tuple[str, ...], "notes", "code"]

    @property
    def detail(self) -> Detail:
        """What the row tells of. A query without that column asks for executions."""
        if self.element in _DETAIL_OF_ELEMENT:
            return _DETAIL_OF_ELEMENT[self.element]
        return _DETAIL_OF_LEVEL.get(self.level, "other")

    @property
    def cancels(self) -> bool:
        """Whether it takes an earlier trade back: ``BUY (Ca.)`` with the quantity of a sale."""
        return self.transaction_type == "TradeCancel" or self.side.endswith("(Ca.)")

    @property
    def executed_at(self) -> Moment | None:
        """When; of a row without a time of its own the trade date with the trade time, as far as stated."""
        if self.stated_time is not None or self.trade_date is None:
            return self.stated_time
        return moment_on(self.trade_date, "" if self.trade_time in NOTHING else self.trade_time)

    @property
    def commission(self) -> Decimal | None:
        """What it cost: positive, a rebate negative. Flex has it the other way round."""
        return None if self.stated_commission is None else ZERO - self.stated_commission

    @property
    def realized_pnl(self) -> Decimal | None:
        """What the broker says it realized, commissions apart.

        Zero without a word on whether it opened or closed is what IBKR writes before it has computed it:
        unknown. Currency trades never have that word; their zero is meant.
        """
        stated = self.stated_realized_pnl
        if stated is None or stated or self.asset_category == "CASH" or self.open_close not in NOTHING:
            return stated
        return None

    @property
    def flaw(self) -> str | None:
        """An execution without price and quantity says nothing that could be counted or left out."""
        if self.price is None and self.quantity is None and self.detail == "execution":
            return "a trade has neither a price nor a quantity; include both in the Flex query"
        return None


_DETAIL_OF_ELEMENT: Final[dict[str, Detail]] = {
    "Lot": "lot",
    "Order": "order",
    "SymbolSummary": "summary",
    "AssetSummary": "summary",
    "TradeTransfer": "transfer",
    "WashSale": "other",
}
_DETAIL_OF_LEVEL: Final[dict[str, Detail]] = {
    "": "execution",
    "EXECUTION": "execution",
    "CLOSED_LOT": "lot",
    "ORDER": "order",
    "SYMBOL_SUMMARY": "summary",
    "ASSET_SUMMARY": "summary",
}


class OpenPosition(Held, frozen=True, gc=False):
    """What was held at the end of ``report_date``, as a sum and, if a query asks for it, lot by lot again.

    ``cost`` is signed like the quantity, with the multiplier and the commission; ``cost_price`` per point.
    """

    side: Annotated[str, "side"]
    opening_order_id: Annotated[str, "originatingOrderID"]
    opening_transaction_id: Annotated[str, "originatingTransactionID"]
    multiplier: Annotated[Decimal | None, "multiplier"]
    strike: Annotated[Decimal | None, "strike"]
    quantity: Annotated[Decimal | None, "position"]
    mark_price: Annotated[Decimal | None, "markPrice"]
    market_value: Annotated[Decimal | None, "positionValue"]
    open_price: Annotated[Decimal | None, "openPrice"]
    cost_price: Annotated[Decimal | None, "costBasisPrice"]
    cost: Annotated[Decimal | None, "costBasisMoney"]
    unrealized_pnl: Annotated[Decimal | None, "fifoPnlUnrealized"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    underlying_conid: Annotated[int | None, "underlyingConid"]
    expires_on: Annotated[date | None, "expiry"]
    report_date: Annotated[date | None, "reportDate"]
    opened_at: Annotated[Moment | None, "openDateTime"]
    codes: Annotated[tuple[str, ...], "code"]

    @property
    def is_lot(self) -> bool:
        """Whether it is a part of a position that another row states as a whole.

        Without a level of detail a lot is told by its opening, which no sum has.
        """
        return self.level == "LOT" or (not self.level and self.opened_at is not None)


class OptionEvent(Held, frozen=True, gc=False):
    """An exercise, assignment or expiration (OptionEAE), or the stock trade that came of one."""

    type: Annotated[str, "transactionType"]
    trade_id: Annotated[str, "tradeID"]
    multiplier: Annotated[Decimal | None, "multiplier"]
    strike: Annotated[Decimal | None, "strike"]
    quantity: Annotated[Decimal | None, "quantity"]
    price: Annotated[Decimal | None, "tradePrice"]
    proceeds: Annotated[Decimal | None, "proceeds"]
    # Flex spells it with one m; should that be mended, both are read.
    commission_and_tax: Annotated[Decimal | None, "commisionsAndTax", "commissionsAndTax"]
    cost: Annotated[Decimal | None, "costBasis"]
    realized_pnl: Annotated[Decimal | None, "realizedPnl"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    underlying_conid: Annotated[int | None, "underlyingConid"]
    expires_on: Annotated[date | None, "expiry"]
    on_date: Annotated[date | None, "date"]


class CorporateAction(Held, frozen=True, gc=False):
    """What a split, merger, tender and the like did to one instrument. ``value`` is at the market's price."""

    type: Annotated[str, "type"]
    transaction_id: Annotated[str, "transactionID"]
    action_id: Annotated[str, "actionID"]
    action_description: Annotated[str, "actionDescription"]
    multiplier: Annotated[Decimal | None, "multiplier"]
    strike: Annotated[Decimal | None, "strike"]
    quantity: Annotated[Decimal | None, "quantity"]
    amount: Annotated[Decimal | None, "amount"]
    proceeds: Annotated[Decimal | None, "proceeds"]
    value: Annotated[Decimal | None, "value"]
    cost: Annotated[Decimal | None, "cost", "costBasis"]
    realized_pnl: Annotated[Decimal | None, "fifoPnlRealized"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    underlying_conid: Annotated[int | None, "underlyingConid"]
    expires_on: Annotated[date | None, "expiry"]
    report_date: Annotated[date | None, "reportDate"]
    at: Annotated[Moment | None, "dateTime"]
    codes: Annotated[tuple[str, ...], "code"]


class Transfer(Held, frozen=True, gc=False):
    """Holdings or cash that came from or went to another account, as a whole or (TransferLot) by the lot.

    ``pnl`` is what was gained on them before, which came with them. Not every broker says ``cost``.
    """

    type: Annotated[str, "type"]
    direction: Annotated[str, "direction"]
    company: Annotated[str, "company"]
    other_account: Annotated[str, "account"]
    transaction_id: Annotated[str, "transactionID"]
    multiplier: Annotated[Decimal | None, "multiplier"]
    strike: Annotated[Decimal | None, "strike"]
    quantity: Annotated[Decimal | None, "quantity"]
    price: Annotated[Decimal | None, "transferPrice"]
    market_value: Annotated[Decimal | None, "positionAmount"]
    pnl: Annotated[Decimal | None, "pnlAmount"]
    cash: Annotated[Decimal | None, "cashTransfer"]
    cost: Annotated[Decimal | None, "costBasis", "costBasisMoney", "cost"]
    fx_rate_to_base: Annotated[Decimal | None, "fxRateToBase"]
    conid: Annotated[int | None, "conid"]
    underlying_conid: Annotated[int | None, "underlyingConid"]
    expires_on: Annotated[date | None, "expiry"]
    on_date: Annotated[date | None, "date"]
    report_date: Annotated[date | None, "reportDate"]
    settle_date: Annotated[date | None, "settleDate"]
    at: Annotated[Moment | None, "dateTime"]
    opened_at: Annotated[Moment | None, "openDateTime", "holdingPeriodDateTime"]
    codes: Annotated[tuple[str, ...], "code"]

    @property
    def is_lot(self) -> bool:
        """Whether it is a part of what another row may state as a whole."""
        return self.element == "TransferLot" or self.level == "LOT"


class ConversionRate(Row, frozen=True, gc=False):
    """What one unit of ``from_currency`` was worth in ``to_currency`` at the end of ``report_date``."""

    from_currency: Annotated[str, "fromCurrency"]
    to_currency: Annotated[str, "toCurrency"]
    rate: Annotated[Decimal | None, "rate"]
    report_date: Annotated[date | None, "reportDate"]
