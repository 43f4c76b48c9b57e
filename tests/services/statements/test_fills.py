"""Trade rows become what the ledger folds, each once, and what is no fill is kept aside with its reason."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.fills import Report, effective_fills
from core.domain.lifecycle import Anchor, fold_book
from services.statements.fills import StatementBooks, books_of, carries, opening_of, price_magnifier
from tests.services.statements.statements import trade, trades_of

AT = datetime(2023, 1, 3, 14, 30, tzinfo=UTC)
EXEC_ID = "0000e0d5.63b3a1f0.01.01"


def booked(*elements: str) -> StatementBooks:
    return books_of(trades_of(elements))


def reasons(books: StatementBooks) -> list[str]:
    return [one.reason for one in books.aside]


def test_an_execution_becomes_a_report_with_the_broker_s_own_id() -> None:
    books = booked(trade())
    assert books.aside == []
    (book,) = books.books.values()
    assert (book.account, book.conid, book.currency, book.point_value) == ("U1", 265598, "USD", 1)
    assert book.reports == [
        Report(AT, "0000e0d5.63b3a1f0.01", 1, EXEC_ID, Decimal(10), Decimal("125.5"), Decimal(1), "USD")
    ]


def test_accounts_and_instruments_have_books_of_their_own() -> None:
    books = booked(trade(), trade(accountId="U2"), trade(conid="4815747"))
    assert sorted(books.books) == [("U1", 265598), ("U1", 4815747), ("U2", 265598)]


def test_a_correction_replaces_what_it_corrects_and_its_commission_is_a_difference() -> None:
    (book,) = booked(
        trade(quantity="2"), trade(ibExecID=EXEC_ID[:-1] + "2", quantity="1", ibCommission="0.3333")
    ).books.values()
    (fill,) = effective_fills(book.reports, book.currency)
    assert (fill.quantity, fill.commission) == (1, Decimal("0.6667"))


def test_a_commission_that_is_not_stated_is_awaited() -> None:
    (book,) = booked(trade(ibCommission="")).books.values()
    (fill,) = effective_fills(book.reports, book.currency)
    assert (fill.commission, fill.complete) == (None, False)


def test_a_commission_in_another_currency_is_not_mixed_in() -> None:
    (book,) = booked(trade(ibCommissionCurrency="EUR")).books.values()
    assert book.reports[0].commission_currency == "EUR"
    (fill,) = effective_fills(book.reports, book.currency)
    assert (fill.commission, fill.complete) == (None, False)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"levelOfDetail": "ORDER"}, "not_an_execution"),
        ({"levelOfDetail": "CLOSED_LOT"}, "not_an_execution"),
        ({"assetCategory": "CASH", "conid": "12087792"}, "currency_trade"),
        ({"conid": "28812380"}, "combo"),
        ({"conid": ""}, "no_instrument"),
        ({"quantity": ""}, "no_quantity"),
        ({"tradePrice": ""}, "no_price"),
        ({"dateTime": ""}, "no_time"),
        ({"assetCategory": "FUT", "multiplier": ""}, "no_multiplier"),
    ],
)
def test_what_is_no_fill_is_kept_aside_with_its_reason(changed: dict[str, str], reason: str) -> None:
    books = booked(trade(**changed))
    assert reasons(books) == [reason]
    assert books.books == {}


def test_a_row_without_an_account_is_kept_aside() -> None:
    (row,) = trades_of([trade(accountId="")])
    assert row.statement is not None
    nobody = books_of(
        [row.__class__(**{name: getattr(row, name) for name in row.__struct_fields__} | {"statement": None})]
    )
    assert reasons(nobody) == ["no_account"]


def test_the_same_row_twice_is_one_fill() -> None:
    books = booked(trade(), trade())
    assert reasons(books) == ["repeated"]
    assert len(books.books["U1", 265598].reports) == 1


@pytest.mark.parametrize("changed", [{"quantity": "11"}, {"tradePrice": "1"}, {"currency": "UNKNOWN"}])
def test_the_same_id_with_other_content_is_disputed_and_the_first_stays(changed: dict[str, str]) -> None:
    books = booked(trade(), trade(**changed))
    assert reasons(books) == ["disputed"]
    assert books.books["U1", 265598].reports[0].quantity == 10


def test_one_trade_id_with_two_executions_is_two_fills() -> None:
    books = booked(trade(tradeID="7"), trade(tradeID="7", ibExecID="0000e0d5.63b3a1f1.01.01"))
    assert len(books.books["U1", 265598].reports) == 2


CANCELS = {
    "ibExecID": "",
    "tradeID": "",
    "origTradeID": "7",
    "transactionType": "TradeCancel",
    "buySell": "BUY (Ca.)",
    "notes": "Ca",
    "openCloseIndicator": "",
}


def test_a_trade_that_is_cancelled_counts_for_nothing_and_its_commission_comes_back() -> None:
    books = booked(trade(tradeID="7"), trade(**CANCELS, quantity="-10", ibCommission="1"))
    assert books.aside == []
    (book,) = books.books.values()
    (fill,) = effective_fills(book.reports, book.currency)
    assert (fill.quantity, fill.commission) == (0, 0)
    assert fold_book(book.account, book.conid, book.point_value, [fill]).episodes == 0


@pytest.mark.parametrize("again", [EXEC_ID, EXEC_ID[:-1] + "2"], ids=["same id", "correction"])
def test_a_trade_that_is_cancelled_and_booked_anew_counts_as_it_was_booked_last(again: str) -> None:
    """As IBKR books a correction: the trade, what takes it back, and the trade with the next id."""
    books = booked(
        trade(tradeID="7", quantity="2", ibCommission="-1.3666"),
        trade(**CANCELS, quantity="-2", ibCommission="0"),
        trade(tradeID="7", ibExecID=again, quantity="1", ibCommission="0.3333", transactionID="3"),
    )
    assert books.aside == []
    (book,) = books.books.values()
    (fill,) = effective_fills(book.reports, book.currency)
    assert (fill.quantity, fill.commission) == (1, Decimal("1.0333"))


def test_what_cancels_a_trade_of_another_statement_is_kept_aside() -> None:
    cancel = trade(**CANCELS, quantity="-10")
    assert reasons(booked(cancel, trade(tradeID="8"))) == ["cancels_what_is_not_here"]
    other = trade(tradeID="7", quantity="9")
    assert reasons(booked(other, cancel)) == ["cancels_what_is_not_here"], "a number alone names no trade"
    twice = booked(trade(tradeID="7"), cancel, trade(**CANCELS, quantity="-10", transactionID="3"))
    assert reasons(twice) == ["cancels_what_is_not_here"], "a trade is cancelled once"


def test_a_cancelled_trade_that_two_statements_tell_of_is_the_same_as_told_once() -> None:
    told = [
        trade(tradeID="7"),
        trade(**CANCELS, quantity="-10", transactionID="2"),
        trade(tradeID="7", transactionID="3"),
    ]
    for tale in (told, told[:2]):
        once, twice = booked(*tale), booked(*tale, *tale)
        assert reasons(twice) == ["repeated"] * len(tale)
        assert twice.books["U1", 265598].reports == once.books["U1", 265598].reports


BOOKED = {"ibExecID": "", "transactionType": "BookTrade", "openCloseIndicator": "C"}


def test_what_was_booked_without_an_id_gets_the_same_one_each_time() -> None:
    first, again = (booked(trade(**BOOKED)).books["U1", 265598].reports[0] for _ in range(2))
    assert first.exec_id == again.exec_id == first.base_id
    assert first.exec_id.startswith("flex-")
    narrower = booked(trade(**BOOKED, transactionID="", tradeID="")).books["U1", 265598].reports[0]
    assert narrower.exec_id == first.exec_id, "whatever columns a query has"
    respelled = booked(trade(**BOOKED, quantity="10.00", dateTime="2023-01-03 09:30:00"))
    assert respelled.books["U1", 265598].reports[0].exec_id == first.exec_id, "however it is spelled"
    other = booked(trade(**BOOKED, quantity="11")).books["U1", 265598].reports[0]
    assert other.exec_id != first.exec_id


def test_twins_booked_without_ids_are_two_trades_unless_they_are_one_transaction() -> None:
    twins = booked(trade(**BOOKED, transactionID="1"), trade(**BOOKED, transactionID="2"))
    assert twins.aside == []
    assert len({report.exec_id for report in twins.books["U1", 265598].reports}) == 2
    repeated = booked(*[trade(**BOOKED, transactionID=number) for number in ("1", "2", "1", "2")])
    assert reasons(repeated) == ["repeated", "repeated"]


def test_options_that_are_assigned_carry_their_cost_and_realize_nothing() -> None:
    assigned = trade(
        **BOOKED, assetCategory="OPT", multiplier="100", quantity="3", tradePrice="0", notes="A", cost="1500"
    )
    books = booked(assigned)
    (carried,) = books.books["U1", 265598].carried
    assert books.books["U1", 265598].reports == []
    assert (carried.at, carried.quantity, carried.cost) == (AT, 3, 1500)


@pytest.mark.parametrize(
    "changed",
    [
        {"notes": "Ep", "tradePrice": "0", "fifoPnlRealized": "150"},
        {"notes": "GEA", "tradePrice": "0", "fifoPnlRealized": "150"},
        {"notes": "Ex", "tradePrice": "4.2", "fifoPnlRealized": "320"},
        {"notes": "A", "tradePrice": "50", "assetCategory": "STK"},
    ],
)
def test_expiries_cash_settlements_and_the_stock_that_comes_of_an_assignment_are_fills(
    changed: dict[str, str],
) -> None:
    option = {"assetCategory": "OPT", "multiplier": "100"} | BOOKED
    (row,) = trades_of([trade(**(option | changed))])
    assert not carries(row)
    assert len(books_of([row]).books["U1", 265598].reports) == 1


def test_an_option_that_expires_realizes_its_premium() -> None:
    option = {"assetCategory": "OPT", "multiplier": "100"}
    (book,) = booked(
        trade(**option, quantity="-1", tradePrice="1.5", openCloseIndicator="O"),
        trade(
            **option | BOOKED,
            quantity="1",
            tradePrice="0",
            ibCommission="0",
            notes="Ep",
            dateTime="20230120;162000",
        ),
    ).books.values()
    ledger = fold_book(
        book.account, book.conid, book.point_value, effective_fills(book.reports, book.currency)
    )
    assert ledger.quantity == 0
    assert ledger.touched[0].realized == 149


def test_the_cost_of_a_closing_row_says_what_was_held() -> None:
    sold, bought, opened, flipped = trades_of(
        [
            trade(quantity="-10", cost="-1256", openCloseIndicator="C"),
            trade(quantity="10", cost="1244", openCloseIndicator="C"),
            trade(cost="1256"),
            trade(cost="1256", openCloseIndicator="C;O"),
        ]
    )
    before = AT - timedelta(seconds=1)
    assert opening_of(sold, before) == Anchor(before, Decimal(10), Decimal("125.6"))
    assert opening_of(bought, before) == Anchor(before, Decimal(-10), Decimal("124.4"))
    assert opening_of(opened, before) is None
    assert opening_of(flipped, before) is None


@pytest.mark.parametrize(
    ("multiplier", "price", "money", "magnifier"),
    [
        ("1", "125.5", "1255", 1),
        ("5000", "612.25", "306125", 100),
        ("1", "99.875", "9.9875", 100),
        ("50", "4000", "2000000", 1),
        ("1", "125.5", "", 1),
        ("1", "0", "0", 1),
    ],
)
def test_prices_in_cents_or_percent_are_told_by_the_money(
    multiplier: str, price: str, money: str, magnifier: int
) -> None:
    (row,) = trades_of([trade(multiplier=multiplier, tradePrice=price, tradeMoney=money)])
    assert price_magnifier(row) == magnifier


@given(st.permutations(range(6)))
def test_the_order_of_rows_with_ids_changes_no_fill(order: list[int]) -> None:
    rows = trades_of(
        [
            trade(
                ibExecID=f"a.{number}.01", dateTime=f"20230103;09300{number}", quantity=str(number - 3 or 1)
            )
            for number in range(6)
        ]
    )
    (book,) = books_of(rows[number] for number in order).books.values()
    (straight,) = books_of(rows).books.values()
    assert effective_fills(book.reports, "USD") == effective_fills(straight.reports, "USD")
