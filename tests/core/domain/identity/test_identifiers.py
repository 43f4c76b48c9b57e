import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.identity.identifiers import country_of, cusip_within, is_cusip, is_figi, is_isin

ISINS = (
    *("US0378331005", "AU0000XVGZA3", "GB0002634946", "DE0007164600", "KYG017191142", "IE00B4L5Y983"),
    "US5949181045",
)
CUSIPS = ("037833100", "17275R102", "38259P508", "594918104", "68389X105", "G01719114")
FIGIS = ("BBG000BLNQ16", "BBG000B9XRY4", "BBG000BLNNH6", "BBG001S5N8V8", "NRG92C84SB39")
LETTERS = string.digits + string.ascii_uppercase


@pytest.mark.parametrize("isin", ISINS)
def test_published_isins_have_their_check_digit_and_no_other(isin: str) -> None:
    assert [digit for digit in string.digits if is_isin(isin[:-1] + digit)] == [isin[-1]]


@pytest.mark.parametrize("cusip", CUSIPS)
def test_published_cusips_have_their_check_digit_and_no_other(cusip: str) -> None:
    assert [digit for digit in string.digits if is_cusip(cusip[:-1] + digit)] == [cusip[-1]]


@pytest.mark.parametrize("figi", FIGIS)
def test_published_figis_have_their_check_digit_and_no_other(figi: str) -> None:
    assert [digit for digit in string.digits if is_figi(figi[:-1] + digit)] == [figi[-1]]


@pytest.mark.parametrize(
    "text",
    ["", "US037833100", "US03783310055", "us0378331005", "0S0378331005", "US037833100X", "US٣378331005"],
)
def test_what_is_not_spelled_like_an_isin_is_none(text: str) -> None:
    assert not is_isin(text)


@pytest.mark.parametrize("text", ["", "BBG000B9XRA4", "BBH000B9XRY4", "GBG000B9XRY4", "bbg000b9xry4"])
def test_what_is_not_spelled_like_a_figi_is_none(text: str) -> None:
    assert not is_figi(text)


@given(st.sampled_from(ISINS), st.integers(2, 10), st.sampled_from(string.digits))
def test_any_one_digit_that_is_mistyped_is_noticed(isin: str, place: int, digit: str) -> None:
    mistyped = isin[:place] + digit + isin[place + 1 :]
    if isin[place].isdigit() and digit != isin[place]:
        assert not is_isin(mistyped)


@given(st.text(LETTERS, min_size=8, max_size=8))
def test_an_isin_of_the_united_states_gives_back_the_cusip_that_it_is_made_of(number: str) -> None:
    (cusip,) = [number + digit for digit in string.digits if is_cusip(number + digit)]
    (isin,) = [f"US{cusip}{digit}" for digit in string.digits if is_isin(f"US{cusip}{digit}")]
    assert cusip_within(isin) == cusip


def test_a_national_number_that_happens_to_look_like_a_cusip_is_none() -> None:
    # 000000000 has the check digit of a CUSIP, and is a German number here.
    (isin,) = [f"DE000000000{digit}" for digit in string.digits if is_isin(f"DE000000000{digit}")]
    assert is_cusip("000000000")
    assert cusip_within(isin) == ""
    assert cusip_within("KYG017191142") == "G01719114", "a CINS begins with a letter"


def test_only_what_is_a_country_counts_as_one() -> None:
    prefixes = ["US", "DE", "QA", "XS", "EU", "QS", "ZZ", "AA"]
    assert [country_of(f"{prefix}0000000000") for prefix in prefixes] == ["US", "DE", "QA", *[None] * 5]
