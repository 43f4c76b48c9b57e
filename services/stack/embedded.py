"""What the embedded servers have in common: a folder of their own, a lock on it, a password, one process."""

import os
import secrets
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from core.errors import StackError
from services.stack.locks import FolderBusyError, FolderLock
from services.stack.processes import LineSink, Process


class EmbeddedServer(ABC):
    """A server in ``directory`` (data, password, port and lock file live there).

    ``durable=False`` is for tests: the data would not survive a power cut. Start it from a thread that lives
    as long as the server (the main thread): on Linux it is told to stop when its starter's thread ends.
    """

    # What is in the folder, for a sentence; and the signal that stops the server cleanly.
    content: ClassVar[str]
    stop_signal: ClassVar[int]

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        on_line: LineSink | None = None,
        start_seconds: float = 120.0,
    ) -> None:
        self.directory = directory
        self._durable = durable
        self._on_line = on_line
        self._start_seconds = start_seconds
        self._lock = FolderLock(directory / "lock")
        self._process: Process | None = None
        self._password = ""
        self.port = 0

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect; carries the password."""

    @abstractmethod
    def start(self) -> None:
        """Start the server and return when it takes connections.

        Raises:
            StackError: it does not start, or another process uses the directory.
        """

    @property
    def pid(self) -> int | None:
        """The server process, while it runs."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    def stop(self, grace_seconds: float = 8.0) -> None:
        """Let it write everything and end; after the grace time, make it."""
        if self._process is not None:
            self._process.stop(self.stop_signal, grace_seconds)
            self._process = None
        self._lock.release()

    def kill(self) -> None:
        """SIGKILL the server, as a crash would; ``start`` recovers with the same address and password."""
        process = self._process
        if process is not None:
            self._kill_process(process)
            process.wait()
            self._process = None
        self._lock.release()

    def _kill_process(self, process: Process) -> None:
        process.kill()

    def _take_lock(self) -> None:
        try:
            self._lock.acquire()
        except FolderBusyError as busy:
            raise StackError(
                f"The {self.content} in {self.directory} is in use by process {busy.pid}. "
                "Stop that one first."
            ) from None

    def _read_or_make_password(self) -> str:
        path = self.directory / "password"
        if path.exists():
            return path.read_text(encoding="ascii").strip()
        password = secrets.token_urlsafe(24)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{password}\n")
        return password

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
