"""One account's snapshot of 1,000 positions, from what is known to the commit, beside a bare COPY of them.

Durable PostgreSQL, real rows: a thousand books with a mark each, 150 account values, five currencies. What
is measured is the whole run of an hour: reading as of one moment, judging, valuing, the raw document, all
rows, the commits. The floor copies the same position rows, and nothing else, into a table with the same key.
``python -m bench.snapshots [POSITIONS]``
"""

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta

import asyncpg

from bench.report import figure, median
from bench.rig import servers
from bench.seed import connect
from core.settings import Settings
from models.session import Database
from services.snapshot.runs import Snapshots

ACCOUNT = "DU0"
FIRST_CONID = 1000
REPEATS = 15
START = datetime(2026, 11, 20, 15, 0, 1, tzinfo=UTC)
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CHF")
_VALUES = 150
_COLUMNS = (
    "snapshot_id, asof_ts, conid, quantity, average_cost, currency, mark_price, mark_as_of, fresh, "
    "market_value, fx_rate, market_value_base, unrealized_pnl, daily_pnl, market_open"
)


async def seed(connection: asyncpg.Connection, positions: int) -> None:
    """An account that holds so many instruments, all told of."""
    await connection.execute(
        "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) VALUES ($1, true, $2, $2)",
        ACCOUNT,
        START,
    )
    await connection.execute(
        "INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, exchange, "
        "trading_class, expiry, option_right, updated_at) SELECT $1 + n, 'S' || n, 'S' || n, 'STK', "
        "($4::text[])[1 + n % 5], 1, 'SMART', '', '', '', $3 FROM generate_series(0, $2::bigint - 1) n",
        FIRST_CONID,
        positions,
        START,
        list(CURRENCIES),
    )
    await connection.execute(
        "INSERT INTO ledger_books (account, conid, quantity, broker_quantity, broker_average_cost) "
        "SELECT $1, conid, 100, 100, 12.3456789 FROM instruments",
        ACCOUNT,
    )
    await connection.execute(
        "INSERT INTO marks (account, conid, quantity, market_price, market_value, daily_pnl, unrealized_pnl, "
        "priced_at, as_of) SELECT $1, conid, 100, 12.34, 1234, 1.5, -0.56789, $2, $2 FROM instruments",
        ACCOUNT,
        START,
    )
    told = [("NetLiquidation", "USD", "1234567.89"), ("TotalCashValue", "USD", "1000")]
    told += [("ExchangeRate", currency, "1.1") for currency in CURRENCIES]
    told += [("CashBalance", currency, "200") for currency in CURRENCIES]
    told += [(f"Key{number}", "USD", "1") for number in range(_VALUES - len(told))]
    await connection.executemany(
        "INSERT INTO account_values (account, key, currency, value, as_of, epoch) "
        "VALUES ($1, $2, $3, $4, $5, 1)",
        [(ACCOUNT, *row, START) for row in told],
    )
    for name in ("positions", "account_values"):
        await connection.execute(
            "INSERT INTO sync_datasets (account, dataset, as_of, complete, epoch) "
            "VALUES ($1, $2, $3, true, 1)",
            ACCOUNT,
            name,
            START,
        )
    await connection.execute(
        "INSERT INTO broker_links (login, gateway, ibkr, state, reason, since, updated_at, epoch) "
        "VALUES ('', 'up', 'up', 'live', '', $1, $1, 1)",
        START,
    )
    await connection.execute("ANALYZE")


async def tell(connection: asyncpg.Connection, at: datetime) -> None:
    """Have all of it be told at a moment."""
    for statement in ("UPDATE account_values SET as_of = $1", "UPDATE marks SET priced_at = $1, as_of = $1"):
        await connection.execute(statement, at)
    await connection.execute("UPDATE broker_links SET heard_at = clock_timestamp()")


async def floor(connection: asyncpg.Connection) -> float:
    """The seconds that inserting a snapshot's position rows takes, of a table of the same shape."""
    (newest,) = await connection.fetchrow("SELECT max(id) FROM snapshots")
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM snapshot_positions WHERE snapshot_id = $1", newest)  # noqa: S608 - of ours
    await connection.execute(
        "CREATE TABLE bare (LIKE snapshot_positions); "
        "ALTER TABLE bare ADD PRIMARY KEY (snapshot_id, asof_ts, conid)"
    )
    taken = []
    for number in range(REPEATS):
        records = [(number, *row[1:]) for row in rows]
        started = time.perf_counter()
        async with connection.transaction():
            await connection.copy_records_to_table("bare", records=records, columns=_COLUMNS.split(", "))
        taken.append(time.perf_counter() - started)
    return median(taken)


async def measure(settings: Settings, positions: int) -> None:
    """One hour after the other."""
    connection = await connect(settings)
    await seed(connection, positions)
    database = Database(settings.require_database_url(), application="bench")
    now = START

    def clock() -> datetime:
        return now

    taker = Snapshots(database, settings, clock=clock)
    taken = []
    for _ in range(REPEATS):
        now += timedelta(hours=1)
        await tell(connection, now)
        started = time.perf_counter()
        report = await taker.take_hour()
        taken.append(time.perf_counter() - started)
        if report is None or (report.status, report.positions) != ("success", positions):
            raise SystemExit(f"No snapshot of {positions:,} positions was taken: {report}")
    least = await floor(connection)
    figure(f"snapshot of {positions:,} positions, median", median(taken) * 1000, least * 1000, "ms")
    figure(f"snapshot of {positions:,} positions, slowest", max(taken) * 1000, least * 1000, "ms")
    await database.close()
    await connection.close()


async def main() -> None:
    """Measure and print."""
    positions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    async with servers() as settings:
        await measure(settings, positions)


if __name__ == "__main__":
    asyncio.run(main())
