"""What can go wrong with an export, each with a sentence that says what to do."""

from core.errors import LotkeeperError


class ExportFailedError(LotkeeperError):
    """The files could not be written; nothing of them is left."""

    code = "export_failed"


class TargetError(LotkeeperError):
    """There is something in the place where the export was to be, or another export is written there."""

    code = "export_target"
    exit_code = 6


class ExportChoiceError(LotkeeperError):
    """Something was asked for that there is not, or that does not go together."""

    code = "export_choice"
    exit_code = 2


class NoExportError(LotkeeperError):
    """A folder was named that is no export."""

    code = "no_export"
    exit_code = 2


class ExportDiffersError(LotkeeperError):
    """The files are not what was written."""

    code = "export_differs"
    exit_code = 5
