"""What a second worker and a second API process bring on this machine, beside one of each.

Workers are processes, as in production, and find a backlog; the floor is that of ``bench.relay``, bare
upserts of the same rows by one connection. API processes list 100 positions, each to 32 connections; the
floor is that of ``bench.api``, a bare application in one process. Clients, PostgreSQL and Redis are on the
same machine: what is measured is how far one machine goes, and that more processes take nothing away.

``python -m bench.scaling [EXECUTIONS]``
"""

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import uvicorn
import uvloop

from bench.api import fill, floor_app, measure, serving
from bench.relay import FILLS_AN_ENTRY, facts
from bench.relay import floor as bare_upserts
from bench.report import figure
from bench.rig import process, servers, until_ready
from core.events.facts import FactBatch, encode
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.position_sync.relay import GROUP
from services.stack.ports import free_port

BOOKS = 120
PATH = "/api/v1/positions?limit=100"
AT_ONCE = (1, 2)
_STORED = "SELECT count(*) FROM executions WHERE position_id IS NOT NULL"


def _raw(settings: Settings) -> str:
    return settings.require_database_url().replace("+asyncpg", "")


async def _members(streams: RedisStreams, stream: str) -> int:
    """How many workers read the stream."""
    info: Any = await streams._redis.xinfo_groups(stream) if await streams._redis.exists(stream) else []  # noqa: SLF001
    return sum(group["consumers"] for group in info)


async def _booked(told: list[bytes], executions: int, workers: int) -> tuple[float, float]:
    """Executions a second by so many workers, and bytes that the database grew by for each."""
    async with servers() as settings, AsyncExitStack() as running:
        streams = RedisStreams.connect(settings)
        await streams.ensure_group(settings.facts_stream, GROUP)
        for number in range(workers):
            own = settings.model_copy(update={"home": settings.home / f"worker-{number}"})
            running.enter_context(process(own, "worker"))
        while await _members(streams, settings.facts_stream) < workers:
            await asyncio.sleep(0.05)
        connection = await asyncpg.connect(_raw(settings))
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        started = time.perf_counter()
        await streams.append(settings.facts_stream, told)
        stored = 0
        while stored < executions:
            await asyncio.sleep(0.1)
            stored = await connection.fetchval(
                "SELECT count(*) FROM executions WHERE position_id IS NOT NULL"
            )
        seconds = time.perf_counter() - started
        grown = await connection.fetchval("SELECT pg_database_size(current_database())") - size
        await connection.close()
        await streams.close()
    if stored != executions:
        raise SystemExit(f"{stored} of {executions} executions were booked")
    return executions / seconds, grown / executions


async def _workers(executions: int) -> None:
    told = facts(executions, BOOKS)
    async with servers() as settings:
        bare = await bare_upserts(settings, told)
    step = FILLS_AN_ENTRY * 2
    entries = [
        encode(FactBatch(epoch=1, first_seq=first, facts=tuple(told[first : first + step])))
        for first in range(0, len(told), step)
    ]
    for workers in AT_ONCE:
        rate, grown = await _booked(entries, executions, workers)
        print(f"the database grew by {grown:.0f} bytes an execution")
        figure(f"executions booked by {workers} worker processes", rate, bare, "executions/s")


async def _replicas() -> None:
    async with servers() as settings, AsyncExitStack() as running:
        await fill(settings)
        port = free_port()
        async with asyncpg.create_pool(_raw(settings), min_size=8, max_size=8) as pool:
            config = uvicorn.Config(floor_app(pool), http="httptools", access_log=False, log_config=None)
            async with serving(uvicorn.Server(config), port):
                floor, _, _ = await measure(port, "/")
        ports: list[int] = []
        for replicas in AT_ONCE:
            own = settings.model_copy(
                update={"home": settings.home / f"api-{replicas}", "api_port": free_port()}
            )
            running.enter_context(process(own, "api"))
            await until_ready(own)
            ports.append(own.api_port)
            told = await asyncio.gather(*(measure(one, PATH) for one in ports))
            worst = max(p99 for _, _, p99 in told)
            print(f"{replicas} API processes: p99 {worst:.1f} ms")
            rate = sum(rate for rate, _, _ in told)
            figure(f"GET /positions, 100 rows, {replicas} API processes", rate, floor, "requests/s")


async def main() -> None:
    """Measure both in one run."""
    print(f"{os.cpu_count()} processors")
    await _workers(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
    await _replicas()


if __name__ == "__main__":
    uvloop.run(main())
