import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.money import UNSET_DOUBLE, decimal_from_float, decimal_from_text, is_usable, plain


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, UNSET_DOUBLE, -UNSET_DOUBLE])
def test_a_sentinel_is_unknown_and_not_zero(value: float | None) -> None:
    assert decimal_from_float(value) is None


@pytest.mark.parametrize(
    "value", ["", "abc", "NaN", "Infinity", "1.7976931348623157E308", "1.7976931348623157e+308"]
)
def test_a_text_that_is_no_number_is_unknown(value: str) -> None:
    assert decimal_from_text(value) is None


def test_a_decimal_passes_through_unless_it_is_no_number() -> None:
    assert decimal_from_float(Decimal("1.10")) == Decimal("1.10")
    assert decimal_from_float(Decimal("NaN")) is None


def test_a_float_becomes_what_it_spells() -> None:
    assert decimal_from_float(0.1) == Decimal("0.1")
    assert decimal_from_text("-110.50") == Decimal("-110.50")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+2", "100"),
        ("1.500", "1.5"),
        ("-0.00", "0"),
        ("0", "0"),
        ("1E-8", "0.00000001"),
        ("-3.10", "-3.1"),
        ("100", "100"),
    ],
)
def test_decimals_are_spelled_plainly(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8))
def test_spelling_loses_nothing(value: Decimal) -> None:
    assert Decimal(plain(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_the_decimal_of_a_float_is_the_float(value: float) -> None:
    decimal = decimal_from_float(value)
    assert decimal is not None
    assert float(decimal) == value


@pytest.mark.parametrize(
    ("spelled", "usable"),
    [
        ("0", True),
        ("-123456789012345678", True),
        ("1234567890123456789", False),
        ("999999999999999999.9999999", True),
        ("999999999999999999.99999999", False),
        ("1E+17", True),
        ("1E+18", False),
        ("1E-30", True),
        ("1E-31", False),
        ("0.000000000000000000000000000001", True),
        ("0.0000000000000000000000000000001", False),
        ("NaN", False),
        ("-Infinity", False),
    ],
)
def test_a_figure_is_usable_up_to_what_can_be_reckoned_with_exactly(spelled: str, usable: bool) -> None:
    assert is_usable(Decimal(spelled)) is usable


@given(st.integers(0, 10**20), st.integers(-32, 20), st.sampled_from((-1, 1)))
def test_however_a_figure_is_spelled_its_digits_tell_whether_it_is_usable(
    digits: int, exponent: int, sign: int
) -> None:
    number = (Decimal(digits) * sign).scaleb(exponent)
    fits = number.adjusted() < 18 and exponent >= -30
    assert is_usable(number) is fits
