"""A thousand WebSocket clients, ten updates a second: how old an update is when each has it; their memory.

The API is a process of its own, each change told at once. The floor, in the same run and with the same
clients: a bare WebSocket server that writes payloads as long to as many.
``python -m bench.clients [CLIENTS]``
"""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

from redis.asyncio import Redis

from bench.api import fill
from bench.report import figure, percentile
from bench.rig import TOKEN, process, servers, until_ready
from core.clock import utc_now
from core.events import facts
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.stack.ports import free_port

UPDATES = 10
SECONDS = 10
PAYLOAD = 1_000
BARE = Path(__file__).parent / "floors" / "bare_path.py"
_NUMBER = re.compile(rb'"daily_pnl":"(\d+)\.25"|^ *(\d+) *$')
_PLACE = re.compile(rb'"seq":(\d+),"prev_seq":(\d+)')
_SHORT, _LONG = 126, 127

Send = Callable[[int], Awaitable[None]]


class Clients:
    """Many sockets in one process that look at no more of a message than its number."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}
        self.ages: list[float] = []
        self.newest: list[int] = []

    async def connect(self, port: int, count: int, *, subscribe: bool) -> None:
        """Connect one after another."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, client = await loop.create_connection(
                lambda: _Client(self, port, subscribe=subscribe), "127.0.0.1", port
            )
            await client.ready

    async def measure(self, send: Send) -> None:
        """Send updates at their rate and wait until the last has come everywhere."""
        self.ages.clear()
        self.newest = [0] * len(self.newest)
        count = UPDATES * SECONDS
        start = time.perf_counter()
        for number in range(1, count + 1):
            await asyncio.sleep(max(0.0, start + number / UPDATES - time.perf_counter()))
            self.sent[number] = time.perf_counter()
            await send(number)
        until = time.perf_counter() + 10
        while set(self.newest) != {count}:
            if time.perf_counter() > until:
                raise SystemExit(
                    f"Not everybody was told the last update, {count}: {sorted(set(self.newest))}"
                )
            await asyncio.sleep(0.05)


class _Client(asyncio.Protocol):
    def __init__(self, clients: Clients, port: int, *, subscribe: bool) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clients = clients
        self._port = port
        self._subscribe = subscribe
        self._buffer = bytearray()
        self._upgraded = False
        self._place = len(clients.newest)
        self._seq = 0
        clients.newest.append(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(  # type: ignore[attr-defined]  # a socket's transport writes
            f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self._upgraded:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            del self._buffer[: head + 4]
            self._upgraded = True
            if self._subscribe:
                self._say({"type": "subscribe", "topics": [{"topic": "positions"}]})
            else:
                self.ready.set_result(None)
        while (payload := self._frame()) is not None:
            self._take(payload, now)

    def _say(self, message: object) -> None:
        text = json.dumps(message).encode()
        # A mask of zeros is a mask.
        self._transport.write(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)  # type: ignore[attr-defined]

    def _frame(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length == _SHORT:
            length, start = int.from_bytes(buffer[2:4]), 4
        elif length == _LONG:
            length, start = int.from_bytes(buffer[2:10]), 10
        if len(buffer) < start + length:
            return None
        payload = bytes(buffer[start : start + length])
        del buffer[: start + length]
        return payload

    def _take(self, payload: bytes, now: float) -> None:
        if not self.ready.done() and b'"snapshot"' in payload[:40]:
            self.ready.set_result(None)
            return
        if b'"reset"' in payload[:40]:
            raise SystemExit("A client was told to begin anew: it was too slow")
        place = _PLACE.search(payload, 0, 200)
        if place is not None:
            if self._seq and int(place[2]) != self._seq:
                raise SystemExit("A frame is missing")
            self._seq = int(place[1])
        found = _NUMBER.search(payload)
        if found is None or not self.ready.done():
            return
        number = int(found[1] or found[2])
        sent = self._clients.sent.get(number)
        if sent is not None:
            self._clients.ages.append((now - sent) * 1000)
            self._clients.newest[self._place] = number


def resident_kilobytes(pid: int) -> float:
    """What of a process is in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return float(status.partition("VmRSS:")[2].split()[0])


async def bare(redis_url: str, count: int) -> tuple[list[float], float]:
    """Ages, and kilobytes a client."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(BARE), redis_url, "bench-bare", stdout=subprocess.PIPE
    )
    assert child.stdout is not None  # noqa: S101 - a pipe was asked for
    port = int(await child.stdout.readline())
    redis, clients = Redis.from_url(redis_url), Clients()
    before = resident_kilobytes(child.pid)
    await clients.connect(port, count, subscribe=False)

    async def send(number: int) -> None:
        await redis.xadd("bench-bare", {"d": str(number).encode().rjust(PAYLOAD)})

    await clients.measure(send)
    memory = (resident_kilobytes(child.pid) - before) / count
    await redis.aclose()
    child.kill()
    await child.wait()
    return clients.ages, memory


async def live(settings: Settings, pid: int, count: int) -> tuple[list[float], float]:
    """The same of the API."""
    streams, clients = RedisStreams.connect(settings), Clients()
    await clients.connect(settings.api_port, 1, subscribe=True)
    before = resident_kilobytes(pid)
    await clients.connect(settings.api_port, count - 1, subscribe=True)

    async def send(number: int) -> None:
        mark = facts.MarkReported(
            received_at=utc_now(),
            account="DU1",
            conid=1,
            quantity=Decimal(1),
            market_price=Decimal("10.5"),
            market_value=Decimal("10.5"),
            daily_pnl=Decimal(number) + Decimal("0.25"),
            unrealized_pnl=Decimal(1),
            realized_pnl=None,
        )
        batch = facts.TickBatch(epoch=1, ticks=(mark,))
        await streams.append(settings.ticks_stream, [facts.encode(batch)], keep_entries=10_000)

    await clients.measure(send)
    memory = (resident_kilobytes(pid) - before) / count
    await streams.close()
    return clients.ages, memory


async def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    async with servers(stream_conflate_ms=0, api_port=free_port()) as settings:
        await fill(settings)
        floor, floor_memory = await bare(settings.require_redis_url(), count)
        with process(settings, "api") as running:
            await until_ready(settings)
            ages, memory = await live(settings, running.pid, count)
    told = len(ages) / count
    print(f"   {told:.1f} of {UPDATES * SECONDS} updates came alone, the others with the next; none lost")
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        figure(
            f"update to {count:,} WebSocket clients, {name}",
            percentile(ages, share),
            percentile(floor, share),
            "ms",
        )
    figure("memory of a WebSocket client", memory, floor_memory, "kB")


if __name__ == "__main__":
    asyncio.run(main())
