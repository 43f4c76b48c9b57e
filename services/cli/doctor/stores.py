"""PostgreSQL and Redis: whether they answer, and whether they are set so that what they take is kept."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.clock import utc_now
from core.errors import LotkeeperError
from core.settings import Settings
from models.migrate import require_current, sentence_for_disconnects
from models.session import Database
from services.cli.doctor.finding import Finding, clock

OLDEST_POSTGRESQL: Final = 15
OLDEST_REDIS: Final = (6, 2)
_SLOW_SECONDS = 0.05
_CLOCK_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


async def postgresql(settings: Settings) -> AsyncIterator[Finding]:
    """Reached, of a version and schema that fit, durable, near, and of the same time."""
    try:
        url = settings.require_database_direct_url()
        await require_current(url, settings.profile)
        if settings.has_pooler():
            yield await _through_pooler(settings)
    except LotkeeperError as error:
        yield Finding("PostgreSQL", "error", str(error))
        return
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=_ANSWER_SECONDS)
    try:
        rows = await connection.fetch(
            "SELECT name, setting FROM pg_settings WHERE name = ANY($1)", (*_DURABLE, "server_version_num")
        )
        settled = {row["name"]: row["setting"] for row in rows}
        began = time.perf_counter()
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        seconds = time.perf_counter() - began
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
    finally:
        await connection.close()
    for one in _of_postgresql(settled, seconds, size):
        yield one
    yield clock("clock of PostgreSQL", (now - utc_now()).total_seconds(), most_seconds=_CLOCK_SECONDS)


async def _through_pooler(settings: Settings) -> Finding:
    """Whether the pooler lets through what each transaction begins with."""
    database = Database(settings.require_database_url(), application="doctor", pool_size=1, has_pooler=True)
    try:
        with sentence_for_disconnects():
            async with asyncio.timeout(_ANSWER_SECONDS), database.read() as reader:
                await reader.execute(text("SELECT 1"))
    except (LotkeeperError, DBAPIError, TimeoutError) as error:
        told = f"cannot be used ({type(error).__name__})"
        return Finding("pooler", "error", told, "Check LOTKEEPER_DATABASE_URL; see docs/scaling.md.")
    finally:
        await database.close()
    return Finding("pooler", "ok", "transactions go through it, locks past it")


def _of_postgresql(settled: dict[str, str], seconds: float, size: int) -> list[Finding]:
    version = int(settled["server_version_num"]) // 10_000
    told = f"version {version}, {size / 2**20:.0f} MiB, answers in {seconds * 1000:.1f} ms"
    found = [Finding("PostgreSQL", "ok", told)]
    if version < OLDEST_POSTGRESQL:
        todo = f"Use version {OLDEST_POSTGRESQL} or newer."
        found = [Finding("PostgreSQL", "error", told, todo)]
    elif seconds > _SLOW_SECONDS:
        found = [Finding("PostgreSQL", "warning", told, "Bring it nearer: every fact waits for it.")]
    off = [name for name in _DURABLE if settled[name] == "off"]
    if off:
        told = f"what it says is kept may be lost with its power: {', '.join(off)} is off"
        found.append(Finding("durability", "error", told, "Set that to on, and restart PostgreSQL."))
    else:
        found.append(Finding("durability", "ok", "what PostgreSQL says is kept is on its disk"))
    return found


async def redis(settings: Settings) -> AsyncIterator[Finding]:
    """Reached, of a version that fits, throwing nothing away, with a log on its disk."""
    try:
        url = settings.require_redis_url()
    except LotkeeperError as error:
        yield Finding("Redis", "error", str(error))
        return
    client: Any = Redis.from_url(url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS)
    try:
        info = await client.info()
    except (RedisError, OSError) as error:
        told = f"it cannot be asked ({type(error).__name__})"
        yield Finding("Redis", "error", told, "Check LOTKEEPER_REDIS_URL and that the server runs.")
        return
    finally:
        await client.aclose()
    for one in _of_redis(info):
        yield one


def _of_redis(info: dict[str, Any]) -> list[Finding]:
    version = str(info["redis_version"])
    told = f"version {version}, {info['used_memory'] / 2**20:.0f} MiB"
    is_old = tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS
    oldest = ".".join(map(str, OLDEST_REDIS))
    found = [
        Finding("Redis", "error", told, f"Use version {oldest} or newer.")
        if is_old
        else Finding("Redis", "ok", told)
    ]
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        found.append(
            Finding("eviction", "ok", "Redis refuses what it has no room for, and throws nothing away")
        )
    else:
        told = f"Redis throws facts away when its memory is full (maxmemory-policy {policy})"
        found.append(Finding("eviction", "error", told, "Set `maxmemory-policy noeviction`."))
    if info.get("aof_enabled"):
        found.append(Finding("log of Redis", "ok", "what Redis takes is on its disk within a second"))
    else:
        told = "Redis keeps no log: what it held is asked of the broker again when it restarts"
        found.append(Finding("log of Redis", "warning", told, "Set `appendonly yes`."))
    return found
