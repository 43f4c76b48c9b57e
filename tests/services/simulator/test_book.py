from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.book import Book
from services.simulator.executions import Execution, Order
from services.simulator.figures import account_pnl, account_values, net_liquidation, summary_rows
from services.simulator.scenario import load_scenario, new_book

D = Decimal
NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
AAPL, ES, CORN, EURUSD, BARC = 265598, 700200001, 700200005, 12087792, 29651624
ONE = "DU1000001"
CONIDS = (AAPL, ES, CORN, EURUSD, BARC)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(CONIDS),
        st.sampled_from(["BOT", "SLD"]),
        st.integers(1, 40),
        st.integers(900, 1100),
        st.booleans(),
    ),
    max_size=25,
)


def book() -> Book:
    return new_book(load_scenario("default"), NOW, tag=1)


def fill(of: Book, conid: int, side: Any, quantity: Decimal, price: Decimal, **options: Any) -> Execution:
    order = Order(0, of.next_perm_id(), 0, quantity)
    return of.fill(ONE, conid, side, quantity, price, options.pop("at", NOW), order=order, **options)


def state(of: Book) -> tuple[Any, ...]:
    cash = {
        name: {c: a.normalize() for c, a in account.cash.items()} for name, account in of.accounts.items()
    }
    realized = {key: amount.normalize() for key, amount in of.realized_today.items() if amount}
    return of.positions, cash, realized


def test_the_default_book_is_three_accounts_and_forty_positions_of_four_kinds_in_three_currencies() -> None:
    of = book()
    held = [of.instruments[conid] for _, conid in of.positions]
    assert len(of.accounts) == 3
    assert len(held) >= 40
    assert {one.sec_type for one in held} == {"STK", "OPT", "FUT", "CASH"}
    assert {one.currency for one in held} == {"USD", "EUR", "GBP"}
    assert any(one.price_magnifier > 1 for one in held)
    assert any(position.quantity % 1 for position in of.positions.values())
    assert any(position.quantity < 0 for position in of.positions.values())
    assert set(of.marks) == set(of.instruments)


def test_a_price_magnifier_divides_what_a_cent_quoted_contract_is_worth() -> None:
    of = book()
    before = of.accounts[ONE].cash["USD"]
    fill(of, CORN, "SLD", D(6), D("451.25"))
    # Six contracts of 5000 bushels gained ten cents each; the commission is 2.37 a contract.
    assert of.accounts[ONE].cash["USD"] == before + 6 * 5000 * D("0.10") - 6 * D("2.37")


def test_currency_pairs_move_both_currencies_and_realize_nothing() -> None:
    of = book()
    euros, dollars = of.accounts[ONE].cash["EUR"], of.accounts[ONE].cash["USD"]
    sold = fill(of, EURUSD, "SLD", D(10000), D("1.05"))
    assert of.accounts[ONE].cash["EUR"] == euros - 10000
    assert of.accounts[ONE].cash["USD"] == dollars + 10500 - sold.commission
    assert sold.realized == 0


@given(STEPS)
def test_positions_are_the_sum_of_the_fills_and_cash_is_conserved(
    steps: list[tuple[int, Any, int, int, bool]],
) -> None:
    of = book()
    opening, cash = of.positions, dict(of.accounts[ONE].cash)
    for conid, side, lots, permille, correct in steps:
        instrument = of.instruments[conid]
        price = instrument.on_tick(of.marks[conid] * permille / 1000)
        done = fill(of, conid, side, lots * instrument.lot_size, price)
        if correct:
            of.correct(done.exec_id, (lots + 1) * instrument.lot_size, price, NOW)
    in_force = [one for one in of.executions.values() if one.corrected_by is None]
    for conid in CONIDS:
        mine = [one for one in in_force if one.conid == conid]
        start = opening[ONE, conid].quantity if (ONE, conid) in opening else D(0)
        assert of.position((ONE, conid)).quantity == start + sum((one.signed_quantity for one in mine), D(0))
    for currency in ("USD", "EUR", "GBP"):
        moved = -sum(
            (one.commission for one in of.executions.values() if one.commission_currency == currency), D(0)
        )
        for one in in_force:
            instrument = of.instruments[one.conid]
            value = one.signed_quantity * one.price * instrument.point_value
            if instrument.sec_type == "CASH" and instrument.symbol == currency:
                moved += one.signed_quantity
            if instrument.sec_type != "FUT" and instrument.currency == currency:
                moved -= value
        gains = of.accounts[ONE].cash[currency] - cash[currency] - moved
        futures = {ES, CORN} if currency == "USD" else set()
        expected = sum((future_gain(of, conid, in_force) for conid in futures), D(0))
        assert abs(gains - expected) < D("1e-9")


def future_gain(of: Book, conid: int, in_force: list[Execution]) -> Decimal:
    """What a future has paid so far: all that came in and went out, less what the open lots stand for."""
    point = of.instruments[conid].point_value
    flow = -sum((one.signed_quantity * one.price * point for one in in_force if one.conid == conid), D(0))
    for lot in of.opening_lots():
        if (lot.account, lot.conid) == (ONE, conid):
            flow -= lot.gross if lot.quantity > 0 else -lot.gross
    holding = of.holding((ONE, conid))
    return flow + (holding.gross if holding.quantity > 0 else -holding.gross)


def test_a_correction_gives_the_book_that_the_right_fill_would_have_given() -> None:
    wrong, right = book(), book()
    first = fill(wrong, AAPL, "SLD", D(350), D(230))
    fill(wrong, AAPL, "BOT", D(100), D(229))
    corrected = wrong.correct(first.exec_id, D(250), D(231), NOW)
    fill(right, AAPL, "SLD", D(250), D(231))
    fill(right, AAPL, "BOT", D(100), D(229))
    assert state(wrong) == state(right)
    assert corrected.exec_id == first.exec_id[:-1] + "2"
    assert (
        first.commission + corrected.commission == right.executions[next(iter(right.executions))].commission
    )


def test_a_fill_can_be_corrected_again_but_only_in_its_newest_version() -> None:
    of = book()
    first = fill(of, AAPL, "BOT", D(10), D(230))
    second = of.correct(first.exec_id, D(11), D(230), NOW)
    with pytest.raises(KeyError):
        of.correct(first.exec_id, D(12), D(230), NOW)
    of.correct(second.exec_id, D(12), D(230), NOW)
    assert of.position((ONE, AAPL)).quantity == 312


def test_a_new_day_starts_its_figures_at_zero_and_keeps_positions_and_yesterdays_fills() -> None:
    of = book()
    old = fill(of, AAPL, "SLD", D(10), D(230), at=NOW - timedelta(days=3))
    new = fill(of, AAPL, "SLD", D(10), D(231))
    held = of.positions
    of.roll_day(date(2026, 3, 11))
    assert of.positions == held
    assert old.exec_id not in of.executions
    assert new.exec_id in of.executions
    assert of.daily((ONE, AAPL)) == 0
    # What was folded away still counts when a later fill is corrected.
    of.correct(new.exec_id, D(20), D(231), NOW)
    assert of.position((ONE, AAPL)).quantity == 270


def test_a_copy_does_not_see_what_is_filled_later() -> None:
    of = book()
    opened = fill(of, AAPL, "SLD", D(400), D(230))
    closed = fill(of, AAPL, "BOT", D(100), D(220))
    twin = of.copy()
    before, realized = state(twin), closed.realized
    of.correct(opened.exec_id, D(400), D(240), NOW)
    assert state(twin) == before
    assert state(of) != before
    assert (twin.executions[closed.exec_id].realized, closed.realized) == (realized, realized + 1000)


def test_net_liquidation_is_cash_and_holdings_and_changes_only_by_commissions_when_filled_at_the_mark() -> (
    None
):
    of = book()
    before = net_liquidation(of, ONE)
    bought = fill(of, AAPL, "BOT", D(100), of.marks[AAPL])
    future = fill(of, ES, "SLD", D(3), of.marks[ES])
    after = net_liquidation(of, ONE)
    assert abs(before - after - bought.commission - future.commission) < D("1e-9")


def test_account_values_carry_ibkrs_tags_for_the_account_each_currency_and_base() -> None:
    rows = {(row.tag, row.currency): row.value for row in account_values(book(), ONE)}
    for tag in ("NetLiquidation", "TotalCashValue", "GrossPositionValue", "BuyingPower", "SettledCash"):
        assert (tag, "USD") in rows
    for currency in ("USD", "EUR", "GBP", "BASE"):
        for tag in ("CashBalance", "ExchangeRate", "UnrealizedPnL", "RealizedPnL"):
            assert (tag, currency) in rows
    assert rows["ExchangeRate", "EUR"] == "1.0418000"
    assert rows["CashBalance", "EUR"] == "41870.20"
    assert rows["TotalCashValue", "USD"] == rows["CashBalance", "BASE"]


def test_a_summary_has_the_tags_asked_for_and_the_ledgers_asked_for() -> None:
    values = account_values(book(), ONE)
    assert [row.tag for row in summary_rows(values, "NetLiquidation")] == ["NetLiquidation"]
    assert {row.currency for row in summary_rows(values, "$LEDGER:ALL")} == {"USD", "EUR", "GBP", "BASE"}
    assert {row.currency for row in summary_rows(values, "$LEDGER")} == {"BASE"}
    assert {row.currency for row in summary_rows(values, "$LEDGER:EUR")} == {"EUR"}


def test_the_accounts_profit_is_the_sum_of_its_positions_in_base_currency() -> None:
    of = book()
    fill(of, BARC, "SLD", D(1000), D("2.60"))
    total = account_pnl(of, ONE)
    mine = [key for key in of.held if key[0] == ONE and of.instruments[key[1]].sec_type != "CASH"]
    rate = {conid: of.exchange_rate(of.instruments[conid].currency, "USD") for _, conid in mine}
    assert abs(total.unrealized - sum(of.unrealized(key) * rate[key[1]] for key in mine)) < D("1e-6")
    assert abs(total.daily - sum(of.daily(key) * rate[key[1]] for key in mine)) < D("1e-6")
