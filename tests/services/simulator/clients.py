"""Clients for the simulator's tests: a bare one that shows every field, and ib_async as users run it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import ib_async

from services.simulator.wire import FrameReader, frame, split

Value = TypeVar("Value")

LIMIT_SECONDS = 20.0


class RawClient:
    """Speaks the protocol by hand and keeps every message it got."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = FrameReader()
        self._waiting: list[list[str]] = []

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, port: int, *, client_id: int = 1, versions: str = "v157..178", start: bool = True
    ) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = cls(reader, writer)
        try:
            writer.write(b"API\0" + frame_text(versions))
            if start:
                client.greeting = await client.next()
                client.send("71", "2", str(client_id), "")
            yield client
        finally:
            writer.transport.abort()

    greeting: list[str]

    def send(self, *fields: str) -> None:
        self._writer.write(frame(fields))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    async def next(self) -> list[str]:
        while not self._waiting:
            data = await asyncio.wait_for(self._reader.read(65536), LIMIT_SECONDS)
            if not data:
                raise ConnectionResetError("the simulator hung up")
            self._waiting += [split(body) for body in self._frames.feed(data)]
        return self._waiting.pop(0)

    async def until(self, *message_ids: str) -> list[list[str]]:
        """Messages up to and with the first whose id is one of these."""
        got = [await self.next()]
        while got[-1][0] not in message_ids:
            got.append(await self.next())
        return got

    async def hung_up(self) -> bool:
        """Wait for the end of the connection."""
        try:
            while True:
                await self.next()
        except ConnectionError:
            return True


def frame_text(text: str) -> bytes:
    return len(text).to_bytes(4, "big") + text.encode()


@asynccontextmanager
async def ib_connected(port: int, *, client_id: int = 5, **options: Any) -> AsyncIterator[ib_async.IB]:
    """An unmodified ib_async, connected as a read-only recorder would be."""
    ib = ib_async.IB()
    arguments = {"readonly": True, "raiseSyncErrors": True, "timeout": LIMIT_SECONDS, **options}
    await ib.connectAsync("127.0.0.1", port, clientId=client_id, **arguments)
    try:
        yield ib
    finally:
        ib.disconnect()
