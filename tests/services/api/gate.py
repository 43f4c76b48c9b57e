"""A TCP gate before a server, which can be shut and opened again."""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Gate:
    """Listens on a port of its own and passes bytes on while it is open."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._open = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.shut()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The server's URL, through the gate."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        login, _, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{login}@127.0.0.1:{port}"))

    def shut(self) -> None:
        """Cut every connection and refuse new ones."""
        self._open = False
        for writer in self._writers:
            writer.transport.abort()

    def reopen(self) -> None:
        """Let connections through again."""
        self._open = True

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        if not self._open:
            writer.transport.abort()
            back.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
