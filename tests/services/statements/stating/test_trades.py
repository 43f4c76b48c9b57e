"""Trades: each execution once, and what is no fill of a position is ignored with its reason."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.instruments import Instrument
from core.domain.stated import StatedCashFlow, StatedEvent, StatedTrade
from services.statements.stating.holdings import magnifier_told
from tests.services.statements.statements import all_of, element, reasons, stated, trade

AT = datetime(2023, 1, 3, 14, 30, tzinfo=UTC)
EXEC_ID = "0000e0d5.63b3a1f0.01.01"


def fills(*elements: str) -> list[StatedTrade]:
    return all_of(StatedTrade, stated(*elements))


def test_an_execution_is_a_fill_with_the_broker_s_own_id() -> None:
    (fill,) = fills(
        trade(tradeID="7", ibOrderID="9", orderReference="mine", exchange="NYSE", notes="P;O", cost="1256")
    )
    assert fill == StatedTrade(
        line=1,
        section="Trade",
        account="U1",
        instrument=Instrument(
            conid=265598, symbol="AAPL", sec_type="STK", currency="USD", local_symbol="AAPL"
        ),
        exec_id=EXEC_ID,
        executed_at=AT,
        zone_assumed=True,
        timed=True,
        quantity=Decimal(10),
        price=Decimal("125.5"),
        commission=Decimal(1),
        commission_currency="USD",
        realized_pnl=Decimal(0),
        cost=Decimal(1256),
        opens=True,
        trade_id="7",
        transaction_id="1",
        transaction_type="ExchTrade",
        order_id="9",
        order_ref="mine",
        exchange="NYSE",
        codes=("P", "O"),
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"levelOfDetail": "ORDER"}, "not_an_execution"),
        ({"levelOfDetail": "CLOSED_LOT", "dateTime": ""}, "not_an_execution"),
        ({"levelOfDetail": "SYMBOL_SUMMARY"}, "not_an_execution"),
        ({"levelOfDetail": "ASSET_SUMMARY"}, "not_an_execution"),
        ({"levelOfDetail": "WASH_SALE"}, "not_an_execution"),
        ({"accountId": "U1,U2"}, "no_account"),
        ({"assetCategory": "CASH", "conid": "12087792", "symbol": "EUR.USD"}, "currency_trade"),
        ({"conid": "28812380"}, "combo"),
        ({"assetCategory": "BAG"}, "combo"),
        ({"conid": ""}, "no_instrument"),
        ({"assetCategory": ""}, "no_instrument"),
        ({"quantity": ""}, "no_quantity"),
        ({"quantity": "0"}, "no_quantity"),
        ({"tradePrice": ""}, "no_price"),
        ({"dateTime": ""}, "no_time"),
        ({"assetCategory": "FUT", "multiplier": ""}, "no_multiplier"),
    ],
)
def test_what_is_no_fill_is_ignored_with_its_reason(changed: dict[str, str], reason: str) -> None:
    records = stated(trade(**changed))
    assert reasons(records) == [reason]
    assert all_of(StatedTrade, records) == []


def test_shares_need_no_multiplier() -> None:
    (fill,) = fills(trade(multiplier=""))
    assert fill.instrument.multiplier == 1


def test_an_order_and_its_sums_are_ignored_beside_their_executions() -> None:
    records = stated(
        trade(),
        element("Order", accountId="U1", levelOfDetail="ORDER", quantity="10"),
        element("Lot", accountId="U1", levelOfDetail="CLOSED_LOT", quantity="10"),
    )
    assert len(all_of(StatedTrade, records)) == 1
    assert reasons(records) == ["not_an_execution"] * 2


@pytest.mark.parametrize(
    ("changed", "commission"),
    [
        ({"ibCommission": "-1", "taxes": "-0.5"}, Decimal("1.5")),
        ({"ibCommission": "0.25", "taxes": "0"}, Decimal("-0.25")),
        ({"ibCommission": "-1"}, Decimal(1)),
        ({"ibCommission": "-1", "ibCommissionCurrency": "", "taxes": "-0.5"}, Decimal("1.5")),
    ],
)
def test_a_cost_is_positive_and_has_the_taxes_in_it(
    changed: dict[str, str], commission: Decimal | None
) -> None:
    records = stated(trade(**changed))
    assert [fill.commission for fill in all_of(StatedTrade, records)] == [commission]
    assert all_of(StatedCashFlow, records) == []


def test_taxes_of_a_trade_without_a_commission_are_a_flow_of_their_own() -> None:
    records = stated(trade(ibCommission="", taxes="-0.5"))
    (fill,) = all_of(StatedTrade, records)
    assert fill.commission is None
    (tax,) = all_of(StatedCashFlow, records)
    assert (tax.kind, tax.amount, tax.currency, tax.conid) == ("tax", Decimal("-0.5"), "USD", 265598)


def test_taxes_in_another_currency_than_the_commission_are_a_flow_of_their_own() -> None:
    records = stated(trade(ibCommission="-1", ibCommissionCurrency="EUR", taxes="-0.5"))
    (fill,) = all_of(StatedTrade, records)
    assert (fill.commission, fill.commission_currency) == (1, "EUR")
    (tax,) = all_of(StatedCashFlow, records)
    assert (tax.kind, tax.amount, tax.currency, tax.conid) == ("tax", Decimal("-0.5"), "USD", 265598)


def test_what_the_broker_has_not_computed_is_unknown() -> None:
    (fill,) = fills(trade(fifoPnlRealized="0", openCloseIndicator="-"))
    assert fill.realized_pnl is None
    (fill,) = fills(trade(fifoPnlRealized="0", openCloseIndicator="C"))
    assert (fill.realized_pnl, fill.closes, fill.opens) == (0, True, False)
    (fill,) = fills(trade(fifoPnlRealized="-3", openCloseIndicator="C;O"))
    assert (fill.realized_pnl, fill.closes, fill.opens) == (-3, False, False)


def test_what_cancels_a_trade_names_it_by_its_number() -> None:
    cancels = {"ibExecID": "", "transactionType": "TradeCancel", "buySell": "BUY (Ca.)", "notes": "Ca"}
    (fill,) = fills(trade(**cancels, quantity="-10", tradeID="8", origTradeID="7"))
    assert (fill.cancels, fill.exec_id, fill.trade_id, fill.quantity) == (True, "", "7", -10)
    (fill,) = fills(trade(**cancels, quantity="-10", tradeID="8", origTradeID="--"))
    assert fill.trade_id == "8"


def test_what_says_nothing_is_empty() -> None:
    (fill,) = fills(trade(exchange="--", orderReference="--", tradeID="--", ibOrderID="--", ibExecID="--"))
    assert (fill.exchange, fill.order_ref, fill.trade_id, fill.order_id, fill.exec_id) == ("",) * 5


def test_a_trade_received_from_another_broker_came_with_its_cost() -> None:
    received = {
        "accountId": "U1",
        "currency": "USD",
        "assetCategory": "STK",
        "symbol": "ADGI",
        "conid": "764451",
        "tradeDate": "20110819",
        "tradeTime": "202000",
        "transactionType": "DvpTrade",
        "quantity": "10000",
        "tradePrice": "3.1",
        "openCloseIndicator": "O",
        "cost": "31011",
        "fifoPnlRealized": "0",
        "levelOfDetail": "TRADE_TRANSFERS",
    }
    records = stated(element("TradeTransfer", **received, deliveredReceived="Received"))
    (event,) = all_of(StatedEvent, records)
    assert (event.cause, event.quantity, event.cost, event.carried) == ("transfer", 10000, 31011, False)
    assert event.realized_pnl is None
    delivered = stated(element("TradeTransfer", **received, deliveredReceived="Delivered"))
    assert reasons(delivered) == ["not_an_execution"]


@pytest.mark.parametrize(
    ("multiplier", "price", "money", "magnifier"),
    [
        ("1", "125.5", "1255", 1),
        ("5000", "612.25", "306125", 100),
        ("1", "99.875", "9.9875", 100),
        ("50", "4000", "2000000", 1),
        ("1", "125.5", "", None),
        ("1", "0", "0", None),
    ],
)
def test_prices_in_cents_or_percent_are_told_by_the_money(
    multiplier: str, price: str, money: str, magnifier: int | None
) -> None:
    amount = Decimal(money) if money else None
    assert magnifier_told(Decimal(10), Decimal(price), Decimal(multiplier), amount) == magnifier


def test_an_instrument_keeps_the_magnifier_that_one_of_its_trades_told() -> None:
    bond = {"assetCategory": "BOND", "conid": "7", "symbol": "T 4 1/2"}
    grain = {"assetCategory": "FUT", "conid": "8", "symbol": "ZCH3", "multiplier": "5000", "quantity": "1"}
    told = fills(
        trade(**bond, quantity="10000", tradePrice="99.875", tradeMoney="9987.5"),
        trade(**bond, quantity="-10000", tradePrice="99.875", ibExecID="b.01"),
        trade(**grain, tradePrice="612.25", tradeMoney="30612.5", ibExecID="c.01"),
        trade(**grain, tradePrice="0", ibExecID="d.01"),
        trade(ibExecID="e.01"),
    )
    assert [fill.instrument.price_magnifier for fill in told] == [100, 100, 100, 100, 1]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.integers(-100, 100).filter(bool),
            st.decimals(min_value=0, max_value=1000, places=4),
        ),
        max_size=12,
    )
)
def test_executions_are_told_as_they_stand_in_the_file(rows: list[tuple[int, int, Decimal]]) -> None:
    told = fills(
        *[
            trade(conid=str(conid), quantity=str(quantity), tradePrice=str(price), ibExecID=f"a{number}.01")
            for number, (conid, quantity, price) in enumerate(rows)
        ]
    )
    assert [(one.instrument.conid, one.quantity, one.price) for one in told] == rows
    assert [one.exec_id for one in told] == [f"a{number}.01" for number in range(len(rows))]
