"""Ticks on their way to Redis: only the newest of each matters, and while Redis is away none does."""

import asyncio
from collections.abc import Callable, Hashable

from core.events.facts import Tick, TickBatch, encode
from core.streams.port import StreamPort
from services.broker import metrics
from services.broker.outlet import Outlet

TICKS_PER_ENTRY = 256
TICK_ENTRIES_KEPT = 10_000

_TICKS_SECONDS = 2.0
_SHEDDING_SECONDS = 0.5


class Ticks:
    """Takes ticks synchronously; ``send`` brings them to their stream, as long as ``outlet`` finds Redis."""

    def __init__(self, streams: StreamPort, stream: str, outlet: Outlet, login: str) -> None:
        self._streams = streams
        self._stream = stream
        self._login = login
        self._outlet = outlet
        self._waiting: dict[Hashable, Tick] = {}
        self._wake = asyncio.Event()

    def put(self, key: Hashable, tick: Tick) -> None:
        """Queue a tick; it replaces an earlier one of the same key that was not sent yet."""
        self._waiting[key] = tick
        self._wake.set()

    async def send(self, epoch: Callable[[], int]) -> None:
        """Send what waits, under the epoch of that moment, until cancelled."""
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            ticks, self._waiting = tuple(self._waiting.values()), {}
            payloads = [
                encode(
                    TickBatch(epoch=epoch(), ticks=ticks[start : start + TICKS_PER_ENTRY], login=self._login)
                )
                for start in range(0, len(ticks), TICKS_PER_ENTRY)
            ]
            if await self._append(payloads):
                metrics.TICKS.inc(len(ticks))
            else:
                # A figure that is a second old is worth less than the next one.
                metrics.TICKS_SHED.inc(len(ticks))
                await asyncio.sleep(_SHEDDING_SECONDS)

    async def _append(self, payloads: list[bytes]) -> bool:
        if not self._outlet.reachable:
            return False
        try:
            async with asyncio.timeout(_TICKS_SECONDS):
                await self._streams.append(self._stream, payloads, keep_entries=TICK_ENTRIES_KEPT)
        except Exception:  # noqa: BLE001 - whatever ails Redis, the facts find out and tell
            return False
        return True
