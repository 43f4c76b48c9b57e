"""Cash, what it was for, and what the broker says is there, once each however often a statement tells it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from services.statements.rows_cash import (
    CashReport,
    CashTransaction,
    CfdCharge,
    CommissionDetail,
    DebitCardActivity,
    DividendAccrual,
    FundsLine,
    InterestAccrual,
    SalesTax,
    TierInterest,
    TransactionTax,
)
from tests.services.statements.detail import finest
from tests.services.statements.statements import DATA, element, in_statement, only, rows_of

IBFLEX = rows_of(DATA / "flex-ibflex" / "test_types_elements.xml")
CODING = rows_of(DATA / "flex-ib-flex-reader" / "TestForCoding.xml")
FUNDS = rows_of(DATA / "flex-ib-flex-reader" / "StatementOfFunds.xml")


def cash(**changed: str) -> str:
    stated = {"type": "Dividends", "amount": "12.5", "currency": "USD", "transactionID": "1"}
    return element("CashTransaction", **(stated | changed))


def test_a_dividend_is_read_with_what_it_was_paid_on() -> None:
    (dividend,) = only(CashTransaction, IBFLEX)
    assert (dividend.account, dividend.kind, dividend.amount) == ("U123456", "dividend", 27800)
    assert (dividend.conid, dividend.isin, dividend.transaction_id) == (
        62049667,
        "ANN741081064",
        "5767420360",
    )
    assert dividend.report_date == date(2015, 10, 6)
    assert dividend.at is not None
    assert not dividend.at.timed
    assert not dividend.is_external


@pytest.mark.parametrize(
    ("stated", "kind"),
    [
        ("Deposits & Withdrawals", "deposit_withdrawal"),
        ("Deposits/Withdrawals", "deposit_withdrawal"),
        ("Dividends", "dividend"),
        ("Payment In Lieu Of Dividends", "payment_in_lieu"),
        ("Withholding Tax", "withholding_tax"),
        ("871(m) Withholding", "withholding_tax"),
        ("Broker Interest Paid", "broker_interest"),
        ("BROKER INTEREST RECEIVED", "broker_interest"),
        ("Bond Interest Paid", "bond_interest"),
        ("Bond Interest Received", "bond_interest"),
        ("Other Fees", "fee"),
        ("Advisor Fees", "fee"),
        ("Broker Fees", "fee"),
        ("Commission Adjustments", "commission_adjustment"),
        ("Price Adjustments", "other"),
        ("", "other"),
    ],
)
def test_what_cash_was_for_is_told_by_its_type(stated: str, kind: str) -> None:
    (row,) = only(CashTransaction, rows_of(in_statement(cash(type=stated))))
    assert row.kind == kind
    assert row.is_external == (kind == "deposit_withdrawal")


def test_sums_count_only_where_nothing_finer_is_told() -> None:
    summed = cash(levelOfDetail="SUMMARY", transactionID="", amount="25")
    mixed = rows_of(in_statement(summed, cash(levelOfDetail="DETAIL"), cash(levelOfDetail="Detail"), summed))
    assert [row.amount for row in finest(only(CashTransaction, mixed))] == [Decimal("12.5")] * 2
    alone = rows_of(in_statement(summed))
    assert [row.amount for row in finest(only(CashTransaction, alone))] == [25]
    other = '</FlexStatement>\n<FlexStatement accountId="U1">'
    both = rows_of(in_statement(cash(levelOfDetail="DETAIL"), other, summed))
    assert [row.amount for row in finest(only(CashTransaction, both))] == [Decimal("12.5"), 25]
    accounts = rows_of(
        in_statement(cash(levelOfDetail="DETAIL"), cash(accountId="U2", levelOfDetail="SUMMARY"))
    )
    assert len(finest(only(CashTransaction, accounts))) == 2


def test_a_cash_report_is_read_currency_by_currency_and_as_a_sum() -> None:
    reports = only(CashReport, CODING)
    assert [(row.currency, row.is_summary, row.ending_cash) for row in reports] == [
        ("BASE_SUMMARY", True, Decimal("93035.705712123")),
        ("CHF", False, 120),
        ("EUR", False, Decimal("9359.800717967")),
        ("GBP", False, Decimal("94.79123")),
        ("USD", False, Decimal("94605.7304646")),
    ]
    dollars = reports[-1]
    assert (dollars.starting_cash, dollars.commissions) == (Decimal("80464.6911436"), Decimal("-28.210679"))
    assert (dollars.sales, dollars.purchases) == (Decimal("16745.5"), Decimal("-2106.25"))
    assert dollars.to_date == date(2018, 11, 9)


MOVEMENTS = (
    "deposits_withdrawals",
    "account_transfers",
    "internal_transfers",
    "linking_adjustments",
    "debit_card",
    "bill_pay",
    "dividends",
    "payment_in_lieu",
    "broker_interest",
    "bond_interest",
    "withholding_tax",
    "withholding_871m",
    "withholding_collected",
    "transaction_tax",
    "sales_tax",
    "commissions",
    "client_fees",
    "advisor_fees",
    "other_fees",
    "other",
    "sales",
    "purchases",
    "settling_mtm",
    "cfd_charges",
    "fx_translation",
)


def test_the_movements_of_a_cash_report_lead_from_its_start_to_its_end() -> None:
    for report in only(CashReport, CODING):
        moved = [getattr(report, name) for name in MOVEMENTS]
        assert report.starting_cash is not None
        assert report.ending_cash is not None
        assert abs(report.starting_cash + sum(moved) - report.ending_cash) < Decimal("1e-8"), report.currency


def test_a_line_of_funds_is_read_and_its_sums_told() -> None:
    lines = only(FundsLine, FUNDS)
    assert len(lines) == 47
    assert all(line.is_summary for line in lines)
    assert finest(lines) == lines
    interest = lines[0]
    assert (interest.activity_code, interest.amount) == ("DINT", Decimal("-6.7773664"))
    assert (interest.debit, interest.credit, interest.balance) == (interest.amount, None, interest.amount)
    assert interest.on_date == date(2018, 8, 3)
    (bought,) = only(FundsLine, IBFLEX)
    assert (bought.side, bought.trade_id, bought.conid) == ("BUY", "657898717", 33205002)
    assert not bought.is_summary


def test_the_balance_of_funds_is_what_their_amounts_come_to() -> None:
    balance = Decimal(0)
    for line in only(FundsLine, FUNDS):
        assert line.amount is not None
        balance += line.amount
        assert line.balance is not None
        assert abs(line.balance - balance) < Decimal("1e-6")


def test_accruals_are_read() -> None:
    changed, still_open = only(DividendAccrual, IBFLEX)
    assert (changed.is_open, changed.codes, changed.net_amount) == (False, ("Po",), 33980)
    assert (changed.ex_date, changed.pay_date) == (date(2011, 9, 22), date(2011, 10, 11))
    assert (still_open.is_open, still_open.symbol) == (True, "CASH")
    assert (still_open.gross_rate, still_open.quantity) == (Decimal("0.13"), 25383)
    (interest,) = only(InterestAccrual, IBFLEX)
    assert (interest.is_summary, interest.ending) == (True, Decimal("-1111.05"))
    changes = (interest.starting, interest.accrued, interest.reversed, interest.fx_translation)
    assert abs(sum(change or 0 for change in changes) - interest.ending) < Decimal("1e-6")


def test_taxes_are_read() -> None:
    (tax,) = only(TransactionTax, IBFLEX)
    assert (tax.amount, tax.trade_id) == (Decimal("-0.347098"), "12345678550")
    assert (tax.is_summary, tax.cusip) == (True, "80105N105")
    (vat,) = only(SalesTax, IBFLEX)
    assert (vat.type, vat.rate, vat.amount) == ("VAT", Decimal("0.21"), Decimal("-0.042"))
    assert (vat.taxed_transaction_id, vat.on_date) == ("12913231356", date(2015, 1, 3))


def test_fees_charges_and_payments_are_read() -> None:
    rows = rows_of(
        in_statement(
            element(
                "UnbundledCommissionDetail",
                tradeID="7",
                totalCommission="-1.05",
                brokerExecutionCharge="-1",
                regSection31TransactionFee="-0.05",
                dateTime="20230103;093000",
            ),
            element("CFDCharge", total="-0.5", activityDescription="Interest", date="20230104"),
            element(
                "TierInterestDetail",
                interestType="Debit Interest",
                valueDate="20230105",
                totalPrincipal="-1000",
                rate="5.33",
                totalInterest="-0.15",
            ),
        )
    )
    (detail,) = only(CommissionDetail, rows)
    assert (detail.trade_id, detail.total, detail.broker_execution) == ("7", Decimal("-1.05"), -1)
    assert detail.at is not None
    assert detail.at.at == datetime(2023, 1, 3, 14, 30, tzinfo=UTC)
    (charge,) = only(CfdCharge, rows)
    assert (charge.account, charge.amount, charge.on_date) == ("U1", Decimal("-0.5"), date(2023, 1, 4))
    (tier,) = only(TierInterest, rows)
    assert (tier.principal, tier.rate, tier.interest) == (-1000, Decimal("5.33"), Decimal("-0.15"))
    (payment,) = only(DebitCardActivity, IBFLEX)
    assert (payment.status, payment.amount) == ("Settled", -117)
    assert payment.at is not None
