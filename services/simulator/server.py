"""The listening side: a loopback port that can be closed and opened again without losing it."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from core.errors import PortInUseError

OnConnect = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

HOST = "127.0.0.1"
BACKLOG = 64


class Listener:
    """Runs ``on_connect`` for each connection, on a port that stays ours while nobody listens."""

    def __init__(self, on_connect: OnConnect, port: int = 0, host: str = HOST) -> None:
        """Reserve the port (0 finds a free one).

        Raises:
            PortInUseError: somebody else listens there.
        """
        self._on_connect = on_connect
        # This one is bound and never listens: connecting to it is refused, and nobody else gets the port.
        self._reserved = _bound(host, port)
        self.host = host
        self.port: int = self._reserved.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to accept."""
        if self._server is None:
            try:
                self._server = await asyncio.start_server(
                    self._accepted, sock=_bound(self.host, self.port), backlog=BACKLOG
                )
            except OSError as error:
                raise _in_use(self.port) from error

    def refuse(self) -> None:
        """Stop to accept: new connections are refused, old ones live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Refuse, end the connections' tasks and give the port back."""
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reserved.close()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._on_connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # With this on both, the listening socket may share the port with the one that only reserves it.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise _in_use(port) from error
    return bound


def _in_use(port: int) -> PortInUseError:
    return PortInUseError(
        f"Port {port} is taken. Stop what listens there, or give the simulator another port."
    )


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on ``port`` (0 finds one).

    Raises:
        PortInUseError: the port is taken.
    """
    bound = _bound(host, port)
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise _in_use(port) from error
    return bound
