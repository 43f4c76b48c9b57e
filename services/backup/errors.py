"""What can go wrong with backups, each with its sentence."""

from core.errors import LotkeeperError


class BackupFailedError(LotkeeperError):
    """No archive was made, or none was restored; what there was is as it was."""

    code = "backup_failed"


class NotReachableError(LotkeeperError):
    """A moment that nothing was put away for; the sentence says which can be reached."""

    code = "moment_not_reachable"
    exit_code = 2


class ArchiveRefusedError(LotkeeperError):
    """A file is not a whole and unchanged archive that this version can read, or no key here opens it."""

    code = "archive_refused"


class OtherKeyError(ArchiveRefusedError):
    """An archive was encrypted to keys of which none is here."""

    code = "archive_for_another_key"


class RestoredDiffersError(LotkeeperError):
    """What was restored is not what was saved; the sentence names the tables."""

    code = "restored_differs"
    exit_code = 5


class BackupLockedError(LotkeeperError):
    """Somebody else is at it: another backup or restore, or a Lotkeeper that uses the database."""

    code = "backup_locked"
    exit_code = 7


class HoldsDataError(LotkeeperError):
    """The database to restore into is not empty, and nobody said that it may be replaced."""

    code = "database_holds_data"
    exit_code = 2


class BackupKeyError(LotkeeperError):
    """A key is missing or is none."""

    code = "backup_key"
    exit_code = 6
