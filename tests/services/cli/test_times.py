"""A day means the same to every command: the broker's, from its start, or to its end."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.cli.times import WrongTimeError, end_at, start_at


@pytest.mark.parametrize(
    ("spelled", "start", "end"),
    [
        ("2026-11-20", datetime(2026, 11, 20, 5, tzinfo=UTC), datetime(2026, 11, 21, 5, tzinfo=UTC)),
        # Clocks were put back in New York.
        ("2026-11-01", datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC)),
    ],
)
def test_a_day_is_the_brokers(spelled: str, start: datetime, end: datetime) -> None:
    assert (start_at(spelled, "--from"), end_at(spelled, "--to")) == (start, end)


def test_a_time_is_itself_whichever_end_it_is() -> None:
    at = datetime(2026, 11, 20, 15, 30, tzinfo=timezone(timedelta(hours=2)))
    assert start_at("2026-11-20T15:30+02:00", "--from") == end_at("2026-11-20T15:30+02:00", "--to") == at


@pytest.mark.parametrize(
    "spelled",
    [
        "yesterday",
        "9999-12-31T00:00",
        "",
        "2026-13-01",
        "2026-11-20T15:30",
        "0001-01-01T00:00+14:00",
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_its_option(spelled: str) -> None:
    with pytest.raises(WrongTimeError, match=r"--from: .* (is no time|has no zone)"):
        start_at(spelled, "--from")
