"""The years before a book: consistent in themselves, and ending at just what the book begins with."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import pytest

from core.domain.fills import Fill
from core.domain.instruments import Instrument
from core.domain.lifecycle import Anchor, Ledger, fold_book
from core.domain.stated import (
    Ignored,
    StatedBalance,
    StatedCashFlow,
    StatedEvent,
    StatedPeriod,
    StatedPosition,
    StatedRate,
    StatedTrade,
    StatedValue,
)
from services.simulator.figures import net_liquidation
from services.simulator.history.days import business_day_before, business_days
from services.simulator.scenario import scenario_names
from services.statements.flex import FlexFile
from tests.services.simulator.history.conftest import FIRST_DAY, Past, tell

ZERO = Decimal(0)
ROUNDING = Decimal("1e-6")
Key = tuple[str, int]


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def folds(past: Past) -> dict[Key, tuple[Ledger, list[StatedTrade]]]:
    """The ledger of each book, folded of what the statements tell of trades and events."""
    trades: dict[Key, list[StatedTrade]] = defaultdict(list)
    events: dict[Key, list[StatedEvent]] = defaultdict(list)
    instruments: dict[int, Instrument] = {}
    for one in past.records:
        if isinstance(one, StatedTrade | StatedEvent):
            (trades if isinstance(one, StatedTrade) else events)[one.account, one.instrument.conid].append(
                one
            )  # type: ignore[arg-type]
            instruments[one.instrument.conid] = one.instrument
    found = {}
    for key in trades.keys() | events.keys():
        fills = sorted(
            Fill(
                one.executed_at,
                one.exec_id,
                one.exec_id,
                one.quantity,
                one.price,
                one.commission,
                complete=True,
            )
            for one in trades[key]
        )
        anchors = [
            Anchor(
                one.at, one.quantity, None, one.cause, one.price, one.carried, relative=True, cost=one.cost
            )
            for one in sorted(events[key], key=lambda event: event.at)
        ]
        ledger = fold_book(*key, instruments[key[1]].point_value, fills, anchors)
        found[key] = ledger, trades[key]
    return found


def test_they_end_at_the_books_holdings_cash_and_worth(past: Past) -> None:
    book, last = past.book, business_day_before(past.first_day)
    positions = [one for one in past.records if isinstance(one, StatedPosition)]
    end = max(one.as_of for one in positions).date()
    held = {
        (one.account, one.instrument.conid): (one.quantity, one.cost, one.mark_price)
        for one in positions
        if one.as_of.date() >= end or one.as_of.date() == last
    }
    assert held == {
        key: (position.quantity, position.quantity * position.average_cost, book.marks[key[1]])
        for key, position in book.positions.items()
        if book.instruments[key[1]].sec_type != "CASH"
    }
    balances = [one for one in past.records if isinstance(one, StatedBalance) and one.as_of == last]
    assert {(one.account, one.currency): one.cash for one in balances if one.currency != "BASE_SUMMARY"} == {
        (account.account, currency): amount
        for account in book.accounts.values()
        for currency, amount in account.cash.items()
    }
    values = [one for one in past.records if isinstance(one, StatedValue) and one.as_of == last]
    assert {one.account: one.net_liquidation for one in values} == {
        account: net_liquidation(book, account) for account in book.accounts
    }


def test_what_they_say_was_realized_is_what_our_ledger_comes_to(past: Past) -> None:
    compared = 0
    for ledger, trades in folds(past).values():
        for one in trades:
            ours = ledger.booked[one.exec_id].realized_pnl if one.exec_id in ledger.booked else None
            if one.closes:
                assert ours is not None
                assert one.realized_pnl is not None
                assert abs(ours - one.realized_pnl) < Decimal("1e-6")
                compared += 1
            else:
                assert ours is None
    assert compared > 100


def test_every_holding_is_explained_from_its_beginning(past: Past) -> None:
    found = folds(past)
    for key, position in past.book.positions.items():
        if past.book.instruments[key[1]].sec_type == "CASH":
            continue
        ledger, _ = found[key]
        episode = ledger.episode
        assert episode is not None
        assert episode.quantity == position.quantity
        assert episode.cost is not None
        assert abs(episode.cost - position.quantity * position.average_cost) < Decimal("1e-6")
        # However much of it is closed, our oldest lots cost what the broker's average says.
        lots = [lot for lot in episode.open_lots if lot.remaining]
        for lot in lots:
            assert lot.remaining_cost is not None
            # Bought it costs its commission more, sold short it brings that less.
            cost = lot.remaining_cost + (lot.remaining_commission or ZERO)
            assert abs(cost - lot.remaining * position.average_cost) < ROUNDING
    for key, (ledger, _) in found.items():
        assert not any(episode.estimated for episode in ledger.touched)
        assert key in past.book.positions or not ledger.quantity


def test_every_cash_report_adds_up_from_its_lines_and_goes_on_from_the_last(past: Past) -> None:
    not_lines = {
        "accountId", "acctAlias", "model", "currency", "levelOfDetail", "fromDate", "toDate", "startingCash",
        "endingCash", "endingSettledCash", "depositWithdrawals",
    }  # fmt: skip
    ended: dict[tuple[str, str], str] = {}
    for row in past.rows("CashReportCurrency"):
        lines = total(Decimal(text) for name, text in row.items() if name not in not_lines)
        assert abs(Decimal(row["startingCash"]) + lines - Decimal(row["endingCash"])) < ROUNDING
        key = row["accountId"], row["currency"]
        if row["currency"] != "BASE_SUMMARY":
            assert row["startingCash"] == ended.get(key, "0")
        ended[key] = row["endingCash"]


LINES = {
    "Dividends": "dividends",
    "Payment In Lieu Of Dividends": "paymentInLieu",
    "Withholding Tax": "withholdingTax",
    "Broker Interest Received": "brokerInterest",
    "Broker Interest Paid": "brokerInterest",
    "Other Fees": "otherFees",
    "Deposits/Withdrawals": "depositWithdrawals",
}


def test_the_lines_of_a_cash_report_are_the_sums_of_the_transactions(past: Past) -> None:
    sums: dict[tuple[str, str, str, str], Decimal] = defaultdict(lambda: ZERO)
    ends = sorted({row["toDate"] for row in past.rows("CashReportCurrency")})
    for row in past.rows("CashTransaction"):
        end = next(day for day in ends if row["reportDate"] <= day)
        sums[row["accountId"], row["currency"], end, LINES[row["type"]]] += Decimal(row["amount"])
    for row in past.rows("CashReportCurrency"):
        if row["currency"] != "BASE_SUMMARY":
            for name in set(LINES.values()):
                assert Decimal(row[name]) == sums[row["accountId"], row["currency"], row["toDate"], name]


def test_a_reader_of_statements_knows_every_word_of_them(past: Past) -> None:
    for file in past.files:
        reading = FlexFile(file.content)
        ignored = {one.reason for one in reading if isinstance(one, Ignored)}
        assert not reading.unknown
        assert not reading.unreadable
        assert ignored <= {"summary_of_other_rows", "repeated", "currency_trade"}


def test_the_cash_is_what_the_rows_brought_and_took(past: Past) -> None:
    cash: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for row in past.rows("CashTransaction"):
        cash[row["accountId"], row["currency"]] += Decimal(row["amount"])
    for row in past.rows("Trade"):
        account = row["accountId"]
        cash[account, row["ibCommissionCurrency"]] += Decimal(row["ibCommission"])
        if row["assetCategory"] != "FUT":
            cash[account, row["currency"]] += Decimal(row["proceeds"])
        if row["assetCategory"] == "CASH":
            cash[account, row["symbol"].partition(".")[0]] += Decimal(row["quantity"])
    for row in past.rows("CashReportCurrency"):
        if row["currency"] != "BASE_SUMMARY":
            cash[row["accountId"], row["currency"]] += Decimal(row["cashSettlingMtm"])
    for account in past.book.accounts.values():
        for currency, amount in account.cash.items():
            assert cash[account.account, currency] == amount


def test_there_is_a_value_for_every_business_day_and_it_is_the_sum_of_its_parts(past: Past) -> None:
    values = past.rows("EquitySummaryByReportDateInBase")
    days = [row["reportDate"] for row in values if row["accountId"] == "DU1000001"]
    first = date(2023, 11, 28)
    assert days == [f"{day:%Y%m%d}" for day in business_days(first, date(2026, 11, 27))]
    for row in values:
        parts = total(Decimal(row[name]) for name in ("cash", "stock", "options", "commodities"))
        assert abs(Decimal(row["total"]) - parts) < ROUNDING
        assert Decimal(row["total"]) > 0


def test_a_years_last_value_is_its_cash_and_its_positions(past: Past) -> None:
    worth: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for row in past.rows("OpenPosition"):
        if row["levelOfDetail"] == "SUMMARY":
            value = row["fifoPnlUnrealized" if row["assetCategory"] == "FUT" else "positionValue"]
            worth[row["accountId"], row["reportDate"]] += Decimal(value) * Decimal(row["fxRateToBase"])
    for row in past.rows("CashReportCurrency"):
        if row["currency"] == "BASE_SUMMARY":
            worth[row["accountId"], row["toDate"]] += Decimal(row["endingCash"])
    told = {
        (row["accountId"], row["toDate"]): Decimal(row["endingValue"]) for row in past.rows("ChangeInNAV")
    }
    assert worth.keys() == told.keys()
    assert all(abs(amount - told[key]) < ROUNDING for key, amount in worth.items())


def test_lots_add_up_to_their_position(past: Past) -> None:
    sums: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for row in past.rows("OpenPosition"):
        sign = 1 if row["levelOfDetail"] == "SUMMARY" else -1
        place = sums[row["accountId"], row["conid"], row["reportDate"]]
        place[0] += sign * Decimal(row["position"])
        place[1] += sign * Decimal(row["costBasisMoney"])
    assert all(one == [0, 0] for one in sums.values())


def test_no_currency_ever_runs_out(past: Past) -> None:
    for row in past.rows("EquitySummaryByReportDateInBase"):
        assert Decimal(row["cash"]) > 0


def test_a_life_is_told_with_all_that_happens_in_one(past: Past) -> None:
    flows = {one.kind for one in past.records if isinstance(one, StatedCashFlow)}
    assert flows >= {
        "deposit", "withdrawal", "dividend", "payment_in_lieu", "withholding_tax", "interest", "fee",
    }  # fmt: skip
    causes = {one.cause for one in past.records if isinstance(one, StatedEvent)}
    assert causes == {"split", "expiry", "exercise_or_assignment", "transfer"}
    closed = [one.realized_pnl or ZERO for one in past.records if isinstance(one, StatedTrade) and one.closes]
    assert min(closed) < 0 < max(closed)
    rates = {(one.currency, one.into) for one in past.records if isinstance(one, StatedRate)}
    assert rates == {("EUR", "USD"), ("GBP", "USD")}
    periods = [one for one in past.records if isinstance(one, StatedPeriod)]
    assert all(one.complete for one in periods)
    names = [one.exec_id for one in past.records if isinstance(one, StatedTrade)]
    assert len(names) == len(set(names))
    assert all(one.quantity == int(one.quantity) for one in past.records if isinstance(one, StatedEvent))


def test_the_same_seed_and_day_give_the_same_files() -> None:
    assert tell(5).files == tell(5).files
    assert tell(5).files != tell(6).files


@pytest.mark.parametrize("first_day", [date(2028, 2, 29), date(2027, 1, 2), date(2027, 7, 5)])
def test_they_end_on_the_last_business_day_before(first_day: date) -> None:
    past = tell(first_day=first_day)
    last = max(one.as_of for one in past.records if isinstance(one, StatedValue))
    assert last == business_day_before(first_day) < first_day
    test_they_end_at_the_books_holdings_cash_and_worth(past)


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_has_a_past(name: str) -> None:
    test_they_end_at_the_books_holdings_cash_and_worth(tell(scenario=name))


def test_a_small_book_has_a_past() -> None:
    past = tell(
        scenario={
            "instruments": [{"conid": 7, "symbol": "ONE", "mark": "10"}],
            "accounts": [{"id": "DU7", "cash": {"USD": "-100"}, "holdings": {"ONE": "7 @ 9.87"}}],
        }
    )
    assert past.first_day == FIRST_DAY
    test_they_end_at_the_books_holdings_cash_and_worth(past)
