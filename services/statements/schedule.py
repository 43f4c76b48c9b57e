"""Which query is due: once a day each, after the day's statements are ready, and again when it failed.

A day begins at the configured hour in New York, some minutes later for each query, the same minutes each day.
Activity statements change once a day, after midnight there, so there is nothing to gain by asking more often.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from core.errors import ErrorCategory

NEW_YORK: Final = ZoneInfo("America/New_York")
SPREAD_MINUTES: Final = 30
AGAIN_AFTER: Final = (
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(hours=1),
    timedelta(hours=3),
)
"""After each failure of a day; after one more, the next day."""

TRIES_A_DAY: Final = len(AGAIN_AFTER) + 1


class Try(NamedTuple):
    """One fetch of a query. ``category`` is ``None`` where it did not fail.

    ``token_mark`` says with which token. One that was broken off counts as failed. One that somebody
    ``asked`` for is no daily one.
    """

    started_at: datetime
    category: ErrorCategory | None
    token_mark: str
    asked: bool = False


def due_at(query_id: str, tries: Sequence[Try], now: datetime, hour: int, token_mark: str) -> datetime | None:
    """From when on ``query_id`` is to be fetched; ``None``: not before the token is another.

    ``tries`` are its last ones in any order, at least those of the last days. What lies in the future was
    written by a clock that has been set back since, and does not count.
    """
    past = sorted(one for one in tries if one.started_at <= now)
    if past and past[-1].category == "auth" and past[-1].token_mark == token_mark:
        return None
    begin = _day_begin(query_id, now, hour)
    today = [one for one in past if one.started_at >= begin and not one.asked]
    tomorrow = _begin_after(query_id, begin, hour)
    if any(one.category is None for one in today):
        return tomorrow
    failed = [one for one in today if one.token_mark == token_mark]
    if not failed:
        return begin
    if len(failed) >= TRIES_A_DAY:
        return tomorrow
    return min(failed[-1].started_at + AGAIN_AFTER[len(failed) - 1], tomorrow)


def _day_begin(query_id: str, now: datetime, hour: int) -> datetime:
    """The last begin of a day that is not after ``now``."""
    today = now.astimezone(NEW_YORK).date()
    begin = _begin_on(query_id, today, hour)
    return begin if begin <= now else _begin_on(query_id, today - timedelta(days=1), hour)


def _begin_after(query_id: str, begin: datetime, hour: int) -> datetime:
    # The days of a time change have 23 and 25 hours: 26 later is always in the next one.
    return _day_begin(query_id, begin + timedelta(hours=26), hour)


def _begin_on(query_id: str, day: date, hour: int) -> datetime:
    local = datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK)
    return local.astimezone(UTC) + _offset(query_id)


def _offset(query_id: str) -> timedelta:
    """Minutes of its own for each query, so that not everybody asks on the hour."""
    digest = hashlib.sha256(query_id.encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:4], "big") % (SPREAD_MINUTES * 60))
