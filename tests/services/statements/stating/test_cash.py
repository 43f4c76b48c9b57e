"""Money that came or went: what it was for, once, in the account's view."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from core.domain.stated import EXTERNAL, StatedCashFlow
from services.statements.flex import FlexFile
from tests.services.statements.statements import (
    HEAD,
    all_of,
    element,
    in_statement,
    reasons,
    stated,
    trade,
)


def cash(**changed: str) -> str:
    said = {
        "accountId": "U1",
        "currency": "USD",
        "fxRateToBase": "0.9",
        "assetCategory": "STK",
        "symbol": "ACME",
        "conid": "1",
        "type": "Dividends",
        "amount": "12.5",
        "dateTime": "20230103;202000",
        "reportDate": "20230104",
        "transactionID": "5",
        "description": "ACME CASH DIVIDEND",
    }
    return element("CashTransaction", **(said | changed))


def flows(*elements: str) -> list[StatedCashFlow]:
    return all_of(StatedCashFlow, stated(*elements))


def test_a_dividend_is_told_with_what_it_was_paid_on() -> None:
    (flow,) = flows(cash())
    assert flow == StatedCashFlow(
        line=1,
        section="CashTransaction",
        account="U1",
        kind="dividend",
        at=datetime(2023, 1, 4, 1, 20, tzinfo=UTC),
        amount=Decimal("12.5"),
        currency="USD",
        fx_rate_to_base=Decimal("0.9"),
        conid=1,
        symbol="ACME",
        transaction_id="5",
        description="ACME CASH DIVIDEND",
        reported_on=date(2023, 1, 4),
    )


@pytest.mark.parametrize(
    ("type_", "amount", "kind"),
    [
        ("Deposits & Withdrawals", "100", "deposit"),
        ("Deposits/Withdrawals", "-100", "withdrawal"),
        ("Dividends", "-12.5", "dividend"),
        ("Payment In Lieu Of Dividends", "1", "payment_in_lieu"),
        ("Withholding Tax", "-1", "withholding_tax"),
        ("Broker Interest Paid", "-1", "interest"),
        ("Broker Interest Received", "1", "interest"),
        ("Bond Interest Paid", "-1", "bond_interest"),
        ("Other Fees", "-1", "fee"),
        ("Broker Fees", "-1", "fee"),
        ("Advisor Fees", "-1", "fee"),
        ("871(m) Withholding", "-1", "withholding_tax"),
        ("Insured Deposit Interest", "1", "interest"),
        ("Bond Interest Received", "1", "bond_interest"),
        ("Debit Card Activity", "-1", "withdrawal"),
        ("Bill Pay", "-1", "withdrawal"),
        ("Internal Transfers", "-1", "transfer"),
        ("Sales Tax", "-1", "tax"),
        ("Price Adjustments", "1", "other"),
        ("Other Income", "1", "other"),
        ("Commission Adjustments", "1", "commission_adjustment"),
        ("Something New", "1", "other"),
    ],
)
def test_what_it_was_for_and_its_sign(type_: str, amount: str, kind: str) -> None:
    (flow,) = flows(cash(type=type_, amount=amount))
    assert (flow.kind, flow.amount) == (kind, Decimal(amount))
    assert (kind in EXTERNAL) is type_.startswith(("Deposits", "Debit", "Bill", "Internal"))


def test_what_is_taken_back_is_a_flow_of_its_own() -> None:
    found = flows(cash(), cash(amount="-12.5", transactionID="6"), cash(amount="11", transactionID="7"))
    assert [flow.amount for flow in found] == [Decimal("12.5"), Decimal("-12.5"), 11]


@pytest.mark.parametrize("first", ["DETAIL", "SUMMARY"])
def test_sums_are_ignored_beside_what_they_sum(first: str) -> None:
    detail = [cash(amount="5", levelOfDetail="DETAIL"), cash(amount="7.5", levelOfDetail="DETAIL")]
    summary = cash(levelOfDetail="SUMMARY")
    records = stated(*([*detail, summary] if first == "DETAIL" else [summary, *detail]))
    assert [flow.amount for flow in all_of(StatedCashFlow, records)] == [5, Decimal("7.5")]
    assert reasons(records) == ["summary_of_other_rows"]


def test_what_one_statement_itemizes_says_nothing_of_the_next() -> None:
    second = '</FlexStatement><FlexStatement accountId="U1" fromDate="20230101" toDate="20230131">'
    found = flows(cash(amount="5", levelOfDetail="DETAIL"), second, cash(levelOfDetail="SUMMARY"))
    assert [flow.amount for flow in found] == [5, Decimal("12.5")]


def test_sums_alone_count_account_by_account() -> None:
    detail = cash(accountId="U2", amount="5", levelOfDetail="DETAIL")
    assert [flow.amount for flow in flows(detail, cash(levelOfDetail="SUMMARY"))] == [5, Decimal("12.5")]


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ({"dateTime": "20230103"}, datetime(2023, 1, 3, 5, tzinfo=UTC)),
        ({"dateTime": ""}, datetime(2023, 1, 4, 5, tzinfo=UTC)),
        ({"dateTime": "", "reportDate": "", "settleDate": "20230106"}, datetime(2023, 1, 6, 5, tzinfo=UTC)),
    ],
)
def test_without_an_hour_it_is_when_the_day_began(said: dict[str, str], at: datetime) -> None:
    (flow,) = flows(cash(**said))
    assert flow.at == at


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount": ""}, "no_amount"),
        ({"amount": "0"}, "no_amount"),
        ({"currency": ""}, "no_currency"),
        ({"currency": "BASE_SUMMARY"}, "no_currency"),
        ({"dateTime": "", "reportDate": ""}, "no_date"),
        ({"accountId": "U1,U2"}, "no_account"),
    ],
)
def test_a_row_that_says_too_little_is_ignored(changed: dict[str, str], reason: str) -> None:
    assert reasons(stated(cash(**changed))) == [reason]


def tax(**changed: str) -> str:
    said = {"accountId": "U1", "currency": "USD", "symbol": "ACME", "conid": "1", "date": "20230103"}
    more = {"taxDescription": "French Transaction Tax", "taxAmount": "-0.35", "tradeId": "7"}
    return element("TransactionTax", **(said | more | changed))


def test_a_tax_that_no_trade_tells_of_is_a_flow() -> None:
    (flow,) = flows(tax())
    assert (flow.kind, flow.amount, flow.description) == ("tax", Decimal("-0.35"), "French Transaction Tax")
    (flow,) = flows(trade(tradeID="7"), tax())
    assert flow.section == "TransactionTax", "the trade did not say what its taxes were"
    (flow,) = flows(trade(tradeID="8", taxes="-0.35"), tax())
    assert flow.section == "TransactionTax"


def test_a_tax_that_its_trade_tells_of_is_not_told_again() -> None:
    records = stated(trade(tradeID="7", taxes="-0.35"), tax())
    assert all_of(StatedCashFlow, records) == []
    assert reasons(records) == ["repeated"]


def test_taxes_of_one_statement_say_nothing_of_the_next() -> None:
    second = '</FlexStatement><FlexStatement accountId="U1" fromDate="20230101" toDate="20230131">'
    assert len(flows(trade(tradeID="7", taxes="-0.35"), second, tax())) == 1


def test_sums_of_taxes_are_ignored_beside_them() -> None:
    records = stated(tax(levelOfDetail="SUMMARY"), tax(levelOfDetail="DETAIL", taxAmount="-0.2", tradeId=""))
    assert [flow.amount for flow in all_of(StatedCashFlow, records)] == [Decimal("-0.2")]
    assert reasons(records) == ["summary_of_other_rows"]


def test_what_a_service_was_taxed_what_holding_a_cfd_cost_and_what_a_card_paid() -> None:
    base = element("AccountInformation", accountId="U1", currency="EUR")
    sales = element(
        "SalesTax",
        accountId="U1",
        currency="USD",
        date="20230103",
        salesTax="-0.042",
        taxableDescription="news",
        transactionID="9",
    )
    charge = element("CFDCharge", accountId="U1", currency="USD", date="20230103", total="-2", conid="4")
    card = {"accountId": "U1", "currency": "BASE_SUMMARY", "amount": "-117", "postingDate": "20230103"}
    found = flows(
        base,
        sales,
        charge,
        element("DebitCardActivity", **card, status="Settled"),
        element("DebitCardActivity", **card | {"amount": "17"}),
    )
    assert [(flow.kind, flow.amount, flow.currency) for flow in found] == [
        ("tax", Decimal("-0.042"), "USD"),
        ("fee", -2, "USD"),
        ("withdrawal", -117, "EUR"),
        ("deposit", 17, "EUR"),
    ]
    assert (found[0].transaction_id, found[0].description, found[1].conid) == ("9", "news", 4)
    pending = stated(base, element("DebitCardActivity", **card, status="Pending"))
    assert reasons(pending) == ["not_used"]


def card(amount: str, **changed: str) -> str:
    said = {"accountId": "U1", "currency": "USD", "fxRateToBase": "0.9", "postingDate": "20230103"}
    return element("DebitCardActivity", **said | {"amount": amount, "category": "RETAIL"} | changed)


def paid(amount: str, **changed: str) -> str:
    said = {"type": "Debit Card Activity", "symbol": "", "conid": "", "amount": amount, "transactionID": ""}
    return cash(**said | changed)


@pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])
def test_a_payment_by_card_that_is_a_cash_transaction_as_well_counts_once(order: int) -> None:
    """Three payments of one amount, two of which both sections tell; one is stated in the base currency."""
    rows = [
        *(paid("-20"), paid("-20", type="Deposits/Withdrawals", description="DEBIT CARD PURCHASE")),
        *(card("-20"), card("-18", currency="BASE_SUMMARY", fxRateToBase="1"), card("-20"), card("-7")),
        *(paid("-7", type="Deposits/Withdrawals", description="WIRE"), card("-20", accountId="U2")),
    ]
    base = element("AccountInformation", accountId="U1", currency="EUR")
    records = stated(base, *rows[::order])
    told = [
        (flow.account, flow.section, flow.amount)
        for flow in sorted(all_of(StatedCashFlow, records), key=lambda flow: (flow.account, flow.section))
    ]
    assert told[:3] == [("U1", "CashTransaction", amount) for amount in (-20, -20, -7)[::order]]
    assert sorted(told[3:5]) == [("U1", "DebitCardActivity", -20), ("U1", "DebitCardActivity", -7)]
    assert told[5:] == [("U2", "DebitCardActivity", -20)]
    assert reasons(records) == ["repeated", "repeated"]


def test_a_payment_by_card_of_one_statement_is_not_another_statements() -> None:
    told = in_statement(paid("-20"), "</FlexStatement>", HEAD, card("-20"))
    assert len(all_of(StatedCashFlow, list(FlexFile(told.encode())))) == 2


def test_a_currency_trade_is_told_as_what_it_did_to_both_currencies() -> None:
    records = stated(
        trade(
            assetCategory="CASH",
            symbol="EUR.USD",
            conid="12087792",
            quantity="-20000",
            tradePrice="1.20302",
            proceeds="24060.4",
            ibCommission="-3.1074",
            ibCommissionCurrency="EUR",
            reportDate="20230104",
        )
    )
    told = [
        (flow.kind, flow.currency, flow.amount, flow.transaction_id)
        for flow in all_of(StatedCashFlow, records)
    ]
    exec_id = "0000e0d5.63b3a1f0.01.01"
    assert told == [
        ("conversion", "EUR", -20000, f"{exec_id}/EUR"),
        ("conversion", "USD", Decimal("24060.4"), f"{exec_id}/USD"),
        ("fee", "EUR", Decimal("-3.1074"), f"{exec_id}/EUR"),
    ]
    assert {flow.reported_on for flow in all_of(StatedCashFlow, records)} == {date(2023, 1, 4)}
    assert reasons(records) == ["currency_trade"], "it is in no book"


def test_an_order_in_a_currency_tells_nothing_beside_its_trades() -> None:
    assert flows(trade(assetCategory="CASH", symbol="EUR.USD", levelOfDetail="ORDER")) == []
