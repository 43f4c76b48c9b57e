"""How long archives are kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from core.errors import LotkeeperError
from core.settings import Settings
from services.backup.archives import Kept, look_at
from services.backup.errors import BackupFailedError
from services.backup.folder import archives_in, sync_folder, working_in


class Listed(NamedTuple):
    """A file in the folder of archives: what it says of itself, or why it says nothing."""

    path: Path
    kept: Kept | None
    refusal: str | None


def listed(settings: Settings) -> list[Listed]:
    """All archives of the folder, the oldest first; only their ends are read."""
    found = []
    for path in archives_in(settings.backup_folder):
        try:
            found.append(Listed(path, look_at(path), None))
        except LotkeeperError as error:
            found.append(Listed(path, None, str(error)))

    def order(one: Listed) -> tuple[bool, datetime | None, Path]:
        return one.kept is None, one.kept and one.kept.manifest.taken_at, one.path

    return sorted(found, key=order)


def newest(settings: Settings) -> Path:
    """The newest archive of the profile that is whole to look at.

    Raises:
        BackupFailedError: there is none.
    """
    ours = _ours(settings)
    if not ours:
        raise BackupFailedError(
            f"There is no backup of {settings.profile} in {settings.backup_folder}. Take one: "
            "lotkeeper backup create"
        )
    return ours[-1].path


def prune(settings: Settings, now: datetime, *, dry_run: bool = False) -> list[Kept]:
    """Delete archives of the profile that are older than LOTKEEPER_BACKUP_DAYS; returns which.

    The newest stays however old it is, and so does what is no archive of ours to look at.

    Raises:
        BackupLockedError: a backup or restore is under way.
        BackupFailedError: one cannot be deleted.
    """
    with working_in(settings.backup_folder):
        before = now - timedelta(days=settings.backup_days)
        old = [one for one in _ours(settings)[:-1] if one.manifest.taken_at < before]
        if old and not dry_run:
            try:
                for one in old:
                    one.path.unlink()
                sync_folder(settings.backup_folder)
            except OSError as error:
                raise BackupFailedError(f"A backup cannot be deleted: {error.strerror}.") from None
    return old


def _ours(settings: Settings) -> Sequence[Kept]:
    return [
        one.kept
        for one in listed(settings)
        if one.kept is not None and one.kept.manifest.profile == settings.profile
    ]
