"""Accounts, their value day by day and what changed it, and the broker's own figures of P&L."""

from datetime import date
from decimal import Decimal

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
from services.statements.rows_reference import AccountInformation
from tests.services.statements.statements import DATA, element, in_statement, only, rows_of

IBFLEX = rows_of(DATA / "flex-ibflex" / "test_types_elements.xml")


def test_an_account_is_read() -> None:
    (account,) = only(AccountInformation, IBFLEX)
    assert (account.account, account.currency, account.alias) == ("U123456", "USD", "ibflex test")
    assert (account.account_type, account.entity) == ("Advisor Client", "IBLLC-US")
    assert (account.opened_on, account.funded_on) == (date(2009, 6, 25), date(2009, 7, 13))
    assert account.closed_on is None


def test_a_day_s_value_is_read_with_its_parts() -> None:
    (day,) = only(EquitySummary, IBFLEX)
    assert (day.report_date, day.total) == (date(2011, 12, 30), Decimal("40.1509097"))
    assert (day.cash, day.stock) == (Decimal("51.730909701"), Decimal("39.68"))
    assert (day.interest_accruals, day.dividend_accruals) == (Decimal("-1111.05"), Decimal("3299.79"))
    assert (day.total_long, day.total_short, day.crypto) == (Decimal("44.2009097"), Decimal("-46.05"), None)


def test_what_changed_the_value_is_read() -> None:
    (change,) = only(ChangeInNav, IBFLEX)
    assert (change.account, change.from_date) == ("myaccount", date(2021, 2, 24))
    assert (change.starting, change.ending) == (Decimal("234.567"), Decimal("1234.56"))
    assert (change.mtm, change.commissions, change.twr) == (
        Decimal("11.11"),
        Decimal("-7.5951887"),
        Decimal("0.30531605"),
    )


def test_balances_in_foreign_currencies_are_read() -> None:
    (lot,) = only(FxPosition, IBFLEX)
    assert (lot.is_lot, lot.fx_currency, lot.functional_currency) == (True, "CAD", "USD")
    assert (lot.quantity, lot.cost, lot.unrealized_pnl) == (
        Decimal("0.000012"),
        Decimal("-0.000012"),
        Decimal("-0.000001"),
    )
    (change,) = only(FxTransaction, IBFLEX)
    assert (change.quantity, change.cost, change.realized_pnl) == (
        Decimal("55.94"),
        Decimal("-75.904986"),
        0,
    )
    assert change.codes == ("O",)
    (summed,) = only(FxPosition, rows_of(in_statement(element("FxPosition", fxCurrency="CAD", quantity="5"))))
    assert not summed.is_lot


def test_the_broker_s_figures_of_profit_are_read() -> None:
    rows = rows_of(
        in_statement(
            element(
                "FIFOPerformanceSummaryUnderlying",
                conid="265598",
                realizedSTProfit="10",
                realizedLTLoss="-2",
                totalRealizedPnl="8",
                totalUnrealizedPnl="1.5",
                totalFifoPnl="9.5",
                costAdj="0",
            ),
            element(
                "MTMPerformanceSummaryUnderlying",
                conid="265598",
                prevCloseQuantity="10",
                closeQuantity="0",
                transactionMtm="3",
                priorOpenMtm="-1",
                commissions="-1",
                total="1",
            ),
            element("PriorPeriodPosition", conid="1", date="20230103", price="1.5", priorMtmPnl="-3"),
            element("NetStockPosition", conid="1", sharesAtIb="10", sharesLent="-4", netShares="6"),
            element("StockGrantActivity", conid="1", quantity="3", awardDate="20230102", value="450"),
        )
    )
    (fifo,) = only(FifoPerformance, rows)
    assert (fifo.conid, fifo.realized_pnl, fifo.unrealized_pnl) == (265598, 8, Decimal("1.5"))
    assert (fifo.realized_short_profit, fifo.realized_long_loss, fifo.total_pnl) == (10, -2, Decimal("9.5"))
    (mtm,) = only(MtmPerformance, rows)
    assert (mtm.previous_quantity, mtm.quantity, mtm.total) == (10, 0, 1)
    (prior,) = only(PriorPeriodPosition, rows)
    assert (prior.on_date, prior.mtm_pnl) == (date(2023, 1, 3), -3)
    (net,) = only(NetStockPosition, rows)
    assert (net.at_broker, net.lent, net.quantity) == (10, -4, 6)
    (grant,) = only(StockGrant, rows)
    assert (grant.quantity, grant.awarded_on, grant.value) == (3, date(2023, 1, 2), 450)
