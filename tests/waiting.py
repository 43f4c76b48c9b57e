"""Tests wait for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")

_POLL_SECONDS = 0.01

SECONDS = 90.0
"""How long one waits for what must come at all: on a machine that does much besides, it comes late."""


async def eventually(
    probe: Callable[[], Awaitable[Value]],
    holds: Callable[[Value], object] = bool,
    *,
    seconds: float = SECONDS,
) -> Value:
    """Ask ``probe`` until ``holds`` of its answer; return that answer.

    Raises:
        AssertionError: it did not come to hold; names the last answer.
    """
    until = time.monotonic() + seconds
    while True:
        value = await probe()
        if holds(value):
            return value
        if time.monotonic() > until:
            raise AssertionError(f"did not come to hold within {seconds} s; last answer: {value!r}")
        await asyncio.sleep(_POLL_SECONDS)


async def comes(
    probe: Callable[[], Value], holds: Callable[[Value], object] = bool, *, seconds: float = SECONDS
) -> Value:
    """The same for a probe that need not be awaited, while the loop goes on."""

    async def asked() -> Value:
        return probe()

    return await eventually(asked, holds, seconds=seconds)


def eventually_now(
    probe: Callable[[], Value], holds: Callable[[Value], object] = bool, *, seconds: float = SECONDS
) -> Value:
    """The same where no loop runs."""
    until = time.monotonic() + seconds
    while True:
        value = probe()
        if holds(value):
            return value
        if time.monotonic() > until:
            raise AssertionError(f"did not come to hold within {seconds} s; last answer: {value!r}")
        time.sleep(_POLL_SECONDS)
