"""All measures over HTTP: of ten years of days, and of ten years of hours (87,600 rows).

The floor, measured in the same run: asyncpg reads value and contribution of the same rows as floats, numpy
links their returns. Beside it, how long the event loop of the API was kept from anything else: what is
reckoned of a long series is reckoned in a thread.
``python -m bench.measures_api [ROUNDS]``
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import asyncpg
import httpx
import numpy as np

from bench.measures import points
from bench.report import figure, median
from bench.rig import TOKEN, servers
from bench.seed import connect
from core.settings import Settings
from services.api.app import create_app
from services.api.server import listen, server_for
from services.stack.ports import free_port

ACCOUNT = "DU0"
DAYS, HOURS = 2_520, 87_600
TICK_SECONDS = 0.002
_COLUMNS = (
    *("account", "resolution", "ts", "source", "day", "currency", "net_liquidation", "total_cash"),
    *("gross_position_value", "daily_pnl", "net_contribution", "twr", "data_quality"),
)


async def _fill(connection: asyncpg.Connection) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    await connection.execute(
        "INSERT INTO broker_accounts (account, base_currency, paper, first_seen_at, last_seen_at) "
        "VALUES ($1, 'USD', true, $2, $2)",
        ACCOUNT,
        now,
    )
    weekdays = [
        day for number in range(2 * DAYS) if (day := date(2015, 1, 5) + timedelta(number)).weekday() < 5
    ]
    for resolution, count in (("day", DAYS), ("hour", HOURS)):
        rows, before = [], Decimal(0)
        for number, point in enumerate(points(count)):
            day = weekdays[number] if resolution == "day" else point.at.date()
            at = datetime(day.year, day.month, day.day, 5, tzinfo=UTC) + timedelta(days=1)
            worth, came = point.net_liquidation or Decimal(0), point.contribution or Decimal(0)
            rows.append(
                (
                    *(ACCOUNT, resolution, at if resolution == "day" else point.at, "snapshot", day, "USD"),
                    *(worth, point.cash, point.gross, worth - before - came, came, Decimal(0), "complete"),
                )
            )
            before = worth
        await connection.copy_records_to_table("performance_metrics", columns=_COLUMNS, records=rows)
    await connection.execute("ANALYZE")


async def _bare(connection: asyncpg.Connection, resolution: str) -> float:
    """What one unit came to, and nothing else."""
    rows = await connection.fetch(
        "SELECT CAST(net_liquidation AS float8), CAST(net_contribution AS float8) FROM performance_metrics "
        "WHERE account = $1 AND resolution = $2 ORDER BY ts",
        ACCOUNT,
        resolution,
    )
    told = np.array([tuple(row) for row in rows])
    worth, came = told[:, 0], told[1:, 1]
    growth = 1.0 + (worth[1:] - worth[:-1] - came) / (worth[:-1] + np.maximum(came, 0.0))
    return np.prod(growth).item() - 1.0


async def _milliseconds(work: Callable[[], Awaitable[object]], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - began) * 1_000)
    return median(taken)


class Heart:
    """Beats, and knows the longest time between two beats."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def beat(self) -> None:
        """Go on until cancelled."""
        last = time.perf_counter()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last - TICK_SECONDS)
            last = now


async def _compare(settings: Settings, rounds: int) -> None:
    connection = await connect(settings)
    await _fill(connection)
    app = create_app(settings)
    server = server_for(app)
    serving = asyncio.create_task(server.serve(sockets=[listen("127.0.0.1", settings.api_port)]))
    heart = Heart()
    beating = asyncio.create_task(heart.beat())
    headers = {"Authorization": f"Bearer {TOKEN}"}
    base = f"http://127.0.0.1:{settings.api_port}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60, trust_env=False) as http:
        while not server.started:
            await asyncio.sleep(0.01)
        await app.state.context.hub.loaded.wait()
        for resolution, count in (("day", DAYS), ("hour", HOURS)):

            async def ask(resolution: str = resolution) -> float:
                path = f"/api/v1/performance/measures?account={ACCOUNT}&resolution={resolution}"
                answer = await http.get(path)
                told: str = answer.raise_for_status().json()["returns"]["time_weighted"]["value"]
                return float(told)

            async def bare(resolution: str = resolution) -> float:
                return await _bare(connection, resolution)

            if abs(await ask() - await bare()) > 1e-9:
                raise SystemExit("the two do not come to the same")
            heart.longest = 0.0
            taken = await _milliseconds(ask, rounds)
            print(f"longest that the event loop waited: {heart.longest * 1_000:.1f} ms")
            floor = await _milliseconds(bare, rounds)
            figure(f"GET /performance/measures, {count:,} {resolution}s", taken, floor, "ms")
    beating.cancel()
    server.should_exit = True
    await serving
    await connection.close()


async def _bench(rounds: int) -> None:
    async with servers(api_port=free_port()) as settings:
        await _compare(settings, rounds)


if __name__ == "__main__":
    asyncio.run(_bench(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
