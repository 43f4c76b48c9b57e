"""Embedded Redis protocol server (Valkey, or a redis-server of the system), run as our own child process."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import StackError
from services.stack.binaries import find_redis
from services.stack.locks import FolderBusyError, FolderLock
from services.stack.ports import LOOPBACK, new_port, remembered_port
from services.stack.processes import POLL_SECONDS, LineSink, Process

_PORT_TAKEN = ("Address already in use", "Failed listening on port")


class RedisServer:
    """One server in ``directory`` (append-only file, password, port and lock file live there).

    The server does not lock its directory, and two on one append-only file destroy it: hence our lock.
    ``durable=False`` is for tests: nothing is written to disk. Start it from a thread that lives as long as
    the server (the main thread): on Linux it is told to stop when its starter's thread ends.
    """

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
    def url(self) -> str:
        """Where clients connect; carries the password."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """The same server, another numbered database (0 to 15)."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/{database}"

    @property
    def pid(self) -> int | None:
        """The server process, while it runs."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return when it answers and has loaded its data.

        Raises:
            StackError: it does not start, or another process uses the directory.
        """
        if self.running:
            return
        self._lock.release()
        program = find_redis()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except FolderBusyError as busy:
            raise StackError(
                f"The Redis data in {self.directory} are in use by process {busy.pid}. Stop that one first."
            ) from None
        try:
            self._password = self._read_or_make_password()
            self._launch(program)
        except BaseException:
            self.stop()
            raise

    def stop(self, grace_seconds: float = 8.0) -> None:
        """Let it write its file and end."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM, grace_seconds)
            self._process = None
        self._lock.release()

    def kill(self) -> None:
        """SIGKILL the server, as a crash would; ``start`` recovers with the same address and password."""
        process = self._process
        if process is not None:
            process.kill()
            process.wait()
            self._process = None
        self._lock.release()

    def _read_or_make_password(self) -> str:
        path = self.directory / "password"
        if path.exists():
            return path.read_text(encoding="ascii").strip()
        password = secrets.token_urlsafe(24)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{password}\n")
        return password

    def _launch(self, program: str) -> None:
        deadline = time.monotonic() + self._start_seconds
        self.port = remembered_port(self.directory / "port")
        while True:
            process = Process(
                # The configuration goes in by stdin: a password has no business in the process list.
                [program, "-"],
                cwd=self.directory,
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"},
                death_signal=signal.SIGTERM,
                pass_fds=[self._lock.fileno()],
                stdin=self._configuration().encode(),
            )
            self._process = process
            if self._becomes_ready(process, deadline):
                process.on_line = self._on_line
                self._lock.note(process.pid)
                return
            words = process.last_words()
            if not any(sign in words for sign in _PORT_TAKEN) or time.monotonic() > deadline:
                raise StackError(f"Redis in {self.directory} did not start:\n{words}")
            self.port = new_port(self.directory / "port")

    def _configuration(self) -> str:
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self._password}",
            "unixsocket redis.sock",
            "unixsocketperm 700",
            "databases 16",
            # Losing a key silently would lose facts: a full memory must be an error that the writer sees.
            "maxmemory-policy noeviction",
            'save ""',
            f"appendonly {'yes' if self._durable else 'no'}",
            "appendfsync everysec",
            "daemonize no",
            "always-show-logo no",
        ]
        return "\n".join([*lines, ""])

    def _becomes_ready(self, process: Process, deadline: float) -> bool:
        """Ask until it answers PONG (not LOADING). False: it ended."""
        while time.monotonic() < deadline:
            if process.poll() is not None:
                process.wait()
                return False
            if self._answers():
                return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
        process.kill()
        process.wait()
        return False

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((LOOPBACK, self.port), timeout=1) as client,
        ):
            client.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:  # noqa: PLR2004 - one line for each of the two commands
                piece = client.recv(512)
                if not piece:
                    return False
                answer += piece
            return answer == b"+OK\r\n+PONG\r\n"
        return False

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
