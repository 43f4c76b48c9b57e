"""Bars of what came and what did not."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.outages import STEPS, HistoryRange, Missing, bars, next_relogin

UNTIL = datetime(2026, 11, 20, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("chosen", ["24h", "7d", "90d"])
def test_bars_cover_the_range_without_a_gap_and_without_an_overlap(chosen: HistoryRange) -> None:
    found = bars(chosen, UNTIL, UNTIL - timedelta(days=400), [], {})
    step, many = STEPS[chosen]
    assert (len(found), found[-1].end, found[0].start) == (many, UNTIL, UNTIL - step * many)
    assert all(one.end == other.start for one, other in pairwise(found))
    assert {bar.status for bar in found} == {"ok"}


def test_the_worst_wins_and_what_was_before_the_first_is_unknown() -> None:
    missing = [Missing(UNTIL - 3 * HOUR, UNTIL - 2 * HOUR, "needs_login")]
    away = {21: ["disconnected"], 23: ["ib_1100"]}
    found = bars("24h", UNTIL, UNTIL - 20 * HOUR, missing, away)
    assert [bar.status for bar in found[:4]] == ["unknown"] * 4
    assert [bar.status for bar in found[4:]] == ["ok"] * 17 + ["missing", "missing", "interrupted"]
    assert found[21].reasons == ("needs_login", "disconnected")
    assert {bar.status for bar in bars("24h", UNTIL, None, missing, away)} == {"unknown"}


@given(st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_next_login_is_on_sunday_in_new_york_within_a_week(now: datetime) -> None:
    found = next_relogin(now)
    assert timedelta(0) < found - now <= timedelta(days=7, hours=1)
    assert found.weekday() == 6
    assert found.hour in {5, 6}


def test_at_the_moment_itself_the_next_is_a_week_on() -> None:
    assert next_relogin(datetime(2026, 11, 22, 5, 59, tzinfo=UTC)) == datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert next_relogin(datetime(2026, 11, 22, 6, tzinfo=UTC)) == datetime(2026, 11, 29, 6, tzinfo=UTC)
