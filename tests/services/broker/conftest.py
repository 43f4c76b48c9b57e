"""The broker link as it runs, against the simulator over TCP, real Valkey and real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from core.events.facts import (
    Fact,
    FactBatch,
    LinkBeat,
    PositionReported,
    PositionsCompleted,
    ResyncFenced,
    Tick,
    decode_facts,
    decode_ticks,
)
from core.events.requests import RequestEnvelope, ResyncRequested, encode
from core.settings import Settings
from core.streams.port import START, StreamPort
from core.streams.redis import RedisStreams
from services.broker.app import serve
from tests.waiting import SECONDS, eventually

Kind = TypeVar("Kind")

SMALL: dict[str, Any] = {
    "title": "Two accounts and little else, nothing moves by itself",
    "market": {"moves": False, "fills": False},
    "instruments": [
        {"conid": 265598, "symbol": "AAPL", "exchange": "NASDAQ", "mark": "228.02", "name": "APPLE INC"},
        {"conid": 272093, "symbol": "MSFT", "exchange": "NASDAQ", "mark": "417.74", "name": "MICROSOFT"},
        {"conid": 8719, "symbol": "JNJ", "exchange": "NYSE", "mark": "155.17", "name": "JOHNSON"},
        {
            "conid": 700200005,
            "ref": "ZC",
            "symbol": "ZC",
            "kind": "FUT",
            "expiry": "+12M",
            "exchange": "CBOT",
            "multiplier": 5000,
            "magnifier": 100,
            "tick": "0.25",
            "mark": "435.50",
            "name": "Corn Futures",
        },
    ],
    "accounts": [
        {
            "id": "DU1000001",
            "cash": {"USD": "100000"},
            "holdings": {"AAPL": "100 @ 200", "ZC": "2 @ 430"},
        },
        {"id": "DU1000002", "cash": {"USD": "50000"}, "holdings": {"MSFT": "-30 @ 410"}},
    ],
}
ONE_ACCOUNT: dict[str, Any] = {**SMALL, "accounts": SMALL["accounts"][:1]}


class Reader:
    """Everything the broker link has put on its streams."""

    def __init__(self, streams: StreamPort, settings: Settings) -> None:
        self._streams = streams
        self._settings = settings
        self._after = START
        self._ticks_after = START
        self.batches: list[FactBatch] = []
        self.ticks: list[Tick] = []

    async def read(self) -> list[Fact]:
        """All facts so far."""
        for entry in await self._streams.tail(
            self._settings.facts_stream, self._after, count=10_000, block_ms=1
        ):
            self._after = entry.id
            self.batches.append(decode_facts(entry.data))
        return [fact for batch in self.batches for fact in batch.facts]

    async def read_ticks(self) -> list[Tick]:
        """All ticks so far."""
        for entry in await self._streams.tail(
            self._settings.ticks_stream, self._ticks_after, count=10_000, block_ms=1
        ):
            self._ticks_after = entry.id
            self.ticks.extend(decode_ticks(entry.data).ticks)
        return self.ticks

    async def of(self, kind: type[Kind]) -> list[Kind]:
        """All facts of one kind."""
        return [fact for fact in await self.read() if isinstance(fact, kind)]

    async def until(
        self, kind: type[Kind], holds: Callable[[Kind], object] = bool, *, seconds: float = SECONDS
    ) -> Kind:
        """Wait for a fact of ``kind`` of which ``holds`` holds."""

        async def found() -> Kind | None:
            return next((fact for fact in await self.of(kind) if holds(fact)), None)

        result = await eventually(found, lambda fact: fact is not None, seconds=seconds)
        assert result is not None
        return result

    async def until_tick(
        self, kind: type[Kind], holds: Callable[[Kind], object] = bool, *, seconds: float = SECONDS
    ) -> Kind:
        """Wait for a tick of ``kind`` of which ``holds`` holds."""

        async def found() -> Kind | None:
            ticks = await self.read_ticks()
            return next((tick for tick in ticks if isinstance(tick, kind) and holds(tick)), None)

        result = await eventually(found, lambda tick: tick is not None, seconds=seconds)
        assert result is not None
        return result

    async def fences(self) -> list[ResyncFenced]:
        return await self.of(ResyncFenced)

    async def synced(self, count: int = 1) -> None:
        """Wait for ``count`` resyncs that ended well."""
        await eventually(self.fences, lambda fences: sum(fence.ok for fence in fences) >= count)

    async def beat(self) -> LinkBeat:
        """The newest beat."""
        ticks = await eventually(self.read_ticks, lambda all_: any(isinstance(t, LinkBeat) for t in all_))
        return [tick for tick in ticks if isinstance(tick, LinkBeat)][-1]

    async def until_beat(self, holds: Callable[[LinkBeat], object], *, seconds: float = SECONDS) -> LinkBeat:
        """Wait until the newest beat is as ``holds`` says."""
        return await eventually(self.beat, holds, seconds=seconds)

    async def held(self) -> dict[tuple[str, int], Decimal]:
        """What a reader who believes only complete lists takes to be held."""
        held: dict[tuple[str, int], Decimal] = {}
        swept: dict[str, set[tuple[str, int]]] = {}
        for fact in await self.read():
            if isinstance(fact, PositionReported):
                key = (fact.account, fact.instrument.conid)
                held[key] = fact.quantity
                swept.setdefault(fact.sweep, set()).add(key)
            elif isinstance(fact, PositionsCompleted):
                for key in held:
                    if key[0] in fact.accounts and key not in swept.get(fact.sweep, set()):
                        held[key] = Decimal(0)
        return {key: quantity for key, quantity in held.items() if quantity}


def quick(settings: Settings, port: int, **changes: Any) -> Settings:
    """Settings with the patience of a test."""
    return settings.model_copy(
        update={
            "ib_port": port,
            "ib_connect_timeout_seconds": 1.0,
            "ib_heartbeat_seconds": 0.5,
            **changes,
        }
    )


@asynccontextmanager
async def broker_link(settings: Settings) -> AsyncIterator["asyncio.Task[None]"]:
    """The broker link as a task; stopped at the end as by SIGTERM."""
    task = asyncio.create_task(serve(settings), name="broker")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def reader(streams: RedisStreams, settings: Settings) -> Reader:
    return Reader(streams, settings)


async def ask_resync(streams: StreamPort, settings: Settings, job_id: str) -> None:
    request = RequestEnvelope(request=ResyncRequested(job_id=job_id, requested_by="test"))
    await streams.append(settings.requests_stream, [encode(request)], keep_entries=1000)


@asynccontextmanager
async def a_gateway_that_waits() -> AsyncIterator[int]:
    """It greets and names no account, as one that nobody is logged in to; its port."""

    async def greet_only(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stream.read(100)
        greeting = b"178\x0020261120 10:00:00 US/Eastern\0"
        writer.write(len(greeting).to_bytes(4, "big") + greeting)
        await stream.read()
        writer.close()

    server = await asyncio.start_server(greet_only, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
