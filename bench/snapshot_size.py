"""What hourly snapshots of 100 positions weigh in PostgreSQL, and what ten years of them would.

Durable PostgreSQL, snapshots taken by the real code, prices and values anew each hour. Printed beside are the
bytes of the rows' own values (the floor), and what the raw document would weigh under other compressions.
``python -m bench.snapshot_size [POSITIONS] [HOURS]``
"""

import asyncio
import sys
import zlib
from datetime import timedelta

import asyncpg

from bench.report import figure
from bench.rig import servers
from bench.seed import connect
from bench.snapshots import START, seed, tell
from core.settings import Settings
from models.session import Database
from services.snapshot.runs import Snapshots

_TEN_YEARS = 87_600
_TABLES = ("snapshots", "fx_rates", "cash_balances", "performance_metrics", "snapshot_runs", "raw_payloads")


async def weigh(connection: asyncpg.Connection, positions: int, hours: int) -> None:
    """Print each table's bytes a snapshot, with indexes and what lies beside the rows."""
    await connection.execute("VACUUM")
    partitions = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits "
        "WHERE inhparent = 'snapshot_positions'::regclass"
    )
    sizes = {"snapshot_positions": 0}
    for name in [row["name"] for row in partitions]:
        sizes["snapshot_positions"] += await connection.fetchval("SELECT pg_total_relation_size($1)", name)
    for name in _TABLES:
        sizes[name] = await connection.fetchval("SELECT pg_total_relation_size($1)", name)
    bare = await connection.fetchval("SELECT sum(pg_column_size(p.*)) FROM snapshot_positions p")
    for name, size in sizes.items():
        print(f"  {name}: {_spelled(size / hours)}")
    total = sum(sizes.values()) / hours
    print(f"  all: {_spelled(total)} of one account")
    figure(f"bytes of a snapshot of {positions} positions", total, bare / hours, "bytes")


def _spelled(size: float) -> str:
    return f"{size:,.0f} bytes a snapshot, {size * _TEN_YEARS / 1e9:.2f} GB in ten years"


async def compare(connection: asyncpg.Connection) -> None:
    """The document as it is kept, and as PostgreSQL itself would compress it by default."""
    packed = await connection.fetchval("SELECT content FROM raw_payloads ORDER BY stored_at DESC LIMIT 1")
    document = zlib.decompress(packed)
    print(f"  the document: {len(document):,} bytes, deflated {len(packed):,}")
    for what, content in (("as it is", document), ("deflated", packed)):
        name = f"kept_{what[:2]}"
        await connection.execute(f"CREATE TABLE {name} (content bytea)")
        await connection.executemany(
            f"INSERT INTO {name} VALUES ($1)",  # noqa: S608 - of ours
            [(content,)] * 200,
        )
        size = await connection.fetchval("SELECT pg_total_relation_size($1)", name)
        print(f"  a column of it {what}: {size / 200:,.0f} bytes each")


async def measure(settings: Settings, positions: int, hours: int) -> None:
    """Take them, an hour after the other, and weigh what is there then."""
    connection = await connect(settings)
    await seed(connection, positions)
    database = Database(settings.require_database_url(), application="bench")
    now = START

    def clock() -> object:
        return now

    taker = Snapshots(database, settings, clock=clock)
    for _ in range(hours):
        now += timedelta(hours=1)
        await connection.execute(
            "UPDATE marks SET market_price = round((10 + 500 * random())::numeric, 4), daily_pnl = "
            "round((2000 * random() - 1000)::numeric, 6), unrealized_pnl = round((9000 * random() - "
            "4500)::numeric, 6)"
        )
        await connection.execute("UPDATE marks SET market_value = market_price * quantity")
        await connection.execute(
            "UPDATE account_values SET value = round((1000000 * random())::numeric, 2)::text "
            "WHERE key LIKE 'Key%'"
        )
        await tell(connection, now)
        report = await taker.take_hour()
        if report is None or report.status != "success":
            raise SystemExit(f"No snapshot was taken: {report}")
    await weigh(connection, positions, hours)
    await compare(connection)
    await database.close()
    await connection.close()


async def main() -> None:
    """Measure and print."""
    positions = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    hours = int(sys.argv[2]) if len(sys.argv) > 2 else 240
    async with servers() as settings:
        await measure(settings, positions, hours)


if __name__ == "__main__":
    asyncio.run(main())
