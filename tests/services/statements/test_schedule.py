"""Which query is due, and when."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.statements.schedule import (
    AGAIN_AFTER,
    SPREAD_MINUTES,
    TRIES_A_DAY,
    Try,
    due_at,
)

QUERY = "800969"
HOUR = 5
NEW_YORK = ZoneInfo("US/Eastern")
NOON = datetime(2026, 7, 15, 16, tzinfo=UTC)
"""Noon in New York."""

CATEGORIES = ["network", "rate_limit", "parsing", "validation", "database"]


def due(*tries: Try, now: datetime = NOON, mark: str = "a", query: str = QUERY) -> datetime | None:
    return due_at(query, tries, now, HOUR, mark)


def well(at: datetime, *, asked: bool = False) -> Try:
    return Try(at, None, "a", asked)


def failed(at: datetime, category: str = "network", mark: str = "a", *, asked: bool = False) -> Try:
    return Try(at, category, mark, asked)  # type: ignore[arg-type] - one of them


BEGIN = due()
assert BEGIN is not None
TOMORROW = BEGIN + timedelta(days=1)


def test_what_was_never_fetched_is_due_since_the_morning_in_new_york() -> None:
    assert BEGIN is not None
    local = BEGIN.astimezone(NEW_YORK)
    assert (local.date(), local.hour) == (NOON.date(), HOUR)
    assert timedelta() <= timedelta(minutes=local.minute) < timedelta(minutes=SPREAD_MINUTES)


def test_each_query_has_minutes_of_its_own_the_same_every_day() -> None:
    found = {due(query=str(query)) for query in range(50)}
    assert len(found) > 40
    assert due(now=NOON + timedelta(days=1)) == TOMORROW


def test_before_the_hour_it_is_still_the_day_before() -> None:
    early = BEGIN - timedelta(seconds=1)
    assert due(now=early) == BEGIN - timedelta(days=1)
    assert due(well(early - timedelta(hours=20)), now=early) == BEGIN
    assert due(well(early - timedelta(hours=20)), now=BEGIN) == BEGIN


def test_once_a_day_is_enough() -> None:
    assert due(well(BEGIN)) == TOMORROW
    assert due(well(BEGIN), failed(BEGIN + timedelta(minutes=1))) == TOMORROW
    assert due(well(BEGIN - timedelta(minutes=1))) == BEGIN


def test_one_that_somebody_asked_for_is_no_daily_one() -> None:
    assert due(well(BEGIN, asked=True)) == BEGIN
    assert due(failed(BEGIN, asked=True)) == BEGIN


@pytest.mark.parametrize("category", CATEGORIES)
def test_what_failed_is_tried_again_after_growing_waits_a_few_times_a_day(category: str) -> None:
    tries: list[Try] = []
    at = BEGIN
    waits = []
    while at is not None and at < TOMORROW:
        tries.append(failed(at, category))
        later = due(*tries, now=max(at, NOON))
        assert later is not None
        waits.append(later - at)
        at = later
    assert waits[:-1] == list(AGAIN_AFTER)
    assert waits == sorted(waits)
    assert len(tries) == TRIES_A_DAY
    assert at == TOMORROW
    assert due(*tries, now=TOMORROW) == TOMORROW


def test_a_failure_late_in_the_day_is_overtaken_by_the_next_day() -> None:
    late = TOMORROW - timedelta(minutes=1)
    assert due(failed(late), now=late) == TOMORROW


def test_a_refused_token_is_not_tried_again_before_it_is_another() -> None:
    refused = failed(BEGIN, "auth")
    for now in (NOON, NOON + timedelta(days=40)):
        assert due(refused, now=now) is None
        assert due(failed(BEGIN - timedelta(hours=1)), refused, now=now) is None
    assert due(refused, mark="b") == BEGIN
    assert due(refused, failed(NOON, mark="b"), mark="b") == NOON + AGAIN_AFTER[0]


def test_a_refused_token_that_works_when_somebody_asks_is_tried_again() -> None:
    refused = failed(BEGIN, "auth")
    assert due(refused, well(BEGIN + timedelta(hours=1), asked=True)) == BEGIN + AGAIN_AFTER[0]


def test_what_a_clock_that_was_set_back_wrote_does_not_count() -> None:
    assert due(well(NOON + timedelta(hours=1))) == BEGIN
    assert due(failed(NOON + timedelta(hours=1), "auth")) == BEGIN


def test_a_day_of_25_hours_has_a_begin_of_its_own() -> None:
    """At 23:05 of the Sunday, 24 hours ago it was Sunday already."""
    now = datetime(2026, 11, 2, 4, 5, tzinfo=UTC)
    begin = due_at(QUERY, [], now, 23, "a")
    assert begin is not None
    assert begin.astimezone(NEW_YORK).date() == date(2026, 10, 31)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001 - made aware below
    st.integers(0, 23),
    st.integers(0, 999_999),
)
def test_every_day_has_one_begin_also_where_the_clock_changes(
    moment: datetime, hour: int, query: int
) -> None:
    now = moment.replace(tzinfo=UTC)
    begin = due_at(str(query), [], now, hour, "a")
    assert begin is not None
    assert begin <= now
    after = due_at(str(query), [well(begin)], now, hour, "a")
    assert after is not None
    assert after > now
    assert timedelta(hours=22) < after - begin < timedelta(hours=26)
    assert after.astimezone(NEW_YORK).date() == begin.astimezone(NEW_YORK).date() + timedelta(days=1)


@given(st.lists(st.tuples(st.integers(0, 5 * 24 * 60), st.sampled_from(CATEGORIES)), max_size=40))
def test_whatever_failed_there_are_never_more_than_a_few_tries_a_day(before: list[tuple[int, str]]) -> None:
    start = BEGIN - timedelta(days=5)
    tries = [failed(start + timedelta(minutes=minutes), category) for minutes, category in before]
    known = len([one for one in tries if one.started_at >= BEGIN])
    now = BEGIN
    made = 0
    while now < TOMORROW:
        at = due(*tries, now=now)
        assert at is not None
        if at > now:
            now = at
            continue
        tries.append(failed(now))
        made += 1
    assert made <= max(0, TRIES_A_DAY - known)
