"""Import a statement of 100,000 trades (175 MB) into rows, beside a COPY of as many; and who waits meanwhile.

The import is ``lotkeeper import flex``, a process of its own, from its start to its end: the file is kept,
read, matched, booked and folded. The floor copies the rows that it wrote, read out again, into emptied tables
of the same shape, with the same keys; it reads no file and folds nothing. Memory is the peak of the importing
process and of the one that reads for it together, looked at ten times a second, beside that of one which only
shows the imports. ``/livez`` is asked of a real API on one connection, a
hundred times a second, first with nothing else to do.
``python -m bench.statement_import [TRADES]``
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from bench import rebuild
from bench.report import figure
from bench.rig import environment, process, servers, until_ready
from bench.statements import write
from core.settings import Settings

TABLES = ("executions", "commission_reports", "stated_trades", *rebuild.TABLES)
IDLE_SECONDS = 10
_EACH_SECONDS = 0.01


class Run(NamedTuple):
    """A command that has ended: wall seconds, peak memory and what it printed."""

    seconds: float
    megabytes: float
    output: bytes


def _command(settings: Settings, *arguments: str) -> Run:
    """One command of ours to its end, with its peak memory."""
    started = time.perf_counter()
    running = subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments], env=environment(settings), stdout=subprocess.PIPE
    )
    assert running.stdout is not None  # noqa: S101 - a pipe was asked for
    ended = threading.Event()
    with ThreadPoolExecutor(1) as beside:
        together = beside.submit(_megabytes, running.pid, ended)
        output = running.stdout.read()
        _, status, usage = os.wait4(running.pid, 0)
        ended.set()
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {running.returncode}")
    seconds = time.perf_counter() - started
    return Run(seconds, max(usage.ru_maxrss / 1024, together.result()), output)


def _megabytes(pid: int, ended: threading.Event) -> float:
    """The peak of a process and its children, as long as there is one."""
    most = 0.0
    with suppress(psutil.NoSuchProcess):
        one = psutil.Process(pid)
        while not ended.wait(0.1):
            with suppress(psutil.NoSuchProcess):
                processes = (one, *one.children())
                most = max(most, sum(each.memory_info().rss for each in processes) / (1 << 20))
    return most


async def livez(base: str, until: "asyncio.Future[object]") -> float:
    """The 99th percentile of the answers' milliseconds."""
    taken: list[float] = []
    async with httpx.AsyncClient(base_url=base) as client:
        while not until.done():
            asked = time.perf_counter()
            (await client.get("/livez")).raise_for_status()
            taken.append((time.perf_counter() - asked) * 1000)
            await asyncio.sleep(_EACH_SECONDS)
    return sorted(taken)[int(len(taken) * 0.99)]


async def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    async with servers() as settings:
        path = Path(settings.home, "statement.xml")
        write(path, count)
        with process(settings, "api"):
            await until_ready(settings)
            base = f"http://{settings.api_host}:{settings.api_port}"
            idle = await livez(base, asyncio.ensure_future(asyncio.sleep(IDLE_SECONDS)))
            bare = await asyncio.to_thread(_command, settings, "import", "list")
            importing = asyncio.ensure_future(
                asyncio.to_thread(_command, settings, "import", "flex", str(path), "--json")
            )
            busy = await livez(base, importing)
            first = await importing
            told = json.loads(first.output)
        again = await asyncio.to_thread(_command, settings, "import", "flex", str(path))
        copied = await rebuild.floor(settings, TABLES)
    if f'"new": {count}' not in json.dumps(told):
        raise SystemExit(f"Not all {count:,} trades were booked: {told}")
    figure(f"import of {count:,} trades", first.seconds, copied, "s")
    figure("the same file again", again.seconds, bare.seconds, "s")
    figure("memory of the import", first.megabytes, bare.megabytes, "MB")
    figure("/livez, 99th percentile during the import", busy, idle, "ms")


if __name__ == "__main__":
    asyncio.run(main())
