"""What was held, what was there in cash and what it all was worth: as a whole, once."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.stated import StatedBalance, StatedInventory, StatedPosition, StatedValue
from services.statements.flex import FlexFile
from tests.services.statements.statements import all_of, element, reasons, stated


def position(**changed: str) -> str:
    said = {
        "accountId": "U1",
        "currency": "USD",
        "assetCategory": "STK",
        "symbol": "VXX",
        "conid": "1",
        "multiplier": "1",
        "reportDate": "20230131",
        "position": "-100",
        "markPrice": "35.53",
        "positionValue": "-3553",
        "costBasisMoney": "-3440.5",
        "fifoPnlUnrealized": "-112.5",
        "levelOfDetail": "SUMMARY",
    }
    return element("OpenPosition", **(said | changed))


def positions(*elements: str) -> list[StatedPosition]:
    return all_of(StatedPosition, stated(*elements))


def test_a_position_is_what_was_held_when_the_day_ended() -> None:
    (held,) = positions(position())
    assert (held.account, held.instrument.conid, held.quantity) == ("U1", 1, -100)
    assert held.as_of == datetime(2023, 2, 1, 1, 30, tzinfo=UTC), "midnight in New York"
    assert (held.cost, held.mark_price, held.market_value, held.unrealized_pnl) == (
        Decimal("-3440.5"),
        Decimal("35.53"),
        -3553,
        Decimal("-112.5"),
    )


def test_the_day_s_end_follows_the_clock_of_new_york() -> None:
    (held,) = positions(position(reportDate="20230312"))
    assert held.as_of == datetime(2023, 3, 13, 0, 30, tzinfo=UTC)


def inventories(inside: str, **changed: str) -> list[tuple[str, date]]:
    said = {"accountId": "U1", "fromDate": "20230101", "toDate": "20230131", "whenGenerated": ""} | changed
    head = element("FlexStatement", **said).replace(" />", ">")
    return [(one.account, one.as_of) for one in all_of(StatedInventory, stated(inside, head=head))]


def section(*elements: str) -> str:
    return f"<OpenPositions>{''.join(elements)}</OpenPositions>"


LAST = date(2023, 1, 31)


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [position()],
        [position(), position(levelOfDetail="LOT")],
        [position(position="0")],
        [position(), position(assetCategory="CASH", conid="9")],
        [position(reportDate="20230130"), position(conid="2")],
    ],
    ids=["nothing", "one", "a lot", "none of one", "money", "several days"],
)
def test_the_positions_of_a_statement_are_all_that_was_held(elements: list[str]) -> None:
    assert inventories(section(*elements)) == [("U1", LAST)]


def test_they_are_of_the_day_that_the_positions_say() -> None:
    assert inventories(section(position(reportDate="20230130"))) == [("U1", date(2023, 1, 30))]


def test_each_account_of_a_statement_held_no_more() -> None:
    told = inventories(section(position(accountId="U2"), position(accountId="U3")), accountId="U1, U2")
    assert told == [("U1", LAST), ("U2", LAST), ("U3", LAST)]


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<Trades />",
        section(position(conid="")),
        section(position(position="")),
        section(position(multiplier="", assetCategory="OPT")),
    ],
    ids=["no section", "another", "of what", "how much", "how many"],
)
def test_a_statement_that_does_not_say_all_of_it_leaves_nothing_out(inside: str) -> None:
    assert inventories(inside) == []


@pytest.mark.parametrize(
    ("written", "told"), [("20230131;235959", []), ("20230201;000000", [("U1", LAST)]), ("", [("U1", LAST)])]
)
def test_a_day_that_is_not_over_leaves_nothing_out(written: str, told: list[tuple[str, date]]) -> None:
    assert inventories(section(), whenGenerated=written) == told


def test_a_statement_without_an_end_or_a_file_without_statements_leaves_nothing_out() -> None:
    assert inventories(section(), toDate="") == []
    assert all_of(StatedInventory, list(FlexFile(section(position()).encode()))) == []


def test_each_statement_of_a_file_speaks_for_itself() -> None:
    rest = "</FlexStatement><FlexStatement accountId='U2' fromDate='20230101' toDate='20230131'>"
    assert inventories(f"{section(position(conid=''))}{rest}{section()}") == [("U2", LAST)]
    assert inventories(f"{section()}{rest}<Trades />") == [("U1", LAST)]


def test_without_a_date_it_is_the_end_of_the_statement() -> None:
    (held,) = positions(position(reportDate=""))
    assert held.as_of == datetime(2023, 2, 1, 1, 30, tzinfo=UTC)
    head = '<FlexStatement accountId="U1">'
    assert reasons(stated(position(reportDate=""), head=head)) == ["no_date"]


def test_what_is_unsaid_is_unknown() -> None:
    (held,) = positions(position(costBasisMoney="", markPrice="", positionValue="--", fifoPnlUnrealized=""))
    assert (held.cost, held.mark_price, held.market_value, held.unrealized_pnl) == (None,) * 4


def test_prices_in_percent_are_told_by_the_value() -> None:
    bond = {"assetCategory": "BOND", "position": "10000", "markPrice": "99.875", "positionValue": "9987.5"}
    (held,) = positions(position(**bond))
    assert held.instrument.price_magnifier == 100
    (held,) = positions(position(**bond | {"positionValue": "998750"}))
    assert held.instrument.price_magnifier == 1


def test_lots_are_ignored_beside_their_position() -> None:
    lots = [position(levelOfDetail="LOT", position=part) for part in ("-60", "-40")]
    for rows in ([position(), *lots], [*lots, position()]):
        records = stated(*rows)
        assert [held.quantity for held in all_of(StatedPosition, records)] == [-100]
        assert reasons(records) == ["summary_of_other_rows"] * 2


def test_lots_alone_are_summed_instrument_by_instrument() -> None:
    lot = {"levelOfDetail": "LOT", "openDateTime": "20230101;100000"}
    found = positions(
        position(**lot, position="-60", costBasisMoney="-2000", positionValue="-2131.8"),
        position(**lot, position="5", conid="2", costBasisMoney="", fifoPnlUnrealized="1"),
        position(**lot, position="-40", costBasisMoney="-1440.5", positionValue="-1421.2"),
        position(**lot, position="5", conid="2", costBasisMoney="7", fifoPnlUnrealized="1"),
    )
    assert [(one.instrument.conid, one.quantity, one.cost) for one in found] == [
        (1, -100, Decimal("-3440.5")),
        (2, 10, None),
    ]
    assert [(one.market_value, one.unrealized_pnl) for one in found] == [(-3553, -225), (-7106, 2)]


def test_the_models_of_an_account_are_summed() -> None:
    found = positions(
        position(model="Independent"), position(model="Growth", position="-50"), position(conid="2")
    )
    assert sorted((one.instrument.conid, one.quantity) for one in found) == [(1, -150), (2, -100)]


def test_a_position_that_is_told_twice_counts_once() -> None:
    records = stated(position(), position())
    assert len(all_of(StatedPosition, records)) == 1
    assert reasons(records) == ["summary_of_other_rows"]
    records = stated(position(), position(model="Growth"))
    assert [one.quantity for one in all_of(StatedPosition, records)] == [-100]


def test_two_statements_may_tell_of_the_same_day() -> None:
    second = '</FlexStatement><FlexStatement accountId="U1" fromDate="20230101" toDate="20230131">'
    assert len(positions(position(), second, position())) == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"conid": ""}, "no_instrument"),
        ({"position": "0"}, "no_quantity"),
        ({"accountId": "U1,U2"}, "no_account"),
        ({"assetCategory": "OPT", "multiplier": ""}, "no_multiplier"),
        ({"assetCategory": "CASH"}, "currency_trade"),
    ],
)
def test_a_row_that_says_too_little_is_ignored(changed: dict[str, str], reason: str) -> None:
    assert reasons(stated(position(**changed))) == [reason]


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(-50, 50).filter(bool), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_the_order_a_position_is_its_whole_or_the_sum_of_its_lots(
    rows: list[tuple[int, int, bool]],
) -> None:
    """A whole is told once an instrument, in between its lots."""
    wholes: dict[int, int] = {}
    elements, lots = [], dict.fromkeys((1, 2, 3), 0)
    for conid, quantity, is_lot in rows:
        if is_lot or conid in wholes:
            lots[conid] += quantity
            elements.append(position(conid=str(conid), position=str(quantity), levelOfDetail="LOT"))
        else:
            wholes[conid] = quantity
            elements.append(position(conid=str(conid), position=str(quantity)))
    found = positions(*elements)
    expected = {conid: lots[conid] for conid, *_ in rows} | wholes
    assert {one.instrument.conid: one.quantity for one in found} == expected
    assert len(found) == len(expected)


def cash_report(**changed: str) -> str:
    said = {"accountId": "U1", "currency": "USD", "toDate": "20230131", "endingCash": "10.5"}
    return element("CashReportCurrency", **(said | {"endingSettledCash": "10"} | changed))


def test_a_balance_is_of_the_end_of_its_statement() -> None:
    usd, total = all_of(
        StatedBalance,
        stated(cash_report(), cash_report(currency="EUR", levelOfDetail="BaseCurrency", toDate="")),
    )
    assert (usd.currency, usd.cash, usd.settled_cash) == ("USD", Decimal("10.5"), 10)
    assert (total.currency, total.as_of) == ("BASE_SUMMARY", usd.as_of)


def test_the_balances_of_models_are_summed() -> None:
    (balance,) = all_of(
        StatedBalance,
        stated(cash_report(model="A"), cash_report(model="B", endingCash="-4", endingSettledCash="")),
    )
    assert (balance.cash, balance.settled_cash) == (Decimal("6.5"), None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"endingCash": ""}, "no_amount"),
        ({"currency": ""}, "no_currency"),
        ({"accountId": "U1,U2"}, "no_account"),
    ],
)
def test_a_balance_that_says_too_little_is_ignored(changed: dict[str, str], reason: str) -> None:
    assert reasons(stated(cash_report(**changed))) == [reason]
    head = '<FlexStatement accountId="U1">'
    assert reasons(stated(cash_report(toDate=""), head=head)) == ["no_date"]


def equity(**changed: str) -> str:
    said = {
        "accountId": "U1",
        "reportDate": "20230131",
        "cash": "50",
        "stock": "40",
        "interestAccruals": "-1",
        "dividendAccruals": "3",
        "total": "92",
    }
    return element("EquitySummaryByReportDateInBase", **(said | changed))


def test_a_value_is_in_the_base_currency_if_that_is_known() -> None:
    (value,) = all_of(StatedValue, stated(equity()))
    assert (value.net_liquidation, value.cash, value.stock, value.accruals) == (92, 50, 40, 2)
    assert (value.currency, value.options, value.dividend_accruals) == (None, None, 3)
    (value,) = all_of(
        StatedValue,
        stated(element("AccountInformation", accountId="U1", currency="EUR"), equity(interestAccruals="")),
    )
    assert (value.currency, value.accruals) == ("EUR", 3)
    (value,) = all_of(StatedValue, stated(equity(currency="CHF", interestAccruals="", dividendAccruals="")))
    assert (value.currency, value.accruals, value.dividend_accruals) == ("CHF", None, None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"total": ""}, "no_amount"), ({"reportDate": ""}, "no_date"), ({"accountId": "U1,U2"}, "no_account")],
)
def test_a_value_that_says_too_little_is_ignored(changed: dict[str, str], reason: str) -> None:
    assert reasons(stated(equity(**changed))) == [reason]
