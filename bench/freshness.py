"""How soon it is told that what is shown is not live any more, and that it is live again.

The whole stack, against a simulated gateway that hangs up, says that IBKR is away, or falls silent, and a
link process that stands still; then all of it comes back. Told is what the WebSocket says by itself, and what
``GET /positions`` answers, asked a hundred times a second. The worst of some rounds counts.

The floors, in the same run: a bare client of the same gateway that hears the end, or the message, and one
that tries to come in until it is greeted. Silence nobody hears: there it is the silence that has to pass
before it can be told from a pause. ``python -m bench.freshness``
"""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import httpx
from websockets.asyncio.client import ClientConnection, connect

from bench.report import figure
from bench.rig import TOKEN, process, servers, until_ready
from core.domain.freshness import BEAT_LIMIT
from core.settings import Settings
from services.broker.beat import BEAT_SECONDS
from services.simulator import Simulator
from services.simulator.wire import frame
from services.stack.ports import free_port

ROUNDS = 5
FEW_ROUNDS = 2
_ASK_SECONDS = 0.01
_AGAIN_SECONDS = 0.01
_SILENCES = 2
_PAUSE_SECONDS = 0.5
_PATIENCE_SECONDS = 60


class Told:
    """What was told last, how, and when."""

    def __init__(self) -> None:
        self.live: dict[str, tuple[bool, float]] = {}
        self._news = asyncio.Event()

    def take(self, way: str, *, is_live: bool) -> None:
        """Somebody was told; only what differs from before is news."""
        if way not in self.live or self.live[way][0] is not is_live:
            self.live[way] = (is_live, time.perf_counter())
            self._news.set()

    async def everywhere(self, *, is_live: bool) -> dict[str, float]:
        """Wait until everybody was told this; when each was."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while len(self.live) < len(_WAYS) or any(known is not is_live for known, _ in self.live.values()):
                self._news.clear()
                await self._news.wait()
        return {way: at for way, (_, at) in self.live.items()}


_WAYS = ("WebSocket", "HTTP")


async def _hear(socket: ClientConnection, told: Told) -> None:
    async for raw in socket:
        message: dict[str, Any] = json.loads(raw)
        if message["type"] == "status":
            told.take("WebSocket", is_live=message["reason"] is None)


async def _ask(client: httpx.AsyncClient, told: Told) -> None:
    while True:
        answer = (await client.get("/api/v1/positions", params={"limit": 1})).raise_for_status().json()
        told.take("HTTP", is_live=answer["freshness"]["source"] == "live")
        await asyncio.sleep(_ASK_SECONDS)


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[Told]:
    """A client by each way."""
    told, address = Told(), f"{settings.api_host}:{settings.api_port}"
    key = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        connect(f"ws://{address}/api/v1/stream", additional_headers=key, max_size=None) as socket,
        httpx.AsyncClient(base_url=f"http://{address}", headers=key) as client,
    ):
        tasks = [asyncio.create_task(_hear(socket, told)), asyncio.create_task(_ask(client, told))]
        try:
            yield told
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Bare:
    """A client of the gateway that has asked for nothing; ``heard_at`` is when it last heard anything."""

    def __init__(self, port: int) -> None:
        self.heard_at = 0.0
        self._port = port

    async def keep(self) -> None:
        """Connect, listen, and connect again, until cancelled."""
        while True:
            with suppress(OSError):
                await self._connection()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _connection(self) -> None:
        reader, writer = await self._open()
        writer.write(frame(["71", "2", "99", ""]))
        while await reader.read(65_536):
            self.heard_at = time.perf_counter()
        self.heard_at = time.perf_counter()
        writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        hello = b"v100..187"
        writer.write(b"API\0" + len(hello).to_bytes(4, "big") + hello)
        return reader, writer

    async def hears(self, since: float) -> float:
        """Seconds until something is heard after ``since``."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while self.heard_at <= since:
                await asyncio.sleep(0)
        return self.heard_at - since

    async def is_greeted(self, since: float) -> float:
        """Seconds after ``since`` until somebody new is greeted."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                with suppress(OSError):
                    reader, writer = await self._open()
                    greeting = await reader.read(1024)
                    writer.close()
                    if greeting:
                        return time.perf_counter() - since
                await asyncio.sleep(_AGAIN_SECONDS)


Act = Callable[[], Awaitable[None]]
Floor = Callable[[float], Awaitable[float]]


class Fault(NamedTuple):
    """One way to lose the broker, and the way back, each with its floor."""

    name: str
    rounds: int
    lose: Act
    lost_floor: Floor
    regain: Act
    regained_floor: Floor


def _always(seconds: float) -> Floor:
    async def floor(_since: float) -> float:
        return seconds

    return floor


def _faults(
    simulator: Simulator, settings: Settings, link: "subprocess.Popen[bytes]", bare: Bare
) -> list[Fault]:
    async def hang_up() -> None:
        await simulator.refuse()
        simulator.drop_connections()

    async def welcome() -> None:
        await simulator.refuse(on=False)

    async def lose_ibkr() -> None:
        simulator.connectivity_lost()

    async def regain_ibkr() -> None:
        simulator.connectivity_restored()

    async def stop() -> None:
        link.send_signal(signal.SIGSTOP)

    async def go_on() -> None:
        link.send_signal(signal.SIGCONT)

    async def fall_silent() -> None:
        simulator.stall()

    async def speak() -> None:
        simulator.stall(on=False)

    silence = _always(_SILENCES * settings.ib_heartbeat_seconds)
    no_beat, beat = _always(BEAT_LIMIT.total_seconds()), _always(BEAT_SECONDS)
    return [
        Fault("gateway that hangs up", ROUNDS, hang_up, bare.hears, welcome, bare.is_greeted),
        Fault("IBKR away (1100, 1102)", ROUNDS, lose_ibkr, bare.hears, regain_ibkr, bare.hears),
        Fault("link process that stands still", FEW_ROUNDS, stop, no_beat, go_on, beat),
        Fault("silent gateway", FEW_ROUNDS, fall_silent, silence, speak, bare.is_greeted),
    ]


class Worst:
    """The longest of each kind."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def take(self, kind: str, seconds: float) -> None:
        """One more."""
        self.seconds[kind] = max(seconds, self.seconds.get(kind, 0.0))


async def measure(fault: Fault, told: Told) -> None:
    """Lose and regain some times, and print the worst."""
    worst, floors = Worst(), Worst()
    for _ in range(fault.rounds):
        for kind, do, floor, is_live in (
            ("told as last known", fault.lose, fault.lost_floor, False),
            ("told as live again", fault.regain, fault.regained_floor, True),
        ):
            since = time.perf_counter()
            await do()
            floors.take(kind, await floor(since))
            for way, at in (await told.everywhere(is_live=is_live)).items():
                worst.take(f"{kind}, {way}", at - since)
            # What comes after it is no part of the next turn.
            await asyncio.sleep(_PAUSE_SECONDS)
    for name, taken in worst.seconds.items():
        figure(f"{fault.name}: {name}", taken, floors.seconds[name.rpartition(",")[0]], "s")


async def main() -> None:
    """Measure and print."""
    async with (
        Simulator.start("default", seed=1) as simulator,
        servers(ib_port=simulator.port, api_port=free_port()) as settings,
    ):
        with process(settings, "worker"), process(settings, "api"), process(settings, "broker") as link:
            await until_ready(settings)
            bare = Bare(simulator.port)
            keeping = asyncio.create_task(bare.keep())
            async with listening(settings) as told:
                await told.everywhere(is_live=True)
                for fault in _faults(simulator, settings, link, bare):
                    await measure(fault, told)
            keeping.cancel()


if __name__ == "__main__":
    asyncio.run(main())
