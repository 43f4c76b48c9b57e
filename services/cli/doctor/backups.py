"""What could be brought back if all were lost now."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from core.settings import Settings
from services.backup.receiving import is_embedded
from services.backup.recovering import reachable
from services.backup.retention import listed
from services.cli.doctor.finding import Finding

_OLD: Final = timedelta(days=2)
_BEHIND: Final = timedelta(hours=2)
"""WAL is put away each hour at least."""


def backups(settings: Settings, now: datetime) -> Iterator[Finding]:
    """The archives of the profile, and the moments of an embedded database."""
    try:
        with suppress(FileNotFoundError):
            next(settings.backup_folder.iterdir(), None)  # where one may not look there seems to be nothing
        yield _archives(settings, now)
        if settings.keeps_wal and is_embedded(settings):
            yield _moments(settings, now)
    except OSError as error:
        told = f"{error.filename or settings.backup_folder} cannot be read: {error.strerror}"
        yield Finding("backups", "error", told, "Give whoever runs Lotkeeper the right to.")


def _archives(settings: Settings, now: datetime) -> Finding:
    found = [one.kept.manifest for one in listed(settings) if one.kept is not None]
    taken = [one.taken_at for one in found if one.profile == settings.profile]
    create = "lotkeeper backup create"
    if not taken:
        told = f"there is none of {settings.profile} in {settings.backup_folder}"
        if not settings.backs_up_daily:
            return Finding("backups", "note", f"{told}, and none is scheduled", create)
        return Finding("backups", "warning", f"{told} yet; a worker takes one a day", create)
    told = f"{len(taken)} in {settings.backup_folder}, the newest of {_hours(now - taken[-1])} ago"
    if settings.backs_up_daily and now - taken[-1] > _OLD:
        return Finding("backups", "warning", told, "Look into the log for why no worker takes one.")
    return Finding("backups", "ok", told)


def _moments(settings: Settings, now: datetime) -> Finding:
    found = reachable(settings)
    if not found:
        told = f"no moment can be brought back from {settings.recovery_folder} yet"
        return Finding("recovery", "warning", told, "Have a worker run; it begins with a base backup.")
    until = max(one.until for one in found)
    told = f"any moment since {found[0].since:%Y-%m-%d %H:%M} UTC, up to {_hours(now - until)} ago"
    if now - until > _BEHIND:
        return Finding("recovery", "warning", told, "Look into the log for why no WAL comes in.")
    return Finding("recovery", "ok", told)


def _hours(ago: timedelta) -> str:
    return f"{max(ago, timedelta()) / timedelta(hours=1):.1f} hours"
