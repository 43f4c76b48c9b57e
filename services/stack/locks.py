"""A folder is used by one stack or server at a time: ``flock``, held by the processes that really use it."""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from services.stack.processes import is_alive, kill_and_wait, started_at

POLL_SECONDS = 0.02


class FolderBusyError(Exception):
    """The lock is held by a living process; ``pid`` may be None where the lock file does not say."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class FolderLock:
    """An exclusive lock file.

    The descriptor is handed to the server process as well (``fileno``), so that the lock ends when the last
    process that uses the folder has ended, and not when its supervisor was killed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, leftovers_seconds: float = 10.0) -> None:
        """Take the lock; wait for, and finally kill, what a killed supervisor left behind.

        Raises:
            FolderBusyError: the process that took the lock is alive.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for(descriptor, leftovers_seconds)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.note()

    def _wait_for(self, descriptor: int, leftovers_seconds: float) -> None:
        deadline = time.monotonic() + leftovers_seconds
        half_time = time.monotonic() + leftovers_seconds / 2
        while not _try_lock(descriptor):
            held = self.holders()
            owner = held.get("owner")
            if owner is not None and is_alive(owner["pid"], owner["started"]):
                raise FolderBusyError(owner["pid"])
            now = time.monotonic()
            server = held.get("server")
            if now > deadline:
                raise FolderBusyError(server["pid"] if server else None)
            if now > half_time and server is not None:
                kill_and_wait(server["pid"], server["started"])
            time.sleep(POLL_SECONDS)

    def note(self, server_pid: int | None = None) -> None:
        """Write into the lock file who holds it: this process and, once it runs, the server it started."""
        if self._descriptor is None:
            return
        held: dict[str, Any] = {"owner": {"pid": os.getpid(), "started": started_at(os.getpid())}}
        if server_pid is not None:
            held["server"] = {"pid": server_pid, "started": started_at(server_pid)}
        self._write(held)

    def _write(self, held: dict[str, Any]) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(held).encode(), 0)

    def holders(self) -> dict[str, Any]:
        """What the lock file says about its holders; empty where it cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            held = json.loads(self.path.read_text(encoding="utf-8"))
            if isinstance(held, dict):
                return held
        return {}

    def fileno(self) -> int:
        """The descriptor that a server process inherits."""
        if self._descriptor is None:
            raise ValueError("the lock is not held")
        return self._descriptor

    def release(self) -> None:
        """Give it back. Processes that inherited the descriptor keep the lock until they end."""
        if self._descriptor is not None:
            # We live on, but not as its owner: what still holds it now is a leftover, to be waited for.
            self._write({name: held for name, held in self.holders().items() if name != "owner"})
            os.close(self._descriptor)
            self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
