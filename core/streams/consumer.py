"""The one consumer loop: read, hand over, acknowledge only what was dealt with."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from core import logs
from core.errors import DatabaseUnavailableError, StreamUnavailableError
from core.metrics.make import counter
from core.streams.port import Entry, StreamPort

log = logs.get_logger(__name__)

Handle = Callable[[Sequence[Entry]], Awaitable[None]]
"""Deals with entries and commits the effect before it returns. What raises is delivered again.

What it can never deal with it keeps aside; ``DatabaseUnavailableError`` asks for another try. Whatever else
it raises is tried again, too, and counts as one more delivery of these entries.
"""

Turn = Callable[[], AbstractAsyncContextManager[bool]]
"""Waits until it is one's turn to take entries; it lasts until the block ends.

It yields whether no other member has a turn meanwhile: then what was given to others is in nobody's hands.
"""

FAILURES = counter("lotkeeper_consumer_failures_total")

_BLOCK_MS = 500
_CLAIM_SECONDS = 1.0
_RETRY_FIRST_SECONDS = 0.1
_RETRY_MOST_SECONDS = 5.0


@asynccontextmanager
async def at_any_time() -> AsyncIterator[bool]:
    """No turns: members take entries side by side."""
    yield False


class Consumer:
    """One member of a consumer group on one stream.

    What another member was given and did not acknowledge, or itself before its restart, it takes over before
    it reads on: at once where members take turns, so that everything is dealt with in the stream's order;
    otherwise at start, and about every second, what was given ``idle_ms`` ago. A member that is only slow
    loses nothing by it: whoever comes second finds the effect committed. Entries reach ``handle`` in batches
    of at most ``count``. When Redis or PostgreSQL is away, or anything else goes wrong, it says so once,
    retries, and says once that it goes on.
    """

    def __init__(
        self,
        port: StreamPort,
        *,
        stream: str,
        group: str,
        consumer: str,
        handle: Handle,
        count: int = 64,
        idle_ms: int = 3_000,
        turn: Turn = at_any_time,
    ) -> None:
        self._port = port
        self._stream = stream
        self._group = group
        self._consumer = consumer
        self._handle = handle
        self._count = count
        self._idle_ms = idle_ms
        self._turn = turn
        self._claim_at = 0.0
        self._down: str | None = None

    async def run(self) -> None:
        """Consume until cancelled. A batch under way when cancelled is delivered again later."""
        retry_seconds = _RETRY_FIRST_SECONDS
        left_over: list[Entry] = []
        while True:
            try:
                async with self._turn() as is_alone:
                    left_over = left_over or await self._take(is_alone=is_alone)
                    if left_over:
                        await self._handle(left_over)
                        done = [entry.id for entry in left_over]
                        await self._port.acknowledge(self._stream, self._group, done)
                        left_over = []
            except (StreamUnavailableError, DatabaseUnavailableError) as error:
                self._say_down(error.code, reason=str(error))
            except Exception as error:  # noqa: BLE001 - a loop that ends takes every later fact with it
                FAILURES.labels(self._group).inc()
                left_over = [entry._replace(deliveries=entry.deliveries + 1) for entry in left_over]
                # Its text could tell amounts and accounts.
                self._say_down(type(error).__name__, reason=type(error).__name__, where=_origin(error))
            else:
                self._say_up()
                retry_seconds = _RETRY_FIRST_SECONDS
                continue
            await asyncio.sleep(retry_seconds)
            retry_seconds = min(retry_seconds * 2, _RETRY_MOST_SECONDS)

    async def _take(self, *, is_alone: bool) -> list[Entry]:
        if is_alone or time.monotonic() >= self._claim_at:
            left = await self._port.claim_stale(
                self._stream,
                self._group,
                self._consumer,
                idle_ms=0 if is_alone else self._idle_ms,
                count=self._count,
            )
            if left:
                self._claim_at = 0.0
                return left
            self._claim_at = time.monotonic() + min(_CLAIM_SECONDS, self._idle_ms / 1000)
        return await self._port.read_group(
            self._stream, self._group, self._consumer, count=self._count, block_ms=_BLOCK_MS
        )

    def _say_down(self, code: str, **why: str) -> None:
        if self._down != code:
            self._down = code
            log.warning("consumer_waiting", stream=self._stream, group=self._group, **why)

    def _say_up(self) -> None:
        if self._down is not None:
            self._down = None
            log.info("consumer_resumed", stream=self._stream, group=self._group)


def _origin(error: Exception) -> str:
    """Where it was raised: file, line and function."""
    frames = traceback.extract_tb(error.__traceback__, -1)
    return " ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
