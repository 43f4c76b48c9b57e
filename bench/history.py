"""Ten years of hours (87,600 rows) as 1,000 points over HTTP, beside a bare read of the rows that come back.

Durable PostgreSQL, one API process, one request after the other over one connection. The floor reads as many
rows of the same table by their keys with asyncpg, and makes nothing of them. The last year of it and the days
are measured, too. ``python -m bench.history [HOURS]``
"""

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import uvloop

from bench.report import figure, percentile
from bench.rig import TOKEN, process, servers, until_ready
from bench.seed import connect
from core.settings import Settings
from models.reckoned import HOURS_AT_ONCE
from models.session import Database
from models.stores.performance import note_extremes
from services.stack.ports import free_port

ACCOUNT = "DU0"
POINTS = 1_000
REQUESTS = 60
START = datetime(2016, 11, 1, tzinfo=UTC)


async def seed(connection: asyncpg.Connection, settings: Settings, hours: int) -> None:
    """An account with so many hours and the days that they make, and another one like it."""
    await connection.execute(
        "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) "
        "SELECT a, true, $1, $1 FROM unnest(ARRAY[$2, 'DU1']) a",
        START,
        ACCOUNT,
    )
    for resolution, step in (("hour", 1), ("day", 24)):
        await connection.execute(
            "INSERT INTO performance_metrics (account, resolution, ts, source, day, currency, "
            "net_liquidation, total_cash, gross_position_value, daily_pnl, unrealized_pnl, "
            "net_contribution, twr, drawdown, data_quality, linked_index, peak_index) "
            "SELECT a, $3, h, 'snapshot', CAST(h AS date), 'USD', "
            "round(CAST(1e5 + n + 1e4 * sin(n / 700.0) + 500 * random() AS numeric), 2), 11830.25, 92470.25, "
            "300.5, 8110.1, 0, t, -0.012, 'complete', 1 + t, 2 FROM generate_series(0, CAST($4 AS int), "
            "CAST($5 AS int)) n, unnest(ARRAY[$2, 'DU1']) a, LATERAL (SELECT "
            "CAST($1 AS timestamptz) + n * interval '1 hour' AS h, "
            "round(CAST(n / 87600.0 + sin(n / 700.0) / 10 + random() / 100 AS numeric), 12) AS t) k "
            "ORDER BY n",
            START,
            ACCOUNT,
            resolution,
            hours - 1,
            step,
        )
    await connection.execute("ANALYZE performance_metrics")
    database = Database(settings.require_database_url(), application="bench")
    for first in range(0, hours, HOURS_AT_ONCE):
        part = [START + timedelta(hours=first), START + timedelta(hours=first + HOURS_AT_ONCE)]
        async with database.write() as writer:
            await note_extremes(writer, ACCOUNT, part)
    await database.close()
    await connection.execute("VACUUM ANALYZE performance_metrics")


async def timed(port: int, query: str) -> tuple[list[float], int]:
    """Seconds of each request over one connection, and how many bytes an answer has."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    head = f"GET /api/v1/performance?account={ACCOUNT}&{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    taken, length = [], 0
    for number in range(REQUESTS + 5):
        started = time.perf_counter()
        writer.write(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(answer.decode())
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if number >= 5:
            taken.append(time.perf_counter() - started)
    writer.close()
    return taken, length


async def floor(connection: asyncpg.Connection, hours: int) -> list[float]:
    """Seconds of reading as many rows by their keys."""
    keys = [START + timedelta(hours=hours * number // POINTS) for number in range(POINTS)]
    taken = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        await connection.fetch(
            "SELECT p.* FROM unnest($2::timestamptz[]) k(ts) JOIN performance_metrics p ON p.account = $1 "
            "AND p.resolution = 'hour' AND p.ts = k.ts AND p.source = 'snapshot' ORDER BY p.ts DESC",
            ACCOUNT,
            keys,
        )
        taken.append(time.perf_counter() - started)
    return taken


async def measure(settings: Settings, hours: int) -> None:
    """Each question again and again."""
    connection = await connect(settings)
    await seed(connection, settings, hours)
    year_ago = (START + timedelta(hours=hours) - timedelta(days=365)).isoformat().replace("+00:00", "Z")
    with process(settings, "api"):
        await until_ready(settings)
        for name, query in (
            ("the last year of it as 1,000 points", f"resolution=hour&points={POINTS}&from={year_ago}"),
            ("the same by day", f"resolution=day&points={POINTS}"),
            (f"{hours:,} hours as 1,000 points", f"resolution=auto&points={POINTS}"),
        ):
            least = percentile(await floor(connection, hours), 0.95)
            taken, length = await timed(settings.api_port, query)
            print(f"{name}: p50 {percentile(taken, 0.5) * 1000:.1f} ms, {length / 1000:.0f} kB")
            figure(f"{name}, p95", percentile(taken, 0.95) * 1000, least * 1000, "ms")
    await connection.close()


async def main() -> None:
    """Measure and print."""
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else 87_600
    async with servers(api_port=free_port()) as settings:
        await measure(settings, hours)


if __name__ == "__main__":
    uvloop.run(main())
