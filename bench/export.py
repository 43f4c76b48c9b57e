"""A million executions to Parquet, CSV, JSON lines and SQLite: rows a second, and the most memory that takes.

The floors, in the same run: PostgreSQL's own COPY of the same table to a file, nothing ordered and nothing
converted; and the memory of ``lotkeeper version``, which has loaded as much and reads nothing.
``python -m bench.export [EXECUTIONS]``
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.report import figure
from bench.rig import environment, servers
from bench.seed import connect, seed
from core.settings import Settings

BOOKS = 200
FORMATS = {"parquet": "Parquet", "csv": "CSV", "jsonl": "JSON lines", "sqlite": "SQLite"}
_MEASURED = """
import runpy, sys
sys.argv[:1] = []
try:
    runpy.run_module("services.cli", run_name="__main__")
finally:
    # Not getrusage: that knows the parent's from before it was another program.
    with open("/proc/self/status") as status:
        most = next(line for line in status if line.startswith("VmHWM"))
    print(int(most.split()[1]) / 1024, file=sys.stderr)
"""


def _run(settings: Settings, *arguments: str) -> tuple[dict[str, object], float, float]:
    """What a command answers, its seconds, and the most memory it had, in MiB."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "lotkeeper", *arguments, "--json"],
        env=environment(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout), time.perf_counter() - began, float(done.stderr.split()[-1])


async def _bare(settings: Settings, folder: Path, executions: int) -> float:
    connection = await connect(settings)
    began = time.perf_counter()
    with (folder / "bare.csv").open("wb") as file:
        await connection.copy_from_query("SELECT * FROM executions", output=file, format="csv", header=True)
    rate = executions / (time.perf_counter() - began)
    await connection.close()
    return rate


async def main() -> None:
    """Measure and print."""
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    async with servers() as settings:
        await seed(settings, executions, BOOKS)
        connection = await connect(settings)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        with tempfile.TemporaryDirectory(prefix="lotkeeper-bench-") as name:
            folder = Path(name)
            floor = await _bare(settings, folder, executions)
            _, _, idle = _run(settings, "version")
            for spelled, shown in FORMATS.items():
                out = ("--out", str(folder / spelled))
                told, seconds, memory = _run(
                    settings, "export", "all", "--format", spelled, *out, "--dataset", "executions"
                )
                if told["rows"] != executions:
                    raise SystemExit(f"{told['rows']} of {executions:,} executions are in the files")
                figure(f"{executions:,} executions to {shown}", executions / seconds, floor, "rows/s")
                figure(f"most memory of an export to {shown}", memory, idle, "MB")


if __name__ == "__main__":
    asyncio.run(main())
