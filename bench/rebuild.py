"""Rebuild the ledger of a long history from raw facts, then validate it, beside a COPY of as many rows.

The floor copies the very rows that the rebuild wrote, read out again, into emptied tables of the same shape,
with the same keys, on one connection; it folds nothing, reads nothing and places no execution.
Peak memory is this process's own. ``python -m bench.rebuild [EXECUTIONS [BOOKS]]``
"""

import asyncio
import io
import resource
import sys
import time
from collections.abc import Sequence

from bench.report import figure
from bench.rig import servers
from bench.seed import connect
from core.process import collect_rarely
from core.settings import Settings
from models.session import Database
from services.position_sync.rebuild import Rebuilt, rebuild
from services.position_sync.validate import validate_ledger

TABLES = ("positions", "position_events", "lots", "lot_disposals")


async def floor(settings: Settings, tables: Sequence[str] = TABLES) -> float:
    """Seconds to copy as many rows of the same width in."""
    connection = await connect(settings)
    spent = 0.0
    for table in tables:
        await connection.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
    for table in tables:
        rows = io.BytesIO()
        await connection.copy_from_table(table, output=rows, timeout=600)
        rows.seek(0)
        started = time.perf_counter()
        await connection.copy_to_table(f"bare_{table}", source=rows, timeout=600)
        spent += time.perf_counter() - started
    for table in tables:
        await connection.execute(f"DROP TABLE bare_{table}")
    await connection.close()
    return spent


def _hold(true: bool) -> None:
    if not true:
        raise SystemExit("The figures would be worth nothing: the ledger is not what it should be.")


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main() -> None:
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    books = int(sys.argv[2]) if len(sys.argv) > 2 else 1_200
    async with servers() as settings:
        seeding = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.seed", settings.require_database_url()),
            *(str(executions), str(books)),
        )
        _hold(await seeding.wait() == 0)
        database = Database(settings.require_database_url(), application="bench")
        empty = peak_megabytes()
        started, own = time.perf_counter(), time.process_time()
        rebuilt: Rebuilt = await rebuild(database, None, settings)
        seconds, own = time.perf_counter() - started, time.process_time() - own
        _hold(rebuilt.executions == executions)
        print(f"rows written: {dict(rebuilt.written)}; this process worked {own:.3g} s")
        rebuilt_peak = peak_megabytes()
        started = time.perf_counter()
        again = await rebuild(database, None, settings)
        again_seconds = time.perf_counter() - started
        _hold(not again.changed_books)
        started = time.perf_counter()
        found = await validate_ledger(database)
        validated = time.perf_counter() - started
        _hold(not found.differing)
        peak = peak_megabytes()
        await database.close()
        bare = await floor(settings)
    figure(f"rebuild of {executions:,} executions in {books:,} books", seconds, bare, "s")
    figure(f"rebuild of {executions:,} executions that changes nothing", again_seconds, bare, "s")
    figure(f"validation of {executions:,} executions", validated, bare, "s")
    figure("memory of the rebuild", rebuilt_peak, empty, "MB")
    figure("memory of the rebuild and validation", peak, empty, "MB")


if __name__ == "__main__":
    collect_rarely()
    asyncio.run(main())
