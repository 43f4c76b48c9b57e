"""Holding a gateway back: while there is no room for what it tells, its socket is not read."""

import asyncio
from collections.abc import Callable
from typing import Any

from services.broker import metrics

TOLERATED_SECONDS = 3.0
"""A shorter hold only keeps the gateway in step, and is no news.

Some 10,000 facts have to leave memory before one ends, which a working Redis or disk takes in less. What the
gateway says meanwhile waits in the buffers of two sockets. A longer one counts as an outage: TWS throws away
the older half of what it could not send, so there may be a gap in what is read afterwards. It is half as
long as a silent gateway may go unnoticed.
"""

MOST_SECONDS = 60.0
"""By then TWS has long thrown away what it could not send, and each further second costs it memory.

A connection is worth no more than the answers to the questions that the next one begins with.
"""


class Flow:
    """Whether one connection is listened to. ``set_reading`` stops and goes on reading its socket.

    ``changes`` counts holds and their ends, ``breaks`` the moments on both sides of which what is told may
    have a gap between them: an answer across one is not believed.
    """

    def __init__(self, set_reading: Callable[[bool], None]) -> None:
        self._set_reading = set_reading
        self._is_long = False
        self.held = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()
        self.changes = 0
        self.breaks = 0

    def let(self, has_room: bool) -> None:
        """Listen, or do not. At once: more than what is being read now will not come."""
        if has_room is self.free.is_set():
            return
        self.changes += 1
        self._set_reading(has_room)
        if has_room:
            self.held.clear()
            self.free.set()
            self.breaks += self._is_long
            self._is_long = False
        else:
            metrics.HOLDS.inc()
            self.free.clear()
            self.held.set()

    def declare_long(self) -> None:
        """The hold under way has become too long to believe that nothing was thrown away."""
        self._is_long = True
        self.breaks += 1

    def listened_since(self, changes: int) -> bool:
        """Whether there was no hold since ``changes`` was looked up, not even one under way then."""
        return self.free.is_set() and self.changes == changes

    async def free_within(self, seconds: float) -> bool:
        """Wait for the end of a hold; whether it came in time."""
        try:
            async with asyncio.timeout(seconds):
                await self.free.wait()
        except TimeoutError:
            # It may have come in the same turn.
            return self.free.is_set()
        return True

    async def answered(self, answer: "asyncio.Future[Any]", seconds: float) -> bool:
        """Wait for the end of an answer; whether it came within so many seconds of listening for it."""
        while True:
            changes = self.changes
            done, _ = await asyncio.wait({answer}, timeout=seconds)
            if done or self.listened_since(changes):
                return bool(done)
