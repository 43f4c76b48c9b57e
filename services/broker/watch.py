"""Is anybody there, and does it still tell anything? What one connection is watched for."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from core import logs
from core.domain.link import DATA_STALE, NO_ROOM, LinkEvent
from core.settings import Settings
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.flow import MOST_SECONDS, TOLERATED_SECONDS

log = logs.get_logger(__name__)

_MISSES = 2
_MOST_DOUBLINGS = 3
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 3.0
"""A loop that comes this much too late stood still, with its process or its machine."""


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The one that goes on while the machine is suspended, where there is one."""


def _now() -> float:
    return time.clock_gettime(_CLOCK)


class Watch:
    """The watches over one connection; each runs until cancelled. ``ask`` wants a resync, by its trigger.

    ``silences`` is how many connections in a row ended in silence before everything was told: a gateway that
    is busy with a long answer has longer each time, instead of being hung up on for ever. Once everything was
    told it is none, and silence is found as soon as ever.
    """

    def __init__(
        self,
        connection: Connection,
        link: Link,
        settings: Settings,
        *,
        ask: Callable[[str], None],
        ibkr_is_up: Callable[[], bool],
        silences: Callable[[], int] = lambda: 0,
    ) -> None:
        self._connection = connection
        self._flow = connection.flow
        self._listener = connection.listener
        self._link = link
        self._settings = settings
        self._ask = ask
        self._ibkr_is_up = ibkr_is_up
        self._silences = silences

    async def heartbeat(self) -> None:
        """Ask the time; some questions in a row without any message at all mean that nobody is there."""
        interval = self._settings.ib_heartbeat_seconds
        patience = interval * 0.8
        misses = 0
        while True:
            await self._flow.free.wait()
            before, changes = self._listener.messages, self._flow.changes
            # A time that lay in a buffer while the gateway was held back is not the time any more.
            self._listener.is_prompt = partial(self._flow.listened_since, changes)
            self._connection.client.reqCurrentTime()
            await asyncio.sleep(patience)
            if self._listener.messages != before:
                misses = 0
            elif self._flow.listened_since(changes):
                misses += 1
            if misses >= _MISSES << min(self._silences(), _MOST_DOUBLINGS):
                self._connection.drop(
                    "gateway_silent", f"the gateway has said nothing for about {interval * misses:g} s"
                )
            await asyncio.sleep(interval - patience)

    async def data_age(self) -> None:
        """A gateway that tells the time and nothing else is stale; one that answers no resync either is gone.

        While the gateway says that IBKR is away, or is held back, nothing is expected of it.
        """
        loop = asyncio.get_running_loop()
        data = self._listener.signals.data
        limit = self._settings.ib_stale_seconds
        # A question that still waits for its own answer may stand before ours.
        patience = 2 * self._settings.ib_connect_timeout_seconds
        heard_at = loop.time()
        while True:
            await asyncio.sleep(min(limit / 10, _LOOK_SECONDS))
            now = loop.time()
            if self._flow.held.is_set():
                heard_at = now
            elif data.is_set() or not self._ibkr_is_up():
                data.clear()
                heard_at = now
                if self._link.is_stale:
                    self._link.apply(LinkEvent.RESTORED)
            elif self._link.is_stale and now - heard_at >= limit + patience:
                said = f"the gateway has told the time and nothing else for {now - heard_at:.0f} s"
                self._connection.drop("gateway_silent", f"{said}; connecting anew")
            elif not self._link.is_stale and now - heard_at >= limit:
                said = f"the gateway has told the time and nothing else for {limit:g} s"
                self._link.apply(LinkEvent.STALE, DATA_STALE, f"{said}; asking for everything")
                self._ask(DATA_STALE)

    async def room(self) -> None:
        """A hold that lasts is an outage, after which all is asked again; one that goes on is the end."""
        while True:
            await self._flow.held.wait()
            if await self._flow.free_within(TOLERATED_SECONDS):
                continue
            self._flow.declare_long()
            if self._link.state in {"syncing", "live"}:
                said = "no more facts can be kept, neither in Redis nor on disk: the gateway must wait"
                self._link.apply(LinkEvent.STALE, NO_ROOM, said)
            if not await self._flow.free_within(MOST_SECONDS - TOLERATED_SECONDS):
                said = f"no more facts could be kept for {MOST_SECONDS:g} s; leaving the gateway"
                self._connection.drop(NO_ROOM, said)
                await self._flow.free.wait()
            if self._link.reason == NO_ROOM:
                self._link.apply(LinkEvent.RESTORED)
            if self._link.up:
                self._ask(NO_ROOM)

    async def pauses(self) -> None:
        """Notice that this process stood still: what was said meanwhile may have gone past us."""
        while True:
            expected_at = _now() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            seconds = _now() - expected_at
            if seconds > _PAUSE_SECONDS:
                log.warning("broker_link_stood_still", seconds=round(seconds, 1))
                self._ask("paused")
