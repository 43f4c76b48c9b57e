"""Read a Flex statement in a process of its own, beside the one that imports it.

The process is only told the file's path. It reads ahead, as far as ``reading_process.FRAMES_AHEAD`` allows,
and then waits; and it ends as soon as nobody is left to hear it.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from core.domain.stated import Statement
from core.errors import BrokenOffError
from services.statements.errors import StatementError
from services.statements.frames import Broken, End, Piece, Unreadable, frames

_BUFFER_BYTES: Final = 1 << 18


class ReadingEndedError(BrokenOffError):
    """The process that reads a statement ended before the statement did."""

    code = "statement_reading_ended"


class FlexFileApart:
    """Iterate once to get what a Flex file states, as of ``FlexFile``; the reading begins at once.

    ``sha256`` is of what was read, once it has come to the end. ``close`` ends the process, whatever it is
    at, and waits for nothing: who waits for its next record is told that it ended.

    Raises:
        StatementError: while iterating; nothing may be kept of a file before its end.
        OSError: while iterating: the file cannot be opened or read. At once: there can be no process.
        ReadingEndedError: while iterating: the process was ended from outside.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self.bytes_read = 0
        self.unknown: Mapping[str, int] = {}
        self.sha256 = ""
        self._burial: threading.Thread | None = None
        # It finds what this process does, wherever it was started, and a terminal's signals are not for it.
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-P", "-m", "services.statements.reading_process", str(path), name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=_BUFFER_BYTES,
            start_new_session=True,
        )

    @property
    def process_id(self) -> int:
        """Of the process that reads."""
        return self._process.pid

    def __iter__(self) -> Iterator[Statement]:
        """What the file states."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        for frame in frames(self._process.stdout):
            match frame:
                case Piece():
                    self.bytes_read = frame.bytes_read
                    yield from frame.records
                case End():
                    self.bytes_read, self.unknown, self.sha256 = frame.bytes_read, frame.unknown, frame.sha256
                    return
                case Broken():
                    raise _error_of(frame)
                case Unreadable():
                    raise OSError(frame.number, frame.text, str(self._path))
        self._ended()

    def _ended(self) -> NoReturn:
        status = self._process.wait()
        how = f"with code {status}" if status >= 0 else f"by signal {-status}"
        raise ReadingEndedError(
            f"{self._name}: the process that read it was ended {how}, so nothing of it was imported. Import "
            "it again; if that happens again, look whether this machine has run out of memory."
        )

    def close(self) -> None:
        """End the process."""
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._burial is None:
            # What reads from a disk or a network that hangs ends only when that answers; a loop cannot wait.
            self._burial = threading.Thread(target=self._bury, name="reading-ended", daemon=True)
            self._burial.start()

    def _bury(self) -> None:
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _kinds(kind: type[StatementError] = StatementError) -> Iterator[type[StatementError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


def _error_of(told: Broken) -> StatementError:
    kind = next(one for one in _kinds() if one.code == told.code)
    error = kind.__new__(kind)
    error.args = (told.text,)
    vars(error).update(told.fields)
    return error
