"""Embedded Redis protocol server (Valkey, or a redis-server of the system), run as our own child process."""

import contextlib
import signal
import socket
import subprocess
import time

from core.errors import StackError
from services.stack.binaries import find_redis
from services.stack.embedded import EmbeddedServer
from services.stack.ports import LOOPBACK, new_port, remembered_port
from services.stack.processes import POLL_SECONDS, Process

_PORT_TAKEN = ("Address already in use", "Failed listening on port")


class RedisServer(EmbeddedServer):
    """One server of the Redis protocol, see ``EmbeddedServer``; not durable, it writes nothing to disk.

    The server does not lock its directory, and two on one append-only file destroy it: hence our lock.
    """

    content = "Redis data"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """Where clients connect; carries the password."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """The same server, another numbered database (0 to 15)."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/{database}"

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
        self._take_lock()
        try:
            self._password = self._read_or_make_password()
            self._launch(program)
        except BaseException:
            self.stop()
            raise

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
