"""Workers on two hosts, each with a network of its own, against one PostgreSQL and one Redis."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from tests.hosts import host
from tests.pooling import pooler_before
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, commission, execution
from tests.services.position_sync.ledger_rows import count
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e")

START = "from core.settings import load_settings as s; from services.position_sync.app import run; run(s())"
Worker = subprocess.Popen[bytes]


@pytest.fixture(params=["directly", pytest.param("through a pooler", marks=pytest.mark.pgbouncer)])
async def reached(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Settings]:
    """Settings of the workers: two need six connections, each its turn, what it writes and what it reads."""
    direct = settings.require_database_url().replace("+asyncpg", "")
    if request.param == "directly":
        yield settings.model_copy(update={"database_url": SecretStr(direct)})
        return
    async with pooler_before(direct, connections=6) as url:
        pooled = {"database_url": SecretStr(url), "database_direct_url": SecretStr(direct)}
        yield settings.model_copy(update=pooled)


@pytest.fixture
async def workers(reached: Settings) -> AsyncIterator[list[Worker]]:
    """Two workers on two hosts."""
    async with AsyncExitStack() as running:
        started = []
        for number in range(2):
            place = await running.enter_async_context(host())
            own = reached.variables() | {"LOTKEEPER_HOME": str(reached.home / str(number))}
            for name in ("DATABASE_URL", "DATABASE_DIRECT_URL", "REDIS_URL"):
                if url := own.get(f"LOTKEEPER_{name}"):
                    own[f"LOTKEEPER_{name}"] = await place.way_to(url)
            started.append(place.start([sys.executable, "-c", START], {**os.environ, **own}))
        yield started


async def test_two_share_the_work_and_what_one_had_in_hand_when_it_was_killed_is_done_once(
    workers: list[Worker], settings: Settings, streams: RedisStreams, database: Database, rows: Rows
) -> None:
    direct = settings.require_database_url().replace("+asyncpg", "")
    link, told = Link(), 0

    async def tell(entries: int) -> None:
        nonlocal told
        for _ in range(entries):
            ids = [f"{number:04}.01" for number in range(told, told + 5)]
            fills = [execution(exec_id, "1", seconds=told) for exec_id in ids]
            await streams.append(
                settings.facts_stream, [link.entry(*fills, *(commission(exec_id) for exec_id in ids)).data]
            )
            told += 5

    async with Redis.from_url(settings.require_redis_url()) as redis:

        async def members() -> dict[int, dict[str, Any]]:
            """The workers by their process ids."""
            listed = await redis.xinfo_consumers(settings.facts_stream, "position_sync")
            return {int(one["name"].decode().rsplit("-", 2)[1]): one for one in listed}

        async def both_took_some() -> bool:
            await tell(1)
            known = await members()
            return len(known) == 2 and all(one["inactive"] >= 0 for one in known.values())

        await streams.ensure_group(settings.facts_stream, "position_sync")
        await eventually(both_took_some)
        await eventually(lambda: count(database, "executions"), lambda stored: stored == told)
        holding = await asyncpg.connect(direct)
        try:
            async with holding.transaction():
                # Nobody can write an execution now: whoever has entries stands in the middle of them.
                await holding.execute("LOCK TABLE executions IN SHARE MODE")
                await tell(100)
                known = await eventually(members, lambda found: any(one["pending"] for one in found.values()))
                (victim,) = (pid for pid, one in known.items() if one["pending"])
                await eventually(lambda: waiting_to_write(direct))
                (killed,) = (worker for worker in workers if worker.pid == victim)
                killed.send_signal(signal.SIGKILL)
                killed.wait()
        finally:
            await holding.close()
        await eventually(lambda: count(database, "executions"), lambda stored: stored == told)
        await eventually(lambda: streams.info(settings.facts_stream), lambda info: info.length_entries == 0)
        assert not any(one["pending"] for one in (await members()).values())
    assert [worker.poll() is None for worker in workers] == [worker is not killed for worker in workers]
    (stored,) = await rows("SELECT quantity, commission, provisional, event_count FROM positions")
    assert stored == {"quantity": told, "commission": told, "provisional": False, "event_count": told}
    assert await count(database, "dead_facts") == 0


async def waiting_to_write(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'executions'::regclass"
        )
    finally:
        await connection.close()
    return found
