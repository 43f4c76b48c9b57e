"""Socket → WebSocket message: the age of a profit-and-loss tick when the browser gets it, conflation off.

The simulator writes ``pnlSingle`` frames at a fixed rate; the broker link, worker and API run as in
production, each a process of its own. The floor, in the same run: the same number of payloads through
XADD → XREAD → a bare WebSocket.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from bench.report import figure, percentile
from bench.rig import TOKEN, process, servers, until_ready
from core.settings import Settings
from services.simulator import Simulator
from services.simulator.messages import pnl_single
from services.stack.ports import free_port

RATES = (200, 2000)
SECONDS = 10
PAYLOAD = 300
BARE = Path(__file__).parent / "floors" / "bare_path.py"


async def paced(rate: int, count: int) -> AsyncIterator[int]:
    """Numbers as they become due at ``rate`` a second, in small bursts where the timer is coarse."""
    start = time.perf_counter()
    for number in range(count):
        ahead = start + number / rate - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        yield number


async def bare(redis_url: str, rate: int) -> list[float]:
    """Milliseconds from XADD to the client, one by one."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(BARE), redis_url, "bench-bare", stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None  # noqa: S101 - a pipe was asked for
    port = int(await child.stdout.readline())
    redis = Redis.from_url(redis_url)
    sent: dict[int, float] = {}
    ages: list[float] = []
    count = rate * SECONDS
    async with connect(f"ws://127.0.0.1:{port}", compression=None) as socket:
        await redis.xadd("bench-bare", {"d": b"-1".ljust(PAYLOAD)})

        async def receive() -> None:
            async for message in socket:
                number = int(message)
                if number in sent:
                    ages.append((time.perf_counter() - sent[number]) * 1000)
                if number == count - 1:
                    return

        receiving = asyncio.create_task(receive())
        async for number in paced(rate, count):
            sent[number] = time.perf_counter()
            await redis.xadd("bench-bare", {"d": str(number).encode().ljust(PAYLOAD)}, maxlen=10_000)
        await asyncio.wait_for(receiving, 30)
    await redis.aclose()
    child.kill()
    await child.wait()
    return ages


async def subscribe(socket: ClientConnection, positions: int) -> None:
    """Sign in and wait for a snapshot with enough rows."""
    await socket.send(json.dumps({"type": "auth", "token": TOKEN}))
    await socket.send(json.dumps({"type": "subscribe", "topics": [{"topic": "positions"}]}))
    rows: set[str] = set()
    while len(rows) < positions:
        message = json.loads(await socket.recv())
        if message["type"] == "snapshot":
            rows |= set(message["data"])
        elif message["type"] == "delta":
            rows |= {operation["key"] for operation in message["ops"]}


async def live(simulator: Simulator, settings: Settings, rate: int) -> list[float]:
    """Milliseconds from the simulator's write to the client."""
    session = next(
        session for session in simulator.gateway.ready_sessions if session.subscriptions.pnl_single
    )
    subscribed = sorted(session.subscriptions.pnl_single.items())
    count = rate * SECONDS
    sent: dict[str, float] = {}
    ages: list[float] = []
    url = f"ws://{settings.api_host}:{settings.api_port}/api/v1/stream"
    async with connect(url, compression=None, max_size=None) as socket:
        await subscribe(socket, len(subscribed))

        async def receive() -> None:
            async for raw in socket:
                now = time.perf_counter()
                message = json.loads(raw)
                if message["type"] != "delta":
                    continue
                for operation in message["ops"]:
                    start = (
                        sent.pop(operation["value"]["daily_pnl"], None)
                        if operation["op"] == "upsert"
                        else None
                    )
                    if start is not None:
                        ages.append((now - start) * 1000)

        receiving = asyncio.create_task(receive())
        async for number in paced(rate, count):
            req_id, (account, conid) = subscribed[number % len(subscribed)]
            held = simulator.book.positions[account, conid].quantity
            # The number rides as the day's profit: unlike any that the market would give.
            value = Decimal(number) + Decimal("0.123")
            sent[str(value)] = time.perf_counter()
            session.send(pnl_single(req_id, held, value, Decimal(0), Decimal(0), Decimal(1000)))
        await asyncio.sleep(1)
        receiving.cancel()
        with suppress(asyncio.CancelledError):
            await receiving
    print(f"   {rate}/s: {len(ages)} of {count} ticks arrived, the others were overtaken by a newer one")
    return ages


async def _shared(settings: Settings) -> None:
    """Wait until two replicas have agreed: then there are frames in the stream they share."""
    redis = Redis.from_url(settings.require_redis_url())
    async with asyncio.timeout(30):
        while not [
            key
            async for key in redis.scan_iter(f"{settings.frames_stream}:*", _type="stream")
            if await redis.xlen(key) > 1
        ]:
            await asyncio.sleep(0.1)
    await redis.aclose()


async def _replicated(simulator: Simulator, settings: Settings) -> None:
    """The same through each of two replicas, of which one numbers and the other follows."""
    second = settings.model_copy(update={"api_port": free_port()})
    rate = RATES[0]
    with process(second, "api"):
        await until_ready(second)
        await _shared(settings)
        floor = await bare(settings.require_redis_url(), rate)
        for name, one in (("that numbers", settings), ("that follows", second)):
            ages = await live(simulator, one, rate)
            figure(
                f"socket to WebSocket, {rate} ticks/s, p50, replica {name}",
                percentile(ages, 0.5),
                percentile(floor, 0.5),
                "ms",
            )


async def main() -> None:
    async with (
        Simulator.start("default", seed=1) as simulator,
        servers(stream_conflate_ms=0, ib_port=simulator.port, api_port=free_port()) as settings,
    ):
        simulator.pause_market()
        with process(settings, "worker"), process(settings, "api"), process(settings, "broker"):
            await until_ready(settings)
            async with asyncio.timeout(60):
                while not any(
                    len(session.subscriptions.pnl_single) >= len(simulator.book.positions)
                    for session in simulator.gateway.ready_sessions
                ):
                    await asyncio.sleep(0.05)
            # Nothing but the ticks under measurement comes over the socket.
            simulator.gateway.push_pnl = lambda: None  # type: ignore[method-assign] - silenced for the run
            for rate in RATES:
                floor = await bare(settings.require_redis_url(), rate)
                ages = await live(simulator, settings, rate)
                for name, share in (("p50", 0.5), ("p99", 0.99)):
                    figure(
                        f"socket to WebSocket, {rate} ticks/s, {name}",
                        percentile(ages, share),
                        percentile(floor, share),
                        "ms",
                    )
            await _replicated(simulator, settings)


asyncio.run(main())
