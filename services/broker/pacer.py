"""Keeps bulk requests below IBKR's throttle, so that a heartbeat never stands in their queue."""

import asyncio

BULK_PER_SECOND = 30.0
"""IBKR allows 50 requests a second and ib_async sends 45; the rest is for what cannot wait."""


class Pacer:
    """Hands out turns evenly, ``BULK_PER_SECOND`` at most, with a small burst after a quiet time."""

    def __init__(self, per_second: float = BULK_PER_SECOND, burst: int = 10) -> None:
        self._gap = 1 / per_second
        self._credit = burst * self._gap
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for a turn."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - self._credit) + self._gap
        if self._next > now:
            await asyncio.sleep(self._next - now)
