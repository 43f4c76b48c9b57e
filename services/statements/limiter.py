"""Keeps below what the Flex Web Service allows for one token."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

Monotonic = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

PER_MINUTE: Final = 10
_MINUTE_SECONDS: Final = 60.0
_SPACING_SECONDS: Final = 1.0
_MARGIN_SECONDS: Final = 0.2
"""Two requests arrive closer together than they were sent when the first takes longer on its way."""


class Limiter:
    """Hands out turns to ask: one a second, ten a minute (the limit that IBKR states with its code 1018)."""

    def __init__(self, now: Monotonic = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._now = now
        self._sleep = sleep
        self._turns: deque[float] = deque(maxlen=PER_MINUTE)
        self._one_at_a_time = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for a turn."""
        async with self._one_at_a_time:
            while (seconds := self._seconds_to_wait()) > 0:
                await self._sleep(seconds)
            self._turns.append(self._now())

    def _seconds_to_wait(self) -> float:
        if not self._turns:
            return 0.0
        free_at = self._turns[-1] + _SPACING_SECONDS
        if len(self._turns) == PER_MINUTE:
            free_at = max(free_at, self._turns[0] + _MINUTE_SECONDS)
        return free_at + _MARGIN_SECONDS - self._now()
