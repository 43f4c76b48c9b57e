"""Runs of snapshots: which hour one is for, whether it is due, and how it ended."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

RunStatus: TypeAlias = Literal["running", "success", "partial", "fail"]
SnapshotTrigger: TypeAlias = Literal["hourly", "cli", "api"]

BACKOFF_MINUTES: Final = (1, 2, 5, 10)
"""After a failed attempt; the last again and again, until the hour is over."""

MOST_ATTEMPTS: Final = 12
"""More than an hour has room for; so often a run that ends whoever is at it is begun at most."""


def hour_of(moment: datetime) -> datetime:
    """The hour that a moment is in, in UTC: the same wherever clocks are put forward or back.

    >>> hour_of(datetime(2026, 11, 1, 5, 59, tzinfo=UTC)).isoformat()
    '2026-11-01T05:00:00+00:00'
    """
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def is_due(status: RunStatus, attempts: int, finished_at: datetime | None, now: datetime) -> bool:
    """Whether a run of the hour that ``now`` is in is to be tried (again). Nobody is at it.

    One that never finished was begun by somebody who is gone, and perhaps for just that reason.
    """
    if status == "success":
        return False
    if finished_at is None:
        return attempts < MOST_ATTEMPTS
    if now < finished_at:
        return True  # a clock that was set back says nothing of when it is time
    wait = BACKOFF_MINUTES[min(max(attempts, 1), len(BACKOFF_MINUTES)) - 1]
    return now >= finished_at + timedelta(minutes=wait)


def outcome(taken: int, failed: int) -> RunStatus:
    """How a run ended. One that found no account at all has failed."""
    if not taken:
        return "fail"
    return "partial" if failed else "success"
