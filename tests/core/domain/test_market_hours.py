"""When markets are open, as contract details tell."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from core.domain.market_hours import is_open, read_hours

NEW_YORK = ZoneInfo("America/New_York")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_a_market_is_open_within_its_sessions_and_nothing_is_known_of_days_that_are_not_told() -> None:
    hours = read_hours("20261120:0930-20261120:1600;20261121:CLOSED", NEW_YORK)
    assert hours is not None
    assert [is_open(hours, at(20, hour, 30)) for hour in (13, 14, 20)] == [False, True, True]
    assert is_open(hours, at(20, 21)) is False, "until just before the end"
    assert is_open(hours, at(21, 15)) is False
    assert is_open(hours, at(19, 15)) is None
    assert is_open(hours, at(22, 15)) is None


def test_a_session_that_begins_on_the_evening_before_is_known_from_then_on() -> None:
    hours = read_hours("20261120:20261119:1800-20261120:1700", NEW_YORK) or read_hours(
        "20261119:1800-20261120:1700", NEW_YORK
    )
    assert hours is not None
    assert is_open(hours, at(20, 0)) is True


def test_the_older_spelling_and_breaks_are_read() -> None:
    hours = read_hours("20261120:0930-1200,1300-1600", NEW_YORK)
    assert hours is not None
    assert [is_open(hours, at(20, hour, 30)) for hour in (16, 17, 18)] == [True, False, True]


def test_the_end_of_a_day_may_be_called_2400() -> None:
    hours = read_hours("20261120:0000-20261120:2400", ZoneInfo("UTC"))
    assert hours is not None
    assert is_open(hours, at(20, 23, 59)) is True


@pytest.mark.parametrize("spelled", ["", ";", "rubbish", "20261120:25-26", "20261399:0930-1600", "20261120:"])
def test_what_cannot_be_read_is_not_known(spelled: str) -> None:
    assert read_hours(spelled, NEW_YORK) is None
