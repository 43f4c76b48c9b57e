"""Expected failures: types with a stable code, an exit code and a sentence that says what to do."""

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple, TypeAlias

ErrorCategory: TypeAlias = Literal["auth", "network", "rate_limit", "parsing", "validation", "database"]
"""What kind of thing went wrong: the same words in rows, logs, metrics and on the command line."""


class LotkeeperError(Exception):
    """Something went wrong that a user can act on. Its text is the sentence to show."""

    code: ClassVar[str] = "internal_error"
    exit_code: ClassVar[int] = 1


class SettingsError(LotkeeperError):
    """A setting is wrong; the sentence names the variable."""

    code = "settings_invalid"
    exit_code = 6


class PortInUseError(LotkeeperError):
    """A port that we were told to use is taken; the sentence names the holder."""

    code = "port_in_use"
    exit_code = 6


class ProfileMismatchError(LotkeeperError):
    """The database belongs to another profile (the demo's to ``demo``, a real account's to ``main``)."""

    code = "profile_mismatch"
    exit_code = 6


class DatabaseUnavailableError(LotkeeperError):
    """PostgreSQL cannot be reached or has not been migrated."""

    code = "database_unavailable"
    exit_code = 3


class DatabaseContendedError(DatabaseUnavailableError):
    """PostgreSQL is there; others' transactions keep ours from being committed."""

    code = "database_contended"


class BrokenOffError(LotkeeperError):
    """Work on something was broken off by what says nothing against it: the next time it may end."""

    code = "broken_off"


class RestrictionUnavailableError(LotkeeperError):
    """Somebody may see some accounts only, and the database is not prepared for that."""

    code = "restriction_unavailable"
    exit_code = 3


class AllAccountsNeededError(LotkeeperError):
    """What was asked for concerns all accounts, and who asks may see some of them only."""

    code = "all_accounts_needed"

    def __init__(self) -> None:
        super().__init__("This concerns all accounts, and you have access to some of them only.")


class StreamUnavailableError(LotkeeperError):
    """Redis cannot be reached."""

    code = "stream_unavailable"
    exit_code = 3


class StreamLostError(StreamUnavailableError):
    """Redis answers, and what it kept of a stream is gone: whoever follows it must look elsewhere first."""

    code = "stream_lost"


class LedgerUnfoldedError(LotkeeperError):
    """Stored rows of a position are still those of an older version, until the worker has folded them."""

    code = "ledger_unfolded"


class StackError(LotkeeperError):
    """An embedded server or a child process could not be started."""

    code = "stack_failed"
    exit_code = 3


class Fault(NamedTuple):
    """What is wrong with a row of a file. ``line`` counts from 1; ``column`` is empty where all of it is."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """As it is shown."""
        return f"line {self.line}{self.column and f', {self.column}'}: {self.reason}"


class FaultyRowsError(LotkeeperError):
    """Rows of a file cannot be used: all of them are told at once, up to ``MOST``."""

    code = "statement_rows_unusable"
    MOST: ClassVar[int] = 20

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        self.name = name
        self.faults = tuple(sorted(faults)[: self.MOST])
        more = "\n  … and more after these" if len(faults) > self.MOST else ""
        told = "".join(f"\n  {fault}" for fault in self.faults)
        super().__init__(f"{name} has rows that cannot be used, so nothing of it was imported:{told}{more}")
