from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.rates import BaseRate, cross_rate

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=3)
EUR_ACCOUNT = {
    "EUR": BaseRate(Decimal(1), None),
    "USD": BaseRate(Decimal("0.92"), NOON),
    "JPY": BaseRate(Decimal("0.0061"), LATER),
}


def test_a_rate_between_two_currencies_goes_through_the_base_currency() -> None:
    rate = cross_rate(EUR_ACCOUNT, "USD", "JPY")
    assert rate == (Decimal("150.8196721311"), LATER)
    assert cross_rate(EUR_ACCOUNT, "EUR", "USD") == (Decimal("1.0869565217"), NOON)
    assert cross_rate(EUR_ACCOUNT, "USD", "EUR") == (Decimal("0.92"), NOON)


@pytest.mark.parametrize(("of", "into"), [("GBP", "USD"), ("USD", "GBP"), ("", "USD"), ("USD", "")])
def test_without_both_currencies_there_is_no_rate(of: str, into: str) -> None:
    assert cross_rate(EUR_ACCOUNT, of, into) is None


@pytest.mark.parametrize("absurd", ["0", "-1", "NaN", "Infinity", "1E+300", "1E-300"])
def test_a_rate_that_cannot_be_is_none(absurd: str) -> None:
    rates = {**EUR_ACCOUNT, "XXX": BaseRate(Decimal(absurd), NOON)}
    assert cross_rate(rates, "XXX", "USD") is None
    assert cross_rate(rates, "USD", "XXX") is None


@pytest.mark.parametrize(("of", "into"), [("tiny", "huge"), ("huge", "tiny")])
def test_what_rounds_to_nothing_is_unknown_and_not_free_of_charge(of: str, into: str) -> None:
    rates = {"tiny": BaseRate(Decimal("1E-8"), NOON), "huge": BaseRate(Decimal("1E+8"), NOON)}
    rate = cross_rate(rates, of, into)
    assert (rate is None) is (of == "tiny")


@given(
    st.decimals("0.000001", "1000000", places=7), st.decimals("0.000001", "1000000", places=7).filter(bool)
)
def test_a_rate_is_never_further_off_than_half_its_last_place(one: Decimal, other: Decimal) -> None:
    if not one:
        return
    rate = cross_rate({"A": BaseRate(one, NOON), "B": BaseRate(other, NOON)}, "A", "B")
    if rate is not None:
        assert abs(rate.value * other - one) <= Decimal("0.5E-10") * other
