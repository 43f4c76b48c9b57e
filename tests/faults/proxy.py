"""A TCP proxy that can do to a connection what networks do."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

Direction = Literal["up", "down"]
"""``up``: from the client to the server."""

_READ_SIZE = 64 * 1024
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Weather:
    """What happens to the bytes of one direction.

    ``swallow`` takes them in and gives them to nobody. ``bytes_a_second`` lets them through one by one.
    ``delay_seconds`` holds each piece back. ``cut_after`` ends the connection after so many bytes more.
    """

    swallow: bool = False
    bytes_a_second: float = 0
    delay_seconds: float = 0
    cut_after: int | None = None


class _Pair:
    """One client's connection and the one made for it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.writers: dict[Direction, asyncio.StreamWriter] = {"up": server, "down": client}

    def end(self, *, reset: bool) -> None:
        for writer in self.writers.values():
            if reset:
                raw = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """Listens on a port of its own and passes on to another. Every method acts on all its connections."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.weather: dict[Direction, Weather] = {"up": Weather(), "down": Weather()}
        self.refusing = False
        self.accepted = 0
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """A proxy in front of ``host:port``, which need not answer yet."""
        proxy = cls(host, port)
        proxy._server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.port = proxy._server.sockets[0].getsockname()[1]
        return proxy

    async def close(self) -> None:
        """End every connection and give the port back."""
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._pairs)

    # What networks do.

    def cut(self) -> None:
        """Hang up on both sides, in good order (FIN)."""
        self._end_all(reset=False)

    def reset(self) -> None:
        """Hang up on both sides as if they had never talked (RST)."""
        self._end_all(reset=True)

    def black_hole(self, *directions: Direction) -> None:
        """Take bytes and give them to nobody, until ``heal``; nobody is told."""
        self._change(directions, lambda weather: setattr(weather, "swallow", True))

    def dribble(self, bytes_a_second: float, *directions: Direction) -> None:
        """Let bytes through one by one, until ``heal``."""
        self._change(directions, lambda weather: setattr(weather, "bytes_a_second", bytes_a_second))

    def delay(self, seconds: float, *directions: Direction) -> None:
        """Hold every piece back for so long, until ``heal``."""
        self._change(directions, lambda weather: setattr(weather, "delay_seconds", seconds))

    def cut_after(self, count: int, *directions: Direction) -> None:
        """Hang up once so many bytes more have passed: in the middle of a message, as like as not."""
        self._change(directions, lambda weather: setattr(weather, "cut_after", count))

    def refuse(self, on: bool = True) -> None:
        """Hang up on whoever connects."""
        self.refusing = on

    def heal(self) -> None:
        """New connections are well again. Those that lost bytes are ended: nothing could make them whole."""
        swallowed = any(one.swallow for one in self.weather.values())
        self.weather = {"up": Weather(), "down": Weather()}
        self.refusing = False
        if swallowed:
            self.reset()

    def _change(self, directions: tuple[Direction, ...], change: Callable[[Weather], None]) -> None:
        for direction in directions or ("up", "down"):
            change(self.weather[direction])

    def _end_all(self, *, reset: bool) -> None:
        for pair in list(self._pairs):
            pair.end(reset=reset)
        self._pairs.clear()

    # The bytes.

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # closed: this task belongs to the server, which would report it
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing:
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            return
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        ways = [
            asyncio.ensure_future(self._pass(reader, "up", pair)),
            asyncio.ensure_future(self._pass(far_reader, "down", pair)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._pairs.discard(pair)
            far_writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, direction: Direction, pair: _Pair) -> None:
        writer = pair.writers[direction]
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_SIZE):
                await self._forward(data, direction, writer)
            # In order: what was said before the end arrives before it.
            writer.write_eof()
            await asyncio.sleep(0.05)

    async def _forward(self, data: bytes, direction: Direction, writer: asyncio.StreamWriter) -> None:
        weather = self.weather[direction]
        if weather.delay_seconds:
            await asyncio.sleep(weather.delay_seconds)
        if weather.swallow:
            return
        limit = weather.cut_after
        if limit is not None:
            data = data[:limit]
            weather.cut_after = limit - len(data)
        if weather.bytes_a_second:
            await self._dribbled(data, direction, writer)
        else:
            writer.write(data)
            await writer.drain()
        self.passed[direction] += len(data)
        if limit is not None and not weather.cut_after:
            weather.cut_after = None
            raise ConnectionAbortedError

    async def _dribbled(self, data: bytes, direction: Direction, writer: asyncio.StreamWriter) -> None:
        for index in range(len(data)):
            rate = self.weather[direction].bytes_a_second
            if not rate:  # healed meanwhile
                writer.write(data[index:])
                break
            writer.write(data[index : index + 1])
            await writer.drain()
            await asyncio.sleep(1 / rate)
        await writer.drain()
