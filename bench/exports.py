"""50,000 executions as one file, CSV and Parquet: rows a second, the server's memory, and who waits.

The floors, in the same run: PostgreSQL's own COPY of the same executions, nothing joined and nothing named,
as CSV, and the same read and written as Parquet by Arrow; the API's memory before; ``/livez`` with nothing
else to do. ``python -m bench.exports [EXECUTIONS]``
"""

import asyncio
import http.client
import io
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pyarrow.csv
import pyarrow.parquet

from bench.report import figure
from bench.rig import TOKEN, process, servers, until_ready
from bench.seed import connect, seed
from bench.statement_import import IDLE_SECONDS, livez
from core.settings import Settings
from services.stack.ports import free_port

BOOKS = 200
ROUNDS = 3
NAMES = {"csv": "CSV", "parquet": "Parquet"}
_QUERY = (
    "SELECT * FROM executions WHERE corrected_by IS NULL AND quantity <> 0 "
    "ORDER BY executed_at DESC, exec_id DESC"
)
_LOOK_SECONDS = 0.02


def _fetch(port: int, suffix: str) -> None:
    """Get the file and print its rows and seconds; a process of its own, so that it holds up nobody."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"/api/v1/executions.{suffix}", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - began
    if suffix == "csv":
        rows = body.count(b"\n") - 1
    else:
        rows = pyarrow.parquet.read_metadata(io.BytesIO(body)).num_rows
    print(rows, seconds)


async def _fetched(settings: Settings, suffix: str, executions: int) -> float:
    """The best of some rounds, in rows a second."""
    rates = []
    for _ in range(ROUNDS):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.exports", "--fetch", str(settings.api_port), suffix),
            stdout=subprocess.PIPE,
        )
        out, _ = await child.communicate()
        rows, seconds = out.split()
        if int(rows) != executions:
            raise SystemExit(f"{int(rows):,} of {executions:,} executions are in the file")
        rates.append(executions / float(seconds))
    return max(rates)


async def _bare(settings: Settings, executions: int) -> dict[str, float]:
    connection = await connect(settings)
    rates = {}
    for suffix in NAMES:
        file, began = io.BytesIO(), time.perf_counter()
        await connection.copy_from_query(_QUERY, output=file, format="csv", header=True)
        if suffix == "parquet":
            file.seek(0)
            pyarrow.parquet.write_table(pyarrow.csv.read_csv(file), io.BytesIO(), compression="zstd")
        rates[suffix] = executions / (time.perf_counter() - began)
    await connection.close()
    return rates


def _most_memory(pid: int, ended: threading.Event) -> float:
    """The most that a process has in memory until then, in MiB."""
    api, most = psutil.Process(pid), 0.0
    while not ended.wait(_LOOK_SECONDS):
        most = max(most, api.memory_info().rss / (1 << 20))
    return most


async def _measure(settings: Settings, pid: int, executions: int, floors: dict[str, float]) -> None:
    base = f"http://{settings.api_host}:{settings.api_port}"
    idle = await livez(base, asyncio.ensure_future(asyncio.sleep(IDLE_SECONDS)))
    before = psutil.Process(pid).memory_info().rss / (1 << 20)
    for suffix, name in NAMES.items():
        ended = threading.Event()
        with ThreadPoolExecutor(1) as beside:
            most = beside.submit(_most_memory, pid, ended)
            fetching = asyncio.ensure_future(_fetched(settings, suffix, executions))
            busy = await livez(base, fetching)
            ended.set()
        figure(f"{executions:,} executions as {name}", await fetching, floors[suffix], "rows/s")
        figure(f"memory of the API while it sends {name}", most.result(), before, "MB")
        figure(f"/livez, 99th percentile while it sends {name}", busy, idle, "ms")


async def main() -> None:
    """Measure and print."""
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    async with servers(api_port=free_port()) as settings:
        await seed(settings, executions, BOOKS)
        connection = await connect(settings)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        with process(settings, "api") as running:
            await until_ready(settings)
            floors = await _bare(settings, executions)
            await _measure(settings, running.pid, executions, floors)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fetch"]:
        _fetch(int(sys.argv[2]), sys.argv[3])
    else:
        asyncio.run(main())
