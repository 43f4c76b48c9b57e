"""All measures over HTTP: of ten years of days, of ten years of hours (87,600 rows), and of these converted.

Converted are three accounts in three currencies, each hour at its own rate, added in a fourth. The floor,
measured in the same run: asyncpg reads value and contribution of the same rows as floats (of the converted
ones times their rates), numpy links their returns. Beside it, how long the event loop of the API was kept
from anything else, next to how long a thread keeps it that only counts: what is reckoned of a long series is
reckoned in a thread.
``python -m bench.measures_api [ROUNDS]``
"""

import asyncio
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import asyncpg
import httpx
import numpy as np

from bench.measures import points
from bench.report import figure, milliseconds
from bench.rig import TOKEN, servers
from bench.seed import connect
from core.process import collect_rarely, give_way_quickly
from core.settings import Settings
from services.api.app import create_app
from services.api.server import listen, server_for
from services.stack.ports import free_port

ACCOUNT = "DU0"
FOREIGN = ("EUR", "CHF", "GBP")
"""Currencies of the accounts that are converted, which are called after them."""
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
    await _fill_foreign(connection)
    await connection.execute("ANALYZE")


async def _fill_foreign(connection: asyncpg.Connection) -> None:
    """The same hours in other currencies, and their rates by the snapshots of these hours."""
    # Of the snapshots only the rates are asked for.
    await connection.execute("SET session_replication_role = replica")
    for number, currency in enumerate(FOREIGN, 1):
        await connection.execute(
            "INSERT INTO broker_accounts (account, base_currency, paper, first_seen_at, last_seen_at) "
            "SELECT $1, $1, true, first_seen_at, last_seen_at FROM broker_accounts WHERE account = $2",
            currency,
            ACCOUNT,
        )
        others = ", ".join(_COLUMNS[1:5] + _COLUMNS[6:])
        await connection.execute(
            f"INSERT INTO performance_metrics (account, currency, {others}) SELECT $1, $1, {others} "  # noqa: S608 - columns of this file
            "FROM performance_metrics WHERE account = $2 AND resolution = 'hour'",
            currency,
            ACCOUNT,
        )
        await connection.execute(
            "INSERT INTO fx_rates (source, snapshot_id, currency, into_currency, as_of, at, rate) "
            "SELECT 'snapshot', $3::bigint * 1000000 + row_number() OVER (ORDER BY ts), $1, 'USD', day, ts, "
            "round(CAST(1 + 0.1 * $3::bigint + 0.05 * sin(extract(epoch FROM ts) / 1e6) AS numeric), 6) "
            "FROM performance_metrics WHERE account = $2 AND resolution = 'hour'",
            currency,
            ACCOUNT,
            number,
        )
    await connection.execute("SET session_replication_role = origin")


async def _bare_converted(connection: asyncpg.Connection) -> float:
    """What one unit of the sum of the foreign accounts came to."""
    rows = await connection.fetch(
        "SELECT CAST(sum(p.net_liquidation * f.rate) AS float8), "
        "CAST(sum(p.net_contribution * f.rate) AS float8) FROM performance_metrics p JOIN fx_rates f "
        "ON f.currency = p.currency AND f.into_currency = 'USD' AND f.at = p.ts "
        "WHERE p.account = ANY($1::text[]) AND p.resolution = 'hour' GROUP BY p.ts ORDER BY p.ts",
        list(FOREIGN),
    )
    return _linked(np.array([tuple(row) for row in rows]))


async def _bare(connection: asyncpg.Connection, resolution: str) -> float:
    """What one unit came to, and nothing else."""
    rows = await connection.fetch(
        "SELECT CAST(net_liquidation AS float8), CAST(net_contribution AS float8) FROM performance_metrics "
        "WHERE account = $1 AND resolution = $2 ORDER BY ts",
        ACCOUNT,
        resolution,
    )
    return _linked(np.array([tuple(row) for row in rows]))


def _linked(told: np.ndarray) -> float:
    worth, came = told[:, 0], told[1:, 1]
    growth = 1.0 + (worth[1:] - worth[:-1] - came) / (worth[:-1] + np.maximum(came, 0.0))
    return np.prod(growth).item() - 1.0


def _count(seconds: float) -> None:
    """What a thread can do at least to keep others waiting: it runs, and gives way as often as it has to."""
    until, number = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        number += 1


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
    # As the service itself does.
    collect_rarely()
    give_way_quickly()
    connection = await connect(settings)
    await _fill(connection)
    app = create_app(settings)
    server = server_for(app, settings)
    serving = asyncio.create_task(server.serve(sockets=[listen("127.0.0.1", settings.api_port)]))
    heart = Heart()
    beating = asyncio.create_task(heart.beat())
    headers = {"Authorization": f"Bearer {TOKEN}"}
    base = f"http://127.0.0.1:{settings.api_port}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60, trust_env=False) as http:
        while not server.started:
            await asyncio.sleep(0.01)
        await app.state.context.hub.loaded.wait()
        converted = "&".join(f"account={currency}" for currency in FOREIGN) + "&resolution=hour&currency=USD"
        for name, query, least in (
            (f"{DAYS:,} days", f"account={ACCOUNT}&resolution=day", partial(_bare, connection, "day")),
            (f"{HOURS:,} hours", f"account={ACCOUNT}&resolution=hour", partial(_bare, connection, "hour")),
            (f"three times {HOURS:,} hours, converted", converted, partial(_bare_converted, connection)),
        ):

            async def ask(query: str = query) -> float:
                answer = await http.get(f"/api/v1/performance/measures?{query}")
                told: str = answer.raise_for_status().json()["returns"]["time_weighted"]["value"]
                return float(told)

            if abs(await ask() - await least()) > 1e-9:
                raise SystemExit("the two do not come to the same")
            heart.longest = 0.0
            taken = await milliseconds(ask, rounds)
            longest = heart.longest * 1_000
            floor = await milliseconds(least, rounds)
            figure(f"GET /performance/measures, {name}", taken, floor, "ms")
            heart.longest = 0.0
            await asyncio.to_thread(_count, rounds * taken / 1_000)
            waited = heart.longest * 1_000
            figure(f"longest that the event loop waited meanwhile, {name}", longest, waited, "ms")
    beating.cancel()
    server.should_exit = True
    await serving
    await connection.close()


async def _bench(rounds: int) -> None:
    async with servers(api_port=free_port()) as settings:
        await _compare(settings, rounds)


if __name__ == "__main__":
    asyncio.run(_bench(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
