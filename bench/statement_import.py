"""Import a statement of 100,000 trades (175 MB) into the ledger, beside a COPY of the rows it came to.

The import is the command itself, in a process of its own, from its start to its end: reading, matching,
folding two hundred books and the report. Its peak memory is the whole process's. Meanwhile the API is asked
whether it lives, over one connection, again and again. The floor copies the very rows that the import wrote,
read out again, into emptied tables of the same shape, with the same keys, on one connection; beside the
answers stand those of the idle API of the same run.
``python -m bench.statement_import [TRADES]``
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from bench.report import figure, percentile
from bench.rig import process, servers, until_ready
from bench.seed import connect
from bench.statements import write
from core.settings import Settings
from services.stack.ports import free_port

TABLES = (
    "executions",
    "commission_reports",
    "stated_trades",
    "positions",
    "position_events",
    "lots",
    "lot_disposals",
)
IDLE_SECONDS = 3.0
BETWEEN_SECONDS = 0.01


def _hold(true: bool, why: str) -> None:
    if not true:
        raise SystemExit(f"The figures would be worth nothing: {why}.")


@asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[list[float]]:
    """Ask the API whether it lives while the block runs; how long each answer took, in milliseconds."""
    times: list[float] = []

    async def ask() -> None:
        url = f"http://{settings.api_host}:{settings.api_port}/livez"
        async with httpx.AsyncClient() as client:
            while True:
                started = time.perf_counter()
                reply = await client.get(url)
                times.append((time.perf_counter() - started) * 1000)
                _hold(reply.status_code == 200, "the API did not answer")
                await asyncio.sleep(BETWEEN_SECONDS)

    task = asyncio.create_task(ask())
    try:
        yield times
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def bring(settings: Settings, path: Path, count: int) -> tuple[float, float]:
    """Import the file: seconds, and megabytes at its peak."""
    started = time.perf_counter()
    importing = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "import", "flex", str(path), "--json"],
        env={
            **os.environ,
            "LOTKEEPER_HOME": str(settings.home),
            "LOTKEEPER_DATABASE_URL": _secret(settings, "database_url"),
            "LOTKEEPER_REDIS_URL": _secret(settings, "redis_url"),
        },
        stdout=subprocess.PIPE,
    )
    assert importing.stdout is not None  # noqa: S101 - asked for above
    said = importing.stdout.read()
    # Not through the object: only this tells what the process used.
    _, status, used = os.wait4(importing.pid, 0)
    importing.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    _hold(importing.returncode == 0, "the import failed")
    (outcome,) = json.loads(said)
    _hold(outcome["sections"]["trades"]["new"] == count, "not every trade was taken")
    return seconds, used.ru_maxrss / 1024


def _secret(settings: Settings, name: str) -> str:
    value: str = getattr(settings, name).get_secret_value()
    return value


async def floor(settings: Settings) -> float:
    """Seconds to copy the rows in."""
    connection = await connect(settings)
    spent = 0.0
    for table in TABLES:
        rows = io.BytesIO()
        await connection.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
        await connection.copy_from_table(table, output=rows, timeout=600)
        rows.seek(0)
        started = time.perf_counter()
        await connection.copy_to_table(f"bare_{table}", source=rows, timeout=600)
        spent += time.perf_counter() - started
    await connection.close()
    return spent


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    async with servers(api_port=free_port()) as settings:
        path = settings.home / "statement.xml"
        write(path, count)
        size = path.stat().st_size / 1e6
        with process(settings, "api"):
            await until_ready(settings)
            async with asking(settings) as idle:
                await asyncio.sleep(IDLE_SECONDS)
            async with asking(settings) as busy:
                seconds, megabytes = await asyncio.to_thread(bring, settings, path, count)
        copied = await floor(settings)
    name = f"{count:,} trades, {size:.0f} MB"
    figure(f"importing a statement of {name}", seconds, copied, "s")
    figure(f"memory of importing {name}", megabytes, size, "MB")
    figure(f"/livez p99 while importing {name}", percentile(busy, 0.99), percentile(idle, 0.99), "ms")


if __name__ == "__main__":
    asyncio.run(main())
