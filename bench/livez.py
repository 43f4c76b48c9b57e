"""How long ``/livez`` takes while the whole ledger is rebuilt, beside what it takes with nothing else to do.

The rebuild is ``lotkeeper ledger rebuild``, a process of its own; ``/livez`` is asked of a real API on one
connection, a hundred times a second. ``python -m bench.livez [EXECUTIONS]``
"""

import asyncio
import subprocess
import sys

from bench.report import figure
from bench.rig import environment, process, servers, until_ready
from bench.seed import seed
from bench.statement_import import IDLE_SECONDS, livez
from core.settings import Settings
from services.stack.ports import free_port

BOOKS = 300


def _rebuild(settings: Settings) -> None:
    subprocess.run(
        [sys.executable, "-m", "services.cli", "ledger", "rebuild"],
        env=environment(settings),
        stdout=sys.stderr,
        check=True,
    )


async def main() -> None:
    """Measure and print."""
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    async with servers(api_port=free_port()) as settings:
        await seed(settings, executions, BOOKS)
        with process(settings, "api"):
            await until_ready(settings)
            base = f"http://{settings.api_host}:{settings.api_port}"
            idle = await livez(base, asyncio.ensure_future(asyncio.sleep(IDLE_SECONDS)))
            busy = await livez(base, asyncio.ensure_future(asyncio.to_thread(_rebuild, settings)))
    figure("/livez, 99th percentile during a full rebuild", busy, idle, "ms")


if __name__ == "__main__":
    asyncio.run(main())
