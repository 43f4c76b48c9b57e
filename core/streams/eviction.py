"""A Redis that throws keys away when its memory is full loses facts without a word: it is refused."""

import asyncio
from contextlib import suppress

from core.errors import SettingsError, StreamUnavailableError
from core.streams.port import StreamPort

_START_SECONDS = 5.0


async def eviction_fault(streams: StreamPort) -> str | None:
    """What is wrong with the server's policy for a full memory; ``None``: nothing, or it does not tell.

    Raises:
        StreamUnavailableError: the server is away.
    """
    policy = await streams.eviction_policy()
    if policy in {None, "noeviction"}:
        return None
    return (
        f"Redis would throw away facts when its memory is full (maxmemory-policy {policy}). "
        "Set `maxmemory-policy noeviction` on the server of LOTKEEPER_REDIS_URL."
    )


async def refuse_eviction(streams: StreamPort) -> None:
    """Call at the start of a service. A server that is away is looked at by whoever first writes to it.

    Raises:
        SettingsError: the server may evict.
    """
    with suppress(StreamUnavailableError, TimeoutError):
        async with asyncio.timeout(_START_SECONDS):
            fault = await eviction_fault(streams)
        if fault is not None:
            raise SettingsError(fault)
