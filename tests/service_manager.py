"""What systemd would hear."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Manager:
    """Listens as systemd does."""

    def __init__(self, listener: socket.socket, path: Path) -> None:
        self._listener = listener
        self.path = path

    def variables(self, watchdog_seconds: float | None = None) -> dict[str, str]:
        """What systemd gives the process that it starts."""
        given = {"NOTIFY_SOCKET": str(self.path)}
        if watchdog_seconds is not None:
            given["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1_000_000))
        return given

    def hear(self) -> list[str]:
        """The lines of the next datagram.

        Raises:
            TimeoutError: none came.
        """
        return self._listener.recv(4096).decode().split("\n")

    def silence(self, seconds: float) -> None:
        """Hear until nothing comes for so long.

        Raises:
            AssertionError: it never is silent.
        """
        self._listener.settimeout(seconds)
        for _ in range(1000):
            try:
                self.hear()
            except TimeoutError:
                return
        raise AssertionError("it goes on")

    def until(self, line: str) -> None:
        """Hear until a line comes."""
        while line not in self.hear():
            pass


@contextmanager
def manager(folder: Path) -> Iterator[Manager]:
    """One that listens on a socket in this folder."""
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(60)
        yield Manager(listener, path)
