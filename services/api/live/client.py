"""One reader of the stream: a bounded queue, emptied by one sender at the pace of the socket."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import Final

QUEUE_FRAMES = 256
QUEUE_BYTES = 4_000_000

SERVICE_RESTART = 1012
"""WebSocket close code (RFC 6455 registry): come back."""

BEAT_TURNS: Final = 20
"""Parts in which readers are told their heartbeat: of a thousand at once, a change would have to wait."""

Send = Callable[[str], Awaitable[None]]
AtOnce = Callable[[str], bool]
_comers = count()


class Client:
    """A subscriber. ``push`` never waits; what does not fit is dropped whole and the topics begin anew.

    ``topics`` are those it follows, ``served`` those of which it was given a beginning. ``turn`` is the part
    of the heartbeat's period in which it has its own. ``at_once`` sends what needs no waiting, and says
    whether it did: then the reader's task need not be woken for each message.
    """

    def __init__(
        self, *, frames: int = QUEUE_FRAMES, size: int = QUEUE_BYTES, at_once: AtOnce = lambda _: False
    ) -> None:
        self.topics: set[str] = set()
        self.served: set[str] = set()
        self.turn = next(_comers) % BEAT_TURNS
        self.close_code = SERVICE_RESTART
        self._queue: deque[str] = deque()
        self._queued_bytes = 0
        self._frames = frames
        self._size = size
        self._behind = False
        self._finished = False
        self._at_once = at_once
        self._is_idle = False
        self._wake = asyncio.Event()

    @property
    def queued_bytes(self) -> int:
        """What waits for this reader's socket; bounded."""
        return self._queued_bytes

    def push(self, text: str) -> bool:
        """Queue a message; ``False`` when the reader is too slow and begins anew instead.

        One message always fits, however large: a snapshot must reach whoever has an empty queue.
        """
        if self._behind or self._finished:
            return False
        if self._is_idle and not self._queue and self._at_once(text):
            return True
        full = len(self._queue) >= self._frames or self._queued_bytes + len(text) > self._size
        if self._queue and full:
            self._queue.clear()
            self._queued_bytes = 0
            self._behind = True
            self._wake.set()
            return False
        self._queue.append(text)
        self._queued_bytes += len(text)
        self._wake.set()
        return True

    def finish(self, last: str) -> None:
        """Say a last word and end; what was queued before it is dropped."""
        self._queue.clear()
        self._queue.append(last)
        self._queued_bytes = len(last)
        self._behind = False
        self._finished = True
        self._wake.set()

    async def pump(self, send: Send, begin_anew: Callable[[Iterable[str]], list[str]]) -> None:
        """Send what is queued, one after another, until finished.

        ``begin_anew`` gives resets and snapshots of topics as things are when their turn comes.
        """
        while True:
            if self._behind:
                texts = begin_anew(sorted(self.topics))
                self._behind = False
                for text in texts:
                    await send(text)
                continue
            if self._queue:
                text = self._queue.popleft()
                self._queued_bytes -= len(text)
                await send(text)
                continue
            if self._finished:
                return
            self._wake.clear()
            self._is_idle = True
            await self._wake.wait()
            self._is_idle = False
