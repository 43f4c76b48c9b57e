"""Numbers, dates and times in the spellings that a Flex query can be set to."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.statements.values import Calendar, Memo, Moment, read_codes, read_number, read_whole

AT = datetime(2023, 1, 3, 14, 30, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "20230103;093000",
        "20230103,093000",
        "20230103, 093000",
        "20230103 093000",
        "20230103093000",
        "2023-01-03;09:30:00",
        "2023-01-03, 09:30:00",
        "2023-01-03 09:30:00",
        "2023-01-03T09:30:00",
        "2023-01-03;093000",
        "20230103;09:30",
        "01/03/2023;09:30:00",
        "1/3/23 09:30:00",
        "03-Jan-23;093000",
        "03-JAN-2023 09:30:00",
    ],
)
def test_every_spelling_of_a_time_is_the_same_time_in_eastern_time(text: str) -> None:
    assert Calendar().read_moment(text) == Moment(AT, zone_assumed=True, timed=True)


@pytest.mark.parametrize(
    "text",
    [
        "20230103;093000 EST",
        "2023-01-03, 09:30:00 EST",
        "2023-01-03 10:30:00 EDT",
        "20230103;143000 UTC",
        "20230103;143000Z",
        "2023-01-03T09:30:00-05:00",
        "20230103;153000 +0100",
        "20230103;093000 US/Eastern",
        "20230103;153000 Europe/Zurich",
    ],
)
def test_a_zone_that_is_stated_counts_and_nothing_is_assumed(text: str) -> None:
    assert Calendar().read_moment(text) == Moment(AT, zone_assumed=False, timed=True)


def test_summer_time_is_known() -> None:
    moment = Calendar().read_moment("20230703;093000")
    assert moment is not None
    assert moment.at == datetime(2023, 7, 3, 13, 30, tzinfo=UTC)


def test_a_day_without_an_hour_says_that_it_has_none() -> None:
    assert Calendar().read_moment("2023-01-03") == Moment(
        datetime(2023, 1, 3, 5, tzinfo=UTC), zone_assumed=True, timed=False
    )


@pytest.mark.parametrize(
    "text",
    [
        "20230230",
        "20230103;096000",
        "20230103;0930aa",
        "20230230;093000",
        "20231301;000000",
        "20230103;246000",
        "soon",
        "20230103;093000 Mars",
        "0",
        "03-Foo-23",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert Calendar().read_moment(text) is None
    assert Calendar().read_date(text.partition(";")[0]) is None or ";" in text


@given(st.dates(date(1990, 1, 1), date(2068, 12, 31)))
def test_every_day_reads_the_same_however_it_is_spelled(day: date) -> None:
    calendar = Calendar()
    assert {calendar.read_date(day.strftime(form)) for form in ("%Y%m%d", "%Y-%m-%d", "%d-%b-%Y")} == {day}
    assert Calendar().read_moment(day.strftime("%Y%m%d;235959")) is not None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2068, 12, 31)))  # noqa: DTZ001 - local times, to be spelled
def test_every_time_reads_the_same_however_it_is_spelled(at: datetime) -> None:
    forms = ("%Y%m%d;%H%M%S", "%Y-%m-%d, %H:%M:%S", "%Y%m%d%H%M%S", "%d-%b-%y %H:%M:%S")
    calendar = Calendar()
    moments = {calendar.read_moment(at.strftime(form)) for form in forms}
    assert len(moments) == 1
    assert None not in moments


def test_slashes_are_read_month_first_unless_the_first_one_says_otherwise() -> None:
    month_first = Calendar()
    assert month_first.read_date("05/06/2023") == date(2023, 5, 6)
    assert month_first.read_date("13/06/2023") is None, "a contradiction is not guessed at"
    day_first = Calendar()
    assert day_first.read_date("13/06/2023") == date(2023, 6, 13)
    assert day_first.read_date("05/06/2023") == date(2023, 6, 5)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-34.74", "-34.74"),
        ("0.0013", "0.0013"),
        ("-0", "-0"),
        ("1E-7", "1E-7"),
        ("21,792.73", "21792.73"),
        ("-1,234,567", "-1234567"),
        ("1,5", None),
        ("12,34,567", None),
        ("1_0", None),
        ("１２", None),
        ("1E999999", None),
        ("NaN", None),
        ("N/A", None),
    ],
)
def test_a_number_is_what_its_text_says_or_none(text: str, number: str | None) -> None:
    read = read_number(text)
    assert read == (None if number is None else Decimal(number))
    assert read is None or str(read) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**15), max_value=10**15))
def test_no_digit_of_a_number_is_lost(number: Decimal) -> None:
    assert str(read_number(str(number))) == str(number)
    assert read_number(f"{number:,.8f}") == number


def test_whole_numbers_and_codes() -> None:
    assert read_whole("265598") == 265598
    assert read_whole("1.5") is None
    assert read_whole("9" * 5000) is None
    assert read_codes("A;P") == ("A", "P")
    assert read_codes("C; Ep") == ("C", "Ep")
    assert read_codes("--") == ()


def test_nothing_is_nothing_and_what_cannot_be_read_is_told_each_time() -> None:
    unreadable: list[str] = []
    memo = Memo(read_number, unreadable)
    assert [memo[text] for text in ("", "--", " ", "x", "1", "x")] == [None, None, None, None, 1, None]
    assert unreadable == ["x", "x"]


def test_the_memory_of_texts_has_an_end() -> None:
    memo = Memo(read_number, [])
    for number in range(3 * Memo.MOST):
        assert memo[str(number)] == number
    assert len(memo) <= Memo.MOST
