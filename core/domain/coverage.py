"""Of which time the executions are known: what answers cover, and the gaps that no answer covers any more.

A gateway tells the executions since its last midnight only (IBKR's API reference; a TWS those of up to seven
days, where its trade log is set so). What nobody listened to before that it cannot tell any more.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

EXECUTIONS_OVERLAP = timedelta(minutes=2)
"""A request for the executions since the last answer reaches back so far before it."""

LISTENING = timedelta(minutes=3)
"""Between two answers so far apart a connection that lasted listened all the time."""


class Span(NamedTuple):
    """A time, from a moment to another."""

    start: datetime
    end: datetime


class Answer(NamedTuple):
    """An answer that told executions completely: over which connection, and up to when."""

    epoch: int
    as_of: datetime


def covered_by(
    answer: Answer, covers_from: datetime | None, newest: Answer, broken_at: datetime | None
) -> Span:
    """The time that an answer covers.

    One that is older than the ``newest`` of the same connection also covers what was listened to after it,
    unless it is not known to have been: see ``gap_before``.
    """
    start = answer.as_of - EXECUTIONS_OVERLAP if covers_from is None else covers_from
    end = answer.as_of
    lasted = newest.epoch == answer.epoch and (broken_at is None or broken_at <= end)
    if lasted and newest.as_of > end:
        end = min(newest.as_of, end + LISTENING)
    return Span(start, end)


def gap_before(
    last: Answer, answer: Answer, covers_from: datetime | None, broken_at: datetime | None
) -> Span | None:
    """The time after the ``last`` answer that ``answer`` does not cover and that nobody listened to.

    ``broken_at`` is when the state of the links last changed, or something that was told was lost on its way:
    an answer before that is not known to have been followed by all that was heard.
    """
    if covers_from is None or covers_from <= last.as_of:
        return None
    lasted = last.epoch == answer.epoch and (broken_at is None or broken_at <= last.as_of)
    if lasted and covers_from - last.as_of <= LISTENING:
        return None
    return Span(last.as_of, covers_from)


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in as few spans as possible, in order; empty ones are left out."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span.start < span.end):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


def split(gap: Span, cover: Span) -> tuple[Span | None, list[Span]]:
    """What ``cover`` takes of a gap, and what is left of it."""
    covered = Span(max(gap.start, cover.start), min(gap.end, cover.end))
    if covered.start >= covered.end:
        return None, [gap]
    left = [Span(gap.start, covered.start), Span(covered.end, gap.end)]
    return covered, [span for span in left if span.start < span.end]
