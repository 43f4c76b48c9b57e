import random

from hypothesis import given
from hypothesis import strategies as st

from services.broker.backoff import backoff_seconds


class Most(random.Random):
    """Always the most that is allowed."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def test_the_first_attempts_are_quick_and_stay_so_for_minutes() -> None:
    waits = [backoff_seconds(attempt, 10, "gateway_unreachable", Most()) for attempt in range(6)]
    assert waits == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]


def test_a_long_outage_is_asked_about_every_half_minute_at_most() -> None:
    assert backoff_seconds(40, 301, "gateway_unreachable", Most()) == 30.0


def test_where_a_person_has_to_act_the_waits_grow_at_once() -> None:
    waits = [backoff_seconds(attempt, 1, "needs_login", Most()) for attempt in range(8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@given(attempt=st.integers(0, 10_000), down=st.floats(0, 1e6), seed=st.integers())
def test_no_wait_is_negative_or_longer_than_half_a_minute(attempt: int, down: float, seed: int) -> None:
    wait = backoff_seconds(attempt, down, "gateway_silent", random.Random(seed))  # noqa: S311 - jitter
    assert 0 <= wait <= 30
