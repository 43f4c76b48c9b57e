from datetime import date
from decimal import Decimal

import pytest

from core.domain.benchmarks import MOST_BYTES, Level, NotLevelsError, levels_of
from core.domain.names import why_no_name
from core.errors import FaultyRowsError

TODAY = date(2026, 11, 20)


def read(content: str | bytes) -> list[Level]:
    return levels_of(content if isinstance(content, bytes) else content.encode(), "spx.csv", TODAY)


@pytest.mark.parametrize(
    "content",
    [
        "date,level\n2026-11-19,4500.25\n2026-11-18,4400\n",
        "\ufeffLevel;x; Date \r\n4500.25;;2026-11-19\r\n\r\n4400;a;2026-11-18\r\n",
        'date,level\n"2026-11-18","4400"\n2026-11-19,4500.25',
    ],
)
def test_levels_are_read_oldest_first_whatever_the_order_and_the_other_columns(content: str) -> None:
    assert read(content) == [
        Level(date(2026, 11, 18), Decimal(4400)),
        Level(date(2026, 11, 19), Decimal("4500.25")),
    ]


def test_all_that_is_wrong_with_rows_is_told_with_its_line() -> None:
    with pytest.raises(FaultyRowsError) as told:
        read(
            "date,level\n2026-11-18,4400\n18.11.2026,1\n2026-11-18,1\n2026-11-21,1\n2026-11-19,0\n"
            "2026-11-17,NaN\n2026-11-16,x\n2026-11-15,1,2\n2026-11-14\n2026-11-13,1E+40\n"
        )
    assert str(told.value).splitlines()[1:] == [
        "  line 3, date: '18.11.2026' is not a day such as 2026-11-20",
        "  line 4, date: 2026-11-18 is there twice",
        "  line 5, date: 2026-11-21 is still to come",
        "  line 6, level: '0' is not a number above zero",
        "  line 7, level: 'NaN' is not a number above zero",
        "  line 8, level: 'x' is not a number above zero",
        "  line 9: it has 3 fields, and there are 2 columns",
        "  line 10, level: '' is not a number above zero",
        "  line 11, level: '1E+40' is not a number above zero",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the first line must name the columns"),
        (b"day,close\n2026-11-18,1\n", "the first line must name the columns"),
        (b"date,level,date\n", "once each"),
        (b"date,level\n", "there are no rows"),
        (b"date,level\n2026-11-18,\xff\n", "line 2: it is not UTF-8"),
        (b'date,level\n2026-11-18,"1\n', "line 2: it cannot be told apart"),
        (b"x" * (MOST_BYTES + 1), "larger than 16 MiB"),
    ],
)
def test_what_is_no_file_of_levels_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(NotLevelsError, match=said):
        read(content)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("S&P 500 TR", None),
        ("", "is empty"),
        ("a ", "begins or ends with a space"),
        ("a\0b", "cannot be printed"),
        ("x" * 65, "longer than 64"),
        ("-x", "begins with a dash"),
    ],
)
def test_names_can_be_shown_and_typed(name: str, wrong: str | None) -> None:
    told = why_no_name(name)
    assert told is None if wrong is None else wrong in (told or "")
