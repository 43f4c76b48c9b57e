from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.books import Book
from core.domain.reconciliation import (
    COST_LEEWAY,
    Candidate,
    Verdict,
    cost_kind,
    costs_agree,
    difference_kind,
    is_settled,
    judge,
)

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
SETTLE = timedelta(seconds=5)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def book(**said: object) -> Book:
    names = dict.fromkeys(Book._fields)
    ordinary = {
        "account": "U1",
        "conid": 1,
        "cost_method": "fifo",
        "quantity": Decimal(10),
        "last_executed_at": ago(100),
        "broker_quantity": Decimal(10),
        "broker_average_cost": Decimal(10),
        "broker_as_of": ago(50),
        "touched_at": ago(50),
        "first_anchor_at": ago(50),
        "reconciled_at": ago(40),
    }
    return Book(**{**names, **ordinary, **said})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({}, Verdict.MATCHED),
        ({"broker_quantity": None}, Verdict.UNKNOWN),
        ({"broker_quantity": Decimal(9), "touched_at": ago(4)}, Verdict.UNSETTLED),
        ({"broker_quantity": Decimal(9)}, Verdict.DIFFERENT),
        ({"broker_quantity": Decimal(9), "last_executed_at": None}, Verdict.DIFFERENT),
        ({"broker_quantity": Decimal(9), "last_executed_at": ago(49)}, Verdict.OUTDATED),
    ],
)
def test_a_quantity_is_judged_once_it_is_quiet_and_the_broker_spoke_after_the_last_fill(
    said: dict[str, object], verdict: Verdict
) -> None:
    assert judge(book(**said), NOW, SETTLE) is verdict


@pytest.mark.parametrize("known_until", [None, ago(46)])
@pytest.mark.parametrize("quantity", [Decimal(9), Decimal(10)])
def test_nothing_is_settled_while_something_that_was_told_earlier_may_be_on_its_way(
    known_until: datetime | None, quantity: Decimal
) -> None:
    assert judge(book(broker_quantity=quantity), known_until, SETTLE) is Verdict.UNSETTLED
    assert judge(book(broker_quantity=quantity), ago(45), SETTLE) is not Verdict.UNSETTLED


@pytest.mark.parametrize(
    ("ours", "brokers", "kind"),
    [
        ("0", "5", "missing_local"),
        ("5", "0", "missing_broker"),
        ("5", "6", "quantity_mismatch"),
        ("5", "-5", "quantity_mismatch"),
    ],
)
def test_a_difference_in_quantity_is_called_by_who_holds_nothing(ours: str, brokers: str, kind: str) -> None:
    assert difference_kind(Decimal(ours), Decimal(brokers)) == kind


@pytest.mark.parametrize(
    ("cost", "provisional", "said", "kind"),
    [
        ("100", False, {}, "matched"),
        ("100.01", False, {}, "matched"),
        ("100.02", False, {}, "cost_mismatch"),
        ("99.98", False, {}, "cost_mismatch"),
        ("100.02", True, {}, "provisional"),
        ("100", True, {}, "matched"),
        (None, False, {}, "matched"),
        ("100.02", False, {"broker_average_cost": None}, "matched"),
        ("100.02", False, {"last_executed_at": ago(49)}, "matched"),
        ("-100", False, {"quantity": Decimal(-10)}, "matched"),
        ("-99", False, {"quantity": Decimal(-10)}, "cost_mismatch"),
        ("100", False, {"quantity": Decimal(0)}, "matched"),
    ],
)
def test_costs_are_compared_on_the_whole_position_where_both_are_known(
    cost: str | None, provisional: bool, said: dict[str, object], kind: str
) -> None:
    known = None if cost is None else Decimal(cost)
    assert cost_kind(Candidate(book(**said), known, provisional, "STK")) == kind


def test_what_a_held_currency_cost_is_not_compared() -> None:
    told = Candidate(book(), Decimal(105), provisional=False, sec_type="CASH")
    assert [cost_kind(told), cost_kind(told._replace(sec_type="STK"))] == ["matched", "cost_mismatch"]


@given(
    st.decimals(-1_000_000, 1_000_000, places=4).filter(bool),
    st.decimals("0.0001", 100_000, places=6),
)
def test_what_ibkr_loses_in_rounding_an_average_is_no_difference_and_two_cents_more_are(
    quantity: Decimal, average: Decimal
) -> None:
    cost = quantity * average
    told = (cost / quantity).quantize(Decimal("1E-7"))
    assert costs_agree(quantity, cost, told)
    assert not costs_agree(quantity, cost + COST_LEEWAY + abs(quantity) / 1_000_000 + COST_LEEWAY, told)


@pytest.mark.parametrize(
    ("said", "settled"),
    [
        ({}, True),
        ({"touched_at": None}, True),
        ({"touched_at": ago(39)}, False),
        ({"first_anchor_at": None}, False),
        ({"reconciled_at": None}, False),
    ],
)
def test_a_book_is_settled_when_it_was_found_equal_after_all_that_came_in(
    said: dict[str, object], settled: bool
) -> None:
    assert is_settled(book(**said)) is settled
