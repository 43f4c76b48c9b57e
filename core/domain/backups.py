"""Backups and restores on trial: what kinds there are, and when one is due."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

BackupKind: TypeAlias = Literal["backup", "drill", "base", "wal"]
BackupTrigger: TypeAlias = Literal["cli", "schedule", "migration", "restore"]
BackupOutcome: TypeAlias = Literal["success", "fail"]

WAL_SLOT: Final = "lotkeeper_wal"
"""The replication slot by which an embedded server keeps the WAL that was not fetched yet."""

AGAIN_AFTER: Final = timedelta(hours=1)
"""A failure."""


def backup_is_due(
    last_success: datetime | None, last_attempt: datetime | None, hour: int, now: datetime
) -> bool:
    """Whether the day's backup is to be taken: none has been since the last time it was ``hour`` UTC.

    >>> at = datetime(2026, 11, 2, 5, tzinfo=UTC)
    >>> backup_is_due(datetime(2026, 11, 2, 3, tzinfo=UTC), None, 4, at)
    True
    >>> backup_is_due(datetime(2026, 11, 2, 4, 1, tzinfo=UTC), None, 4, at)
    False
    """
    today = now.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    turn = today if today <= now else today - timedelta(days=1)
    if last_success is not None and turn <= last_success <= now:
        return False
    return may_try(last_attempt, now)


def drill_is_due(
    last_success: datetime | None, last_attempt: datetime | None, days: int, now: datetime
) -> bool:
    """Whether a backup is to be restored on trial: it is so many days since one last was; 0: never."""
    if not days:
        return False
    if last_success is not None and now - timedelta(days=days) < last_success <= now:
        return False
    return may_try(last_attempt, now)


def may_try(last_attempt: datetime | None, now: datetime) -> bool:
    """Whether what failed may be tried again: an hour later, or when the clock was set back."""
    # A clock that was set back says nothing of when it is time.
    return last_attempt is None or not now - AGAIN_AFTER < last_attempt <= now
