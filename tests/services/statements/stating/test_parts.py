"""What a statement's own sums are made of, whichever columns a query asks for."""

from datetime import date
from decimal import Decimal

import pytest

from core.domain.stated import StatedBalance, StatedChange, StatedValue
from services.statements.flex import FlexFile
from tests.services.statements.statements import DATA, all_of, element, reasons, stated

REAL = DATA / "flex-ib-flex-reader" / "TestForCoding.xml"


def balance(**columns: str) -> StatedBalance:
    said = {"accountId": "U1", "currency": "USD", "fromDate": "20230101", "toDate": "20230131"}
    (found,) = all_of(StatedBalance, stated(element("CashReportCurrency", **said, **columns)))
    return found


def test_a_real_cash_report_adds_up_from_start_to_end_in_each_currency() -> None:
    found = [one for one in all_of(StatedBalance, FlexFile(REAL)) if one.currency != "BASE_SUMMARY"]
    assert [one.currency for one in found] == ["CHF", "EUR", "GBP", "USD"]
    for one in found:
        parts = (one.starting_cash, one.trades, one.commissions, one.futures, one.flows)
        known = [part for part in parts if part is not None]
        assert len(known) == len(parts)
        assert sum(known) == one.cash, one.currency
        assert one.starts_on == date(2018, 11, 9)
    dollars = found[-1]
    assert (dollars.trades, dollars.commissions, dollars.futures, dollars.flows) == (
        Decimal("14639.25"),
        Decimal("-28.210679"),
        -470,
        0,
    )


def test_deposits_that_are_told_apart_as_well_count_once() -> None:
    both = balance(startingCash="10", endingCash="17", depositWithdrawals="7", deposits="9", withdrawals="-2")
    assert both.flows == 7
    apart = balance(startingCash="10", endingCash="17", deposits="9", withdrawals="-2", depositsMTD="99")
    assert apart.flows == 7


def test_a_column_that_is_not_known_is_a_part_as_well() -> None:
    assert balance(startingCash="1", endingCash="6", newKindOfMoney="5", newKindOfMoneySec="5").flows == 5


def test_a_query_without_those_columns_tells_the_end_alone() -> None:
    bare = balance(endingCash="17")
    assert (bare.cash, bare.starting_cash, bare.flows, bare.trades) == (17, None, None, None)


def change(**columns: str) -> list[StatedChange]:
    said = {"accountId": "U1", "fromDate": "20230101", "toDate": "20230131", "startingValue": "100"}
    return all_of(StatedChange, stated(element("ChangeInNAV", **(said | columns))))


@pytest.mark.parametrize(
    "profit",
    [
        {"mtm": "8"},
        {"realized": "5", "changeInUnrealized": "3"},
        {"mtm": "8", "realized": "5", "changeInUnrealized": "3"},
    ],
    ids="+".join,
)
def test_a_change_in_value_is_what_the_owner_did_and_all_the_rest(profit: dict[str, str]) -> None:
    (found,) = change(
        endingValue="156",
        depositsWithdrawals="60",
        assetTransfers="-10",
        dividends="2",
        commissions="-4",
        twr="5.33",
        **profit,
    )
    assert (found.contribution, found.gain) == (50, 6)
    assert found.starting + found.contribution + found.gain == found.ending
    assert (found.starts_on, found.ends_on, found.twr) == (
        date(2023, 1, 1),
        date(2023, 1, 31),
        Decimal("0.0533"),
    )


def test_a_change_without_an_end_is_ignored() -> None:
    assert change(endingValue="") == []
    said = {"accountId": "U1", "startingValue": "100", "endingValue": "101"}
    assert reasons(stated(element("ChangeInNAV", **said, fromDate="20230131", toDate="20230101"))) == [
        "no_date"
    ]


def test_the_models_of_an_account_are_summed_and_their_returns_are_not() -> None:
    said = {"accountId": "U1", "fromDate": "20230101", "toDate": "20230131", "mtm": "1", "twr": "1"}
    rows = [
        element("ChangeInNAV", **said, model=model, startingValue="100", endingValue="101")
        for model in ("a", "b")
    ]
    (found,) = all_of(StatedChange, stated(*rows))
    assert (found.starting, found.ending, found.gain, found.twr) == (200, 202, 2, None)


def value(**columns: str) -> StatedValue:
    said = {"accountId": "U1", "currency": "USD", "reportDate": "20230131"}
    (found,) = all_of(StatedValue, stated(element("EquitySummaryByReportDateInBase", **said, **columns)))
    return found


def test_what_has_no_column_here_is_the_rest_of_the_value() -> None:
    found = value(
        total="21",
        totalLong="25",
        cash="10",
        cashLong="10",
        stock="4",
        crypto="5",
        newAsset="2",
        interestAccruals="1",
        dividendAccruals="-1",
        brokerInterestAccrualsComponent="1",
    )
    assert found.other == 7
    parts = (found.cash, found.stock, found.accruals, found.other)
    assert sum(part for part in parts if part is not None) == found.net_liquidation


def test_the_gross_value_takes_shorts_as_positive_and_needs_both_sides() -> None:
    both = value(total="1", stock="-6", stockLong="40", stockShort="-46", optionsLong="2", optionsShort="0")
    assert both.gross == 88
    assert value(total="1", stock="-6", optionsLong="2", optionsShort="0").gross is None
    assert value(total="1", stock="-6").gross is None
