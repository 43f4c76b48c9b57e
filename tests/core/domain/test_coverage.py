"""What answers cover of time, and what they leave out."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.coverage import (
    EXECUTIONS_OVERLAP,
    LISTENING,
    Answer,
    Span,
    covered_by,
    gap_before,
    joined,
    split,
)

MIDNIGHT = datetime(2026, 11, 21, 5, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """Minutes after the gateway's midnight."""
    return MIDNIGHT + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("last", "answer", "covers_from", "changed", "gap"),
    [
        pytest.param((1, 60), (1, 61), None, None, None, id="asked-for-less"),
        pytest.param((1, 60), (2, 61), 0, None, None, id="later-the-same-day"),
        pytest.param((1, 0), (2, 61), 0, None, None, id="to-the-moment"),
        pytest.param((1, -60), (2, 61), 0, None, (-60, 0), id="connected-anew-the-next-day"),
        pytest.param((1, -0.1), (2, 61), 0, None, (-0.1, 0), id="connected-anew-however-short-it-was"),
        pytest.param((1, -1), (1, 4), 0, -600, None, id="a-connection-that-lasted"),
        pytest.param((1, -1), (1, 4), 0, None, None, id="a-connection-whose-link-never-changed"),
        pytest.param((1, -1), (1, 4), 0, -0.5, (-1, 0), id="a-connection-without-its-ibkr"),
        pytest.param((1, -4), (1, 4), 0, None, (-4, 0), id="answers-that-did-not-come"),
        pytest.param((1, -60), (2, 4), -300, None, None, id="a-trade-log-of-seven-days"),
    ],
)
def test_a_gap_is_what_no_answer_covers_and_nobody_listened_to(
    last: tuple[int, float],
    answer: tuple[int, float],
    covers_from: float | None,
    changed: float | None,
    gap: tuple[float, float] | None,
) -> None:
    found = gap_before(
        Answer(last[0], at(last[1])),
        Answer(answer[0], at(answer[1])),
        None if covers_from is None else at(covers_from),
        None if changed is None else at(changed),
    )
    assert found == (None if gap is None else Span(at(gap[0]), at(gap[1])))


def test_an_answer_covers_what_it_was_asked_for() -> None:
    answer = Answer(1, at(10))
    assert covered_by(answer, at(0), answer, None) == Span(at(0), at(10))
    assert covered_by(answer, None, answer, None) == Span(at(10) - EXECUTIONS_OVERLAP, at(10))


def test_an_answer_before_another_of_its_connection_covers_what_was_listened_to_after_it() -> None:
    answer = Answer(1, at(-1))
    assert covered_by(answer, at(-5), Answer(1, at(1)), None).end == at(1)
    assert covered_by(answer, at(-5), Answer(1, at(60)), None).end == at(-1) + LISTENING
    assert covered_by(answer, at(-5), Answer(2, at(1)), None).end == at(-1)
    assert covered_by(answer, at(-5), Answer(1, at(1)), at(-2)).end == at(1)
    assert covered_by(answer, at(-5), Answer(1, at(1)), at(0)).end == at(-1)


spans = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: Span(*map(at, sorted(pair))))


def moments(some: list[Span]) -> set[int]:
    """The minutes that spans hold, each named by its beginning."""
    return {minute for span in some for minute in range(61) if span.start <= at(minute) < span.end}


@given(st.lists(spans))
def test_joined_spans_are_the_same_time_apart_and_in_order(some: list[Span]) -> None:
    result = joined(some)
    assert moments(result) == moments(some)
    assert all(span.start < span.end for span in result)
    assert all(one.end < other.start for one, other in pairwise(result))


@given(spans.filter(lambda span: span.start < span.end), spans)
def test_a_gap_is_split_into_what_is_covered_and_what_is_left(gap: Span, cover: Span) -> None:
    covered, left = split(gap, cover)
    assert moments(left) == moments([gap]) - moments([cover])
    assert moments([covered] if covered else []) == moments([gap]) & moments([cover])
    assert len(left) <= 2
