"""Exercises, assignments and expirations: each is told once, and leads to the broker's figure."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.anchors import Anchor
from core.domain.lifecycle import fold_book
from core.domain.stated import Stated, StatedEvent, StatedTrade
from tests.services.statements.statements import all_of, element, reasons, stated, trade

AT = datetime(2023, 1, 20, 21, 20, tzinfo=UTC)
BOOKED = {
    "ibExecID": "",
    "transactionType": "BookTrade",
    "dateTime": "20230120;162000",
    "tradePrice": "0",
    "ibCommission": "0",
    "openCloseIndicator": "C",
}
OPTION = {
    "assetCategory": "OPT",
    "conid": "11",
    "symbol": "AAPL  230120P00050000",
    "underlyingSymbol": "AAPL",
    "underlyingConid": "265598",
    "multiplier": "100",
    "strike": "50",
    "putCall": "P",
    "expiry": "20230120",
}


def events(*elements: str) -> list[StatedEvent]:
    return all_of(StatedEvent, stated(*elements))


def event_of(**changed: str) -> StatedEvent:
    (event,) = events(trade(**(BOOKED | changed)))
    return event


def told_apart(**changed: str) -> str:
    """A row of the section of exercises, assignments and expirations."""
    said = {
        "accountId": "U1",
        "currency": "USD",
        "date": "20230120",
        "transactionType": "Assignment",
        "quantity": "2",
        "tradePrice": "0.0000",
        "proceeds": "0.00",
        "costBasis": "398.00",
        "realizedPnl": "0.00",
        "tradeID": "",
    }
    return element("OptionEAE", **(OPTION | said | changed))


@pytest.mark.parametrize("code", ["A", "Ex", "AEx", "MEx", "GEA", "A;P"])
def test_an_option_that_is_exercised_or_assigned_leaves_with_its_cost(code: str) -> None:
    event = event_of(**OPTION, quantity="2", notes=code, cost="398", fifoPnlRealized="0")
    assert (event.cause, event.carried, event.quantity) == ("exercise_or_assignment", True, 2)
    assert (event.cost, event.price, event.realized_pnl) == (398, None, None)
    assert (event.at, event.kind, event.event_id) == (AT, code, "1")


def test_an_option_that_expires_realizes_what_the_broker_says() -> None:
    event = event_of(**OPTION, quantity="2", notes="Ep", cost="398", fifoPnlRealized="398")
    assert (event.cause, event.carried, event.price) == ("expiry", False, 0)
    assert (event.realized_pnl, event.cost) == (398, None)


def test_shares_never_leave_with_their_cost() -> None:
    event = event_of(quantity="-100", notes="A", tradePrice="", cost="", fifoPnlRealized="0")
    assert (event.carried, event.price) == (False, None)


@pytest.mark.parametrize(
    "said", [{"fifoPnlRealized": "", "cost": ""}, {"fifoPnlRealized": "0", "openCloseIndicator": "-"}]
)
def test_an_option_that_expires_is_worth_nothing_where_no_figure_says_more(said: dict[str, str]) -> None:
    event = event_of(**(OPTION | {"quantity": "2", "notes": "Ep", "tradePrice": "", "cost": "398"} | said))
    assert (event.cause, event.price, event.realized_pnl, event.cost) == ("expiry", 0, None, None)


def test_an_expiration_among_exercises_is_told_by_what_was_realized() -> None:
    event = event_of(**OPTION, quantity="2", notes="GEA", cost="398", fifoPnlRealized="398")
    assert (event.cause, event.carried, event.price) == ("expiry", False, 0)


def test_an_option_that_settles_in_cash_is_sold_for_it() -> None:
    event = event_of(
        **OPTION | {"tradePrice": "4.2"}, quantity="-1", notes="Ex", cost="-100", fifoPnlRealized="320"
    )
    assert (event.cause, event.carried, event.price) == (
        "exercise_or_assignment",
        False,
        Decimal("4.2"),
    )
    assert event.realized_pnl == 320


def test_a_future_that_expires_settles_at_its_last_price() -> None:
    future = {"assetCategory": "FUT", "conid": "12", "symbol": "ESH3", "multiplier": "50"}
    event = event_of(**future, quantity="-1", notes="Ep", tradePrice="4000", fifoPnlRealized="", cost="")
    assert (event.cause, event.price) == ("expiry", 4000)
    event = event_of(
        **future,
        quantity="-1",
        notes="Ep",
        tradePrice="4000",
        ibCommission="-2",
        fifoPnlRealized="4996",
        cost="-195002",
    )
    assert event.price == Decimal("3999.96"), "the broker's figure has the commission in it"


def test_shares_that_an_assigned_put_brought_cost_the_strike_less_the_premium() -> None:
    """200 at 50, for which 398 of premium had been received."""
    event = event_of(
        quantity="200", notes="A", tradePrice="50", openCloseIndicator="O", cost="9602", fifoPnlRealized="0"
    )
    assert (event.cause, event.carried, event.quantity, event.cost) == (
        "exercise_or_assignment",
        False,
        200,
        9602,
    )
    assert (event.price, event.realized_pnl) == (Decimal("48.01"), None)


def test_shares_that_an_assigned_call_took_were_sold_for_the_strike_and_the_premium() -> None:
    """100 that had cost 4000 are called away at 50; 150 of premium had been received."""
    event = event_of(quantity="-100", notes="A", tradePrice="50", cost="-4000", fifoPnlRealized="1150")
    assert (event.price, event.realized_pnl, event.cost) == (Decimal("51.5"), 1150, None)


def test_without_the_broker_s_figure_it_is_the_strike() -> None:
    event = event_of(quantity="-100", notes="A", tradePrice="50", cost="", fifoPnlRealized="")
    assert (event.price, event.realized_pnl) == (50, None)
    event = event_of(
        quantity="-300",
        notes="A",
        tradePrice="50",
        openCloseIndicator="C;O",
        cost="-4000",
        fifoPnlRealized="1150",
    )
    assert (event.price, event.realized_pnl, event.cost) == (50, 1150, None), "a flip's cost is of a part"


cents = st.integers(1, 10_000_000).map(lambda number: Decimal(number) / 100)


@given(
    held=st.integers(-500, 500).filter(bool), cost=cents, strike=cents, premium=st.integers(-100_000, 100_000)
)
def test_whatever_the_premium_the_ledger_realizes_what_the_broker_does(
    held: int, cost: Decimal, strike: Decimal, premium: int
) -> None:
    paid = cost if held > 0 else -cost
    realized = strike * held + Decimal(premium) / 100 - paid
    event = event_of(
        quantity=str(-held),
        notes="A",
        tradePrice=str(strike),
        cost=str(-paid),
        fifoPnlRealized=str(realized),
    )
    opened = Anchor(AT - timedelta(days=1), Decimal(held), paid / held)
    left = Anchor(AT, Decimal(0), None, cause="exercise_or_assignment", price=event.price)
    ledger = fold_book("U1", 265598, event.instrument.point_value, [], [opened, left])
    assert ledger.touched[0].realized is not None
    assert abs(ledger.touched[0].realized - realized) < Decimal("1E-6")


def test_an_option_and_its_shares_belong_together() -> None:
    option, shares, other = events(
        trade(**BOOKED | OPTION, quantity="2", notes="A"),
        trade(**BOOKED | {"tradePrice": "50"}, quantity="200", notes="A"),
        trade(**BOOKED | {"tradePrice": "50"}, quantity="200", notes="A", conid="5"),
    )
    assert option.group == shares.group != ""
    assert other.group != option.group


@pytest.mark.parametrize(
    "changed",
    [
        {"ibExecID": "a.01"},
        {"transactionType": "ExchTrade"},
        {"transactionType": "FracShare"},
        {"notes": "P"},
    ],
)
def test_what_has_an_id_or_no_such_code_is_a_fill(changed: dict[str, str]) -> None:
    records = stated(trade(**(BOOKED | {"notes": "A", "tradePrice": "50"} | changed)))
    assert all_of(StatedEvent, records) == []
    assert len(all_of(StatedTrade, records)) == 1


def test_what_takes_an_assignment_back_puts_it_back_with_its_cost() -> None:
    taken, back = events(
        trade(**BOOKED | OPTION, quantity="2", notes="A", cost="398"),
        trade(
            **BOOKED | OPTION | {"transactionType": "TradeCancel"}, quantity="-2", notes="A;Ca", cost="-398"
        ),
    )
    assert (taken.quantity, taken.cost, taken.carried) == (2, 398, True)
    assert (back.quantity, back.cost, back.carried) == (-2, -398, True)


def test_an_assignment_that_the_section_alone_tells_of() -> None:
    (event,) = events(told_apart())
    assert (event.cause, event.carried, event.quantity, event.cost) == (
        "exercise_or_assignment",
        True,
        2,
        398,
    )
    assert (event.at, event.price, event.kind) == (AT, None, "Assignment")


@pytest.mark.parametrize(
    ("changed", "cause", "price", "cost", "realized"),
    [
        ({"transactionType": "Expiration", "realizedPnl": "398"}, "expiry", "0", None, "398"),
        (
            {"transactionType": "Exercise", "tradePrice": "4.2", "costBasis": "-100", "realizedPnl": "320"}
            | {"quantity": "-1"},
            "exercise_or_assignment",
            "4.2",
            None,
            "320",
        ),
        (
            {"assetCategory": "STK", "putCall": "", "transactionType": "Buy", "quantity": "200"}
            | {"tradePrice": "50", "costBasis": "9,602.00", "multiplier": "1"},
            "exercise_or_assignment",
            "48.01",
            "9602",
            None,
        ),
        (
            {"assetCategory": "STK", "putCall": "", "transactionType": "Sell", "quantity": "-100"}
            | {"tradePrice": "50", "costBasis": "-4000", "realizedPnl": "1150", "multiplier": "1"},
            "exercise_or_assignment",
            "51.5",
            None,
            "1150",
        ),
    ],
)
def test_rows_of_the_section(
    changed: dict[str, str], cause: str, price: str, cost: str | None, realized: str | None
) -> None:
    (event,) = events(told_apart(**changed))
    assert (event.cause, event.carried, event.price) == (cause, False, Decimal(price))
    assert event.cost == (None if cost is None else Decimal(cost))
    assert event.realized_pnl == (None if realized is None else Decimal(realized))


def assigned(**changed: str) -> str:
    return trade(**BOOKED | OPTION | {"quantity": "2", "notes": "A", "cost": "398"} | changed)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(
    "days",
    [
        {},
        {"dateTime": "20230119;162000", "reportDate": "20230120"},
        {"dateTime": "20230121;002000", "tradeDate": "20230120"},
    ],
)
def test_what_both_sections_tell_of_happened_once(in_order: bool, days: dict[str, str]) -> None:
    rows = [assigned(**days), told_apart()]
    records = stated(*(rows if in_order else reversed(rows)))
    (event,) = all_of(StatedEvent, records)
    assert event.section == "Trade"
    assert reasons(records) == ["repeated"]


def test_one_number_tells_it_whatever_the_day() -> None:
    records = stated(assigned(tradeID="7", dateTime="20230117;162000"), told_apart(tradeID="7"))
    assert reasons(records) == ["repeated"]


@pytest.mark.parametrize(
    "other", [{"quantity": "3"}, {"conid": "12"}, {"accountId": "U2"}, {"date": "20230119"}]
)
def test_what_only_the_section_tells_of_is_told_at_the_end(other: dict[str, str]) -> None:
    records = stated(told_apart(**other), assigned(), trade())
    kinds = [type(one).__name__ for one in records]
    assert kinds == ["StatedEvent", "StatedTrade", "StatedEvent", "StatedPeriod"]
    assert [event.section for event in all_of(StatedEvent, records)] == ["Trade", "OptionEAE"]


def test_twins_are_two_assignments() -> None:
    records = stated(assigned(transactionID="1"), told_apart(), told_apart())
    assert len(all_of(StatedEvent, records)) == 2
    assert reasons(records) == ["repeated"]
    records = stated(assigned(transactionID="1"), assigned(transactionID="2"), told_apart(), told_apart())
    assert len(all_of(StatedEvent, records)) == 2
    assert reasons(records) == ["repeated", "repeated"]


def test_a_query_without_codes_tells_of_it_as_a_trade() -> None:
    records = stated(assigned(notes=""), told_apart())
    assert len(all_of(StatedTrade, records)) == 1
    assert reasons(records) == ["repeated"]


def test_another_statement_of_the_file_may_tell_of_the_same_again() -> None:
    """Statements of one file may overlap; the importer knows them by what they say."""

    def both() -> list[Stated]:
        one = "<FlexStatement accountId='U1' fromDate='20230101' toDate='20230131'>"
        return stated(assigned(), f"</FlexStatement>{one}", told_apart())

    assert [event.section for event in all_of(StatedEvent, both())] == ["Trade", "OptionEAE"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"date": ""}, "no_date"),
        ({"conid": ""}, "no_instrument"),
        ({"quantity": ""}, "no_quantity"),
        ({"multiplier": ""}, "no_multiplier"),
        ({"accountId": "U1,U2"}, "no_account"),
    ],
)
def test_a_row_that_says_too_little_is_ignored(changed: dict[str, str], reason: str) -> None:
    assert reasons(stated(told_apart(**changed))) == [reason]
