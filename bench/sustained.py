"""Socket → committed in PostgreSQL with ledger rows: a burst of executions, everything on this machine.

``python -m bench.sustained [COUNT]``. The floor, in the same run: the same burst decoded by ``ib_async``
alone.
"""

import asyncio
import sys
import time
from pathlib import Path

from sqlalchemy import text

from bench.report import figure
from bench.rig import process, servers
from models.session import Database
from services.simulator import Simulator

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
BOOKS = 40
ALONE = Path(__file__).parent / "floors" / "ib_async_alone.py"
FOLDED = text("SELECT count(*) FROM executions WHERE position_id IS NOT NULL")


async def alone(simulator: Simulator) -> float:
    """Executions a second of ``ib_async`` without us."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(ALONE), str(simulator.port), str(COUNT), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None  # noqa: S101 - a pipe was asked for
    await child.stdout.readline()
    await simulator.burst(COUNT, books=BOOKS)
    seconds = float(await child.stdout.readline())
    await child.wait()
    return COUNT / seconds


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(FOLDED)).scalar_one())


async def recorded(simulator: Simulator) -> float:
    """Executions a second, from the first byte sent to the last row committed."""
    async with servers(ib_port=simulator.port) as settings:
        database = Database(settings.require_database_url(), application="bench")
        with process(settings, "worker"), process(settings, "broker"):
            async with asyncio.timeout(60):
                while not any(s.subscriptions.pnl_single for s in simulator.gateway.ready_sessions):
                    await asyncio.sleep(0.05)
            # What the first burst left is booked by the resync before the clock starts.
            before = -1
            while before != (before := await count(database)):
                await asyncio.sleep(1)
            burst = await simulator.burst(COUNT, books=BOOKS)
            start = time.perf_counter() - burst.seconds
            async with asyncio.timeout(120):
                while await count(database) < before + COUNT:
                    await asyncio.sleep(0.05)
            seconds = time.perf_counter() - start
        await database.close()
    return COUNT / seconds


async def main() -> None:
    async with Simulator.start("default", seed=1) as simulator:
        simulator.pause_market()
        floor = await alone(simulator)
    async with Simulator.start("default", seed=2) as simulator:
        simulator.pause_market()
        figure("executions socket to committed, sustained", await recorded(simulator), floor, "/s")


asyncio.run(main())
