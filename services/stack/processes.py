"""Child processes: started through the launcher, heard line by line, stopped within a bound."""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GUARDIAN = Path(__file__).with_name("guardian.py")
LAUNCHER = Path(__file__).with_name("launcher.py")
ON_LINUX: bool = sys.platform == "linux"
TAIL_LINES = 40
POLL_SECONDS = 0.02

LineSink = Callable[[str], None]


@dataclass(frozen=True)
class User:
    """An unprivileged account to run as."""

    uid: int
    gid: int


class Guard:
    """The supervisor's end of the guardian script: the portable stand-in for the kernel's death signal."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", str(GUARDIAN)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def add(self, pid: int, death_signal: int) -> None:
        """End ``pid`` with this signal when we are gone."""
        self._tell(f"+ {pid} {death_signal}\n")

    def remove(self, pid: int) -> None:
        """``pid`` has ended; its number may soon be somebody else's."""
        self._tell(f"- {pid}\n")

    def close(self) -> None:
        """End the guardian, and with it what is still listed."""
        if self._popen.stdin is not None:
            self._popen.stdin.close()
        self._popen.wait()

    def _tell(self, line: str) -> None:
        if self._popen.stdin is not None and not self._popen.stdin.closed:
            # A guardian that somebody ended is a lost precaution, not a failure.
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.write(line)
                self._popen.stdin.flush()


@functools.cache
def default_guard() -> Guard | None:
    """None on Linux, where the kernel does it."""
    return None if ON_LINUX else Guard()


class Process:
    """A running child in its own process group. A thread reads its output, so it can never block on us."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: User | None = None,
        death_signal: int = signal.SIGKILL,
        pass_fds: Sequence[int] = (),
        stdin: bytes | None = None,
        on_line: LineSink | None = None,
        guard: Guard | None = None,
    ) -> None:
        options = {
            "uid": user.uid if user else None,
            "gid": user.gid if user else None,
            "parent": os.getpid(),
            "signal": int(death_signal),
        }
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.on_line = on_line
        self._popen = subprocess.Popen(  # noqa: S603 - our own programs with our own arguments, no shell
            [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(options), *command],
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=tuple(pass_fds),
            process_group=0,
        )
        self._guard = guard or default_guard()
        if self._guard is not None:
            self._guard.add(self.pid, death_signal)
        if stdin is not None and self._popen.stdin is not None:
            # A child that has already failed says why on its output.
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.write(stdin)
                self._popen.stdin.close()
        self._reader = threading.Thread(target=self._read, name=f"output-{self.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group."""
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, after its end.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        code = self._popen.wait(timeout)
        if self._guard is not None:
            self._guard.remove(self.pid)
        # Grandchildren may hold the pipe a little longer than the process itself.
        self._reader.join(timeout=1)
        return code

    def send(self, signal_number: int) -> None:
        """Send a signal to the process, if it still runs."""
        self._popen.send_signal(signal_number)

    def stop(self, signal_number: int = signal.SIGTERM, grace_seconds: float = 8.0) -> int:
        """Ask it to stop and, after the grace time, make it."""
        self.send(signal_number)
        try:
            return self.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.wait()

    def kill(self) -> None:
        """SIGKILL to the process and to what it started in its group."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """The end of its output, for an error message."""
        return "\n".join(self.tail)

    def _read(self) -> None:
        stream = self._popen.stdout
        if stream is None:
            return
        with stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                self.tail.append(line)
                if self.on_line is not None:
                    self.on_line(line)


def started_at(pid: int) -> str | None:
    """When ``pid`` started, as the system writes it; with the pid it names one process.

    None: there is no such process; a zombie counts as none.
    """
    if ON_LINUX:
        with contextlib.suppress(OSError):
            # The name in parentheses may contain anything, so the fields are counted from behind it.
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            fields = stat.rpartition(")")[2].split()
            return None if fields[0] == "Z" else fields[19]
        return None
    command = [shutil.which("ps") or "/bin/ps", "-o", "lstart=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    return found.stdout.strip() or None


def works_in(pid: int, folder: Path) -> bool:
    """Whether ``folder`` is the current directory of ``pid``; True where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except FileNotFoundError:
        return not ON_LINUX
    except OSError:
        return True


def is_alive(pid: int, started: str | None) -> bool:
    """Whether this very process (not a later one with the same number) is running."""
    now = started_at(pid)
    return now is not None and now == started


def kill_and_wait(pid: int, started: str | None, grace_seconds: float = 2.0) -> None:
    """SIGKILL a process that is not our child, known by pid and start, and wait until it is gone."""
    deadline = time.monotonic() + grace_seconds
    while is_alive(pid, started) and time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
