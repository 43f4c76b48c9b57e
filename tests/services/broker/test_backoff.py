import random

from hypothesis import given
from hypothesis import strategies as st

from core.clock import utc_now
from services.broker.backoff import Patience, backoff_seconds


class Least(random.Random):
    """Always the least that is allowed."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


class Most(random.Random):
    """Always the most that is allowed."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def test_the_first_attempts_are_quick_and_stay_so_for_minutes() -> None:
    waits = [backoff_seconds(attempt, 10, "gateway_unreachable", Most()) for attempt in range(6)]
    assert waits == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]


def test_a_gateway_that_does_not_serve_is_asked_every_half_minute_after_a_while() -> None:
    assert backoff_seconds(40, 299, "gateway_not_answering", Most()) == 2.0
    assert backoff_seconds(40, 301, "gateway_not_answering", Most()) == 30.0


def test_one_that_is_not_there_is_found_soon_after_it_is_back_however_long_it_was_away() -> None:
    assert backoff_seconds(40_000, 86_400, "gateway_unreachable", Most()) == 2.0


def test_where_a_person_has_to_act_the_waits_grow_at_once() -> None:
    waits = [backoff_seconds(attempt, 1, "client_id_in_use", Most()) for attempt in range(8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_the_client_id_of_a_link_that_was_replaced_is_asked_for_all_the_time() -> None:
    patience = Patience(utc_now, Most())
    waits = [patience.after_failure("client_id_in_use", took_over=True) for _ in range(8)]
    assert waits == [0.5, 1.0, *[2.0] * 6]
    assert patience.after_failure("client_id_in_use") == 30.0


def test_a_login_that_is_needed_is_waited_for_calmly() -> None:
    waits = [backoff_seconds(attempt, 1, "needs_login", Most()) for attempt in range(5)]
    assert waits == [4.0, 8.0, 16.0, 30.0, 30.0]
    shortest = [backoff_seconds(attempt, 1, "needs_login", Least()) for attempt in range(5)]
    assert shortest == [2.0, 4.0, 8.0, 15.0, 15.0]


def test_a_connection_that_lasted_is_made_again_at_once_and_one_that_did_not_is_not() -> None:
    patience = Patience(utc_now, Most())
    assert [patience.after_connection(1, "gateway_unreachable") for _ in range(4)] == [0.0, 0.5, 1.0, 2.0]
    assert patience.after_connection(60, "gateway_unreachable") == 0.0
    assert patience.after_connection(60, "needs_login") == 4.0
    assert patience.after_failure("gateway_unreachable") == 1.0
    assert patience.begin_anew() == 0.0
    assert patience.after_failure("gateway_unreachable") == 0.5


@given(attempt=st.integers(0, 10_000), down=st.floats(0, 1e6), seed=st.integers())
def test_no_wait_is_negative_or_longer_than_half_a_minute(attempt: int, down: float, seed: int) -> None:
    wait = backoff_seconds(attempt, down, "gateway_silent", random.Random(seed))  # noqa: S311 - jitter
    assert 0 <= wait <= 30
