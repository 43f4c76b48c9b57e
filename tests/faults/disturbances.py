"""What can be done to a run while its script is told."""

import asyncio
import random
import time
from collections.abc import Callable

from tests.faults.figures import Figures
from tests.faults.programs import Disturb
from tests.faults.proxy import Proxy
from tests.faults.rig import Rig
from tests.waiting import eventually

VICTIMS = {"worker-1": 5, "worker-2": 5, "broker": 6, "redis": 3, "postgres": 2, "simulator": 2}
"""Who is killed at random moments, and how often."""


def kills(count: int, over_seconds: float) -> Disturb:
    """SIGKILL any process, ``count`` times, at random moments of the telling."""

    async def disturb(rig: Rig, rng: random.Random, figures: Figures) -> None:
        await rig.until_told(0.001)
        moments = sorted(rng.uniform(0, over_seconds) for _ in range(count))
        began = time.monotonic()
        for moment in moments:
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            (victim,) = rng.choices(list(VICTIMS), list(VICTIMS.values()))
            match victim:
                case "redis":
                    await rig.servers.kill_redis()
                    figures.kills += 1
                case "postgres":
                    await rig.servers.kill_postgres()
                    figures.kills += 1
                case _:
                    # Where it was killed just before, it is its next life that ends.
                    await rig.alive(victim)
                    rig.kill(victim)

    return disturb


def together(*disturbances: Disturb) -> Disturb:
    """One after the other, spread over the telling."""

    async def disturb(rig: Rig, rng: random.Random, figures: Figures) -> None:
        for number, one in enumerate(disturbances):
            await rig.until_told((number + 0.3) / len(disturbances))
            await one(rig, rng, figures)

    return disturb


def killed(name: str, times: int = 1, *, again_seconds: float = 0.4) -> Disturb:
    """SIGKILL one process, more than once."""

    async def disturb(rig: Rig, rng: random.Random, _figures: Figures) -> None:
        await rig.until_told(0.1)
        for _ in range(times):
            rig.kill(name)
            await asyncio.sleep(rng.uniform(0.5, 1) * again_seconds)

    return disturb


def stopped(name: str, seconds: float) -> Disturb:
    """SIGSTOP a process for a while."""

    async def disturb(rig: Rig, _rng: random.Random, _figures: Figures) -> None:
        await rig.until_told(0.1)
        async with rig.paused(name):
            await asyncio.sleep(seconds)

    return disturb


# The stores.


def redis_killed(seconds: float, *, tail_bytes: int = 0, settings: dict[str, str] | None = None) -> Disturb:
    """SIGKILL Redis; ``settings`` are what it is set to before, ``tail_bytes`` is what its log loses."""

    async def disturb(rig: Rig, _rng: random.Random, figures: Figures) -> None:
        for name, value in (settings or {}).items():
            await rig.servers.tell_redis("CONFIG", "SET", name, value)
        await rig.until_told(0.3)
        await rig.servers.kill_redis(seconds, tail_bytes=tail_bytes)
        figures.kills += 1

    return disturb


def redis_flushed(times: int = 1) -> Disturb:
    """Take everything out of Redis, while facts wait in it."""

    async def disturb(rig: Rig, _rng: random.Random, _figures: Figures) -> None:
        for number in range(times):
            await rig.until_told(0.2 + 0.6 * number / times)
            async with rig.workers_paused():
                await asyncio.sleep(0.5)
                await rig.servers.tell_redis("FLUSHALL")

    return disturb


def postgres_killed(seconds: float) -> Disturb:
    """SIGKILL PostgreSQL."""

    async def disturb(rig: Rig, _rng: random.Random, figures: Figures) -> None:
        await rig.until_told(0.2)
        await rig.servers.kill_postgres(seconds)
        figures.kills += 1

    return disturb


def postgres_stopped_at_once(seconds: float) -> Disturb:
    """PostgreSQL's immediate shutdown."""

    async def disturb(rig: Rig, _rng: random.Random, figures: Figures) -> None:
        await rig.until_told(0.2)
        await rig.servers.stop_postgres_at_once(seconds)
        figures.kills += 1

    return disturb


def redis_disk_full(seconds: float) -> Disturb:
    """Redis cannot write its log: it refuses writes until it can."""

    async def disturb(rig: Rig, _rng: random.Random, _figures: Figures) -> None:
        await rig.until_told(0.3)
        with rig.servers.full_disk(rig.servers.redis, 1024):
            await asyncio.sleep(seconds)

    return disturb


def postgres_disk_full(seconds: float) -> Disturb:
    """PostgreSQL cannot let its files grow."""

    async def disturb(rig: Rig, _rng: random.Random, _figures: Figures) -> None:
        await rig.until_told(0.2)
        with rig.servers.full_disk(rig.servers.postgres, 8192):
            await asyncio.sleep(seconds)
        if not rig.servers.postgres.running:  # it gives up where it cannot write its log
            await rig.servers.do(rig.servers.postgres.stop)
            await rig.servers.do(rig.servers.postgres.start)

    return disturb


# The network. The run must be proxied.


def on_the_way(place: str, act: Callable[[Proxy], None], *, seconds: float = 0) -> Disturb:
    """Do something to the connections of one place, and mend it after a while."""

    async def disturb(rig: Rig, _rng: random.Random, _figures: Figures) -> None:
        await rig.until_told(0.1)
        act(rig.proxies[place])
        await asyncio.sleep(seconds)
        rig.proxies[place].heal()

    return disturb


def silent_gateway(heal_after: float = 0.2) -> Disturb:
    """The gateway's words vanish on the way; how long it takes until the link knows."""

    async def disturb(rig: Rig, _rng: random.Random, figures: Figures) -> None:
        await rig.until_told(0.2)
        downs = "SELECT count(*) FROM sync_log WHERE kind = 'link' AND message LIKE '%gateway down%'"
        before = await rig.value(downs)
        rig.proxies["gateway"].black_hole("down")
        began = time.monotonic()

        async def noticed() -> bool:
            return bool(await rig.value(downs) > before)

        await eventually(noticed)
        figures.detection_seconds = time.monotonic() - began
        await asyncio.sleep(heal_after)
        rig.proxies["gateway"].heal()

    return disturb
