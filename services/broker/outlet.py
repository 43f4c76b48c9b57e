"""The facts stream as the link sees it: there or away, with room or full, whole or with something lost."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence

from core import logs
from core.errors import StreamUnavailableError
from core.settings import Settings
from core.streams.eviction import eviction_fault
from core.streams.port import StreamPort
from services.broker import metrics

log = logs.get_logger(__name__)

_ANSWER_SECONDS = 5.0
"""A server that does not answer for so long is away: what it was asked is kept elsewhere meanwhile."""

_EVICTION_CHECK_SECONDS = 60.0


class Outlet:
    """Brings encoded batches into the facts stream.

    Each append carries a mark, and learns whether the server still has the last one that it confirmed. One
    that has forgotten it has forgotten facts with it: ``on_lost`` is called. Marks of appends without an
    answer prove nothing: these may have been made before the loss, after it, or not at all.
    """

    def __init__(self, streams: StreamPort, settings: Settings) -> None:
        self._streams = streams
        self._stream = settings.facts_stream
        self._most_entries = settings.facts_in_redis
        self._writer = uuid.uuid4().hex
        self._mark = 0
        self._confirmed = 0
        self._check_eviction_at = 0.0
        self._evicting = False
        self._patience: asyncio.Timeout | None = None
        self._one_at_a_time = asyncio.Lock()
        self.on_lost: Callable[[], None] = lambda: None
        self.up = True
        self.reachable = True
        self.backlog_entries = 0
        self.full = False
        """Whether so much waits in Redis that no more should come until half of it is gone."""

    async def append(self, payloads: Sequence[bytes]) -> bool:
        """Add entries, or only look how things are; whether Redis has taken them.

        ``False`` leaves open whether it did: the same entries must be sent again, before any others.
        """
        # Marks prove something only in the order in which they are written.
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS) as self._patience:
                    await self._require_no_eviction()
                    await self._append(payloads)
                    await self._look_at_backlog()
            except Exception as error:  # noqa: BLE001 - away, full or refusing: facts wait, told once
                self._say_down(error)
                return False
            finally:
                self._patience = None
            self._say_up()
            return True

    def give_up(self) -> None:
        """Wait no longer for the answer that is awaited now, if any."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _append(self, payloads: Sequence[bytes]) -> None:
        self._mark += 1
        mark = self._mark
        appended = await self._streams.append_marked(
            self._stream, payloads, writer=self._writer, mark=mark, confirmed=self._confirmed
        )
        lost = self._confirmed > 0 and not appended.is_remembered
        self._confirmed = mark
        self.backlog_entries = appended.length_entries
        if lost:
            metrics.REDIS_LOST.inc()
            log.warning(
                "redis_lost_facts",
                explanation="Redis came back without its newest facts; asking for all again",
            )
            self.on_lost()

    async def _look_at_backlog(self) -> None:
        """Compare what waits in Redis with its bound; what everyone has acknowledged does not count."""
        if self.backlog_entries > self._bound:
            await self._streams.trim_acknowledged(self._stream)
            await self._append(())
        metrics.BACKLOG_ENTRIES.set(self.backlog_entries)
        full = self.backlog_entries > self._bound
        if full is not self.full:
            self.full = full
            if full:
                log.warning("redis_backlog_long", entries=self.backlog_entries, kept_on="disk")
            else:
                log.info("redis_backlog_short", entries=self.backlog_entries)

    @property
    def _bound(self) -> int:
        return self._most_entries // 2 if self.full else self._most_entries

    async def _require_no_eviction(self) -> None:
        if self.up and time.monotonic() < self._check_eviction_at:
            return
        fault = await eviction_fault(self._streams)
        if fault is not None and not self._evicting:
            log.error("redis_may_evict", explanation=fault)
        self._evicting = fault is not None
        if fault is not None:
            raise _MayEvictError(fault)
        self._check_eviction_at = time.monotonic() + _EVICTION_CHECK_SECONDS

    def _say_down(self, error: Exception) -> None:
        self.reachable = isinstance(error, _MayEvictError)
        if self.up:
            self.up = False
            metrics.REDIS_UP.set(0)
            if not self._evicting:
                log.warning("redis_away", reason=str(error) or f"no answer within {_ANSWER_SECONDS:g} s")

    def _say_up(self) -> None:
        metrics.REDIS_UP.set(1)
        self.reachable = True
        if not self.up:
            self.up = True
            log.info("redis_back")


class _MayEvictError(StreamUnavailableError):
    """The server may throw away facts: it gets none."""
