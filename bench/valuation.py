"""What an account was worth at moments of ten years of hourly snapshots, beside reading one snapshot's rows.

Durable PostgreSQL. 100 positions that were held all the time, 87,600 snapshots of them in 121 monthly
partitions, rates and cash with each. What is measured is everything between the question and the valued
account; the floor reads, by its key, the rows of the one snapshot that is nearest to the same moment.
``python -m bench.valuation [POSITIONS] [YEARS]``
"""

import asyncio
import random
import sys
import time
from datetime import UTC, datetime, timedelta

import asyncpg

from bench.report import figure, median, percentile
from bench.rig import servers
from bench.seed import connect
from bench.snapshots import ACCOUNT, CURRENCIES, seed
from core.settings import Settings
from models.queries.valuation import valuations
from models.session import Database
from models.stores.partitions import months_between, next_month, partition_of

ENDS = datetime(2026, 11, 20, 15, tzinfo=UTC)
ASKED = 60


async def fill(connection: asyncpg.Connection, begins: datetime, hours: int) -> None:
    """The ledger's positions, and a snapshot an hour."""
    # Foreign keys hold by construction; checking them would take most of the time.
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    await connection.execute(
        "CREATE TEMPORARY TABLE held AS SELECT conid, md5(conid::text)::uuid AS id FROM instruments"
    )
    await connection.execute(
        "INSERT INTO positions (id, account, conid, ordinal, status, side, quantity, max_quantity, "
        "commission, opened_at, provisional, missing_commissions, estimated, event_count, lot_count, "
        "version, updated_at) SELECT id, $1, conid, 1, 'open', 'long', 100, 100, 0, $2, false, 0, false, 1, "
        "1, 1, $2 FROM held",
        ACCOUNT,
        begins,
    )
    await connection.execute(
        "INSERT INTO position_events (position_id, seq, type, executed_at, quantity, position_after) "
        "SELECT id, 1, 'opened', $1, 100, 100 FROM held",
        begins,
    )
    await connection.execute(
        "INSERT INTO lots (position_id, seq, opened_at, quantity, remaining, commission, "
        "remaining_commission, cost) SELECT id, 1, $1, 100, 100, 0, 0, 1200 FROM held",
        begins,
    )
    await connection.execute(
        "INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) VALUES ('x', 1, '', $1)", begins
    )
    await connection.execute(
        "INSERT INTO snapshots (snapshot_key, run_id, account, hour, asof_ts, taken_at, net_liquidation, "
        "base_currency, coverage, source, payload_sha256) SELECT 's' || n, n, $1, h, h, h, 1000, 'USD', 1, "
        "'ibkr', 'x' FROM generate_series(1, $3::integer) n, LATERAL (SELECT $2::timestamptz + n * interval "
        "'1 hour' AS h) t",
        ACCOUNT,
        begins,
        hours,
    )
    await connection.execute(
        "INSERT INTO fx_rates (source, snapshot_id, currency, into_currency, as_of, at, rate) SELECT "
        "'snapshot', s.id, c, 'USD', s.hour::date, s.hour, 1.1 FROM snapshots s, unnest($1::text[]) c",
        [one for one in CURRENCIES if one != "USD"],
    )
    await connection.execute(
        "INSERT INTO cash_balances (source, snapshot_id, account, currency, as_of, at, cash) SELECT "
        "'snapshot', s.id, s.account, c, s.hour::date, s.hour, 10 FROM snapshots s, unnest($1::text[]) c",
        list(CURRENCIES),
    )
    for month in months_between(begins, ENDS):
        await connection.execute(
            f"CREATE TABLE {partition_of('snapshot_positions', month)} PARTITION OF snapshot_positions "
            f"FOR VALUES FROM ('{month.isoformat()}') TO ('{next_month(month).isoformat()}')"
        )
        await connection.execute(
            "INSERT INTO snapshot_positions (snapshot_id, asof_ts, conid, quantity, average_cost, currency, "
            "mark_price, mark_as_of, fresh, market_value, fx_rate, market_value_base, unrealized_pnl) "
            "SELECT s.id, s.asof_ts, i.conid, 100, 12.3456789, i.currency, 12.34, s.asof_ts, true, 1234, "
            "1.1, 1357.4, -0.56789 FROM snapshots s, instruments i WHERE s.asof_ts >= $1 AND s.asof_ts < $2",
            month,
            next_month(month),
        )
    await connection.execute("SET session_replication_role = origin")
    await connection.execute("ANALYZE")


async def floor(connection: asyncpg.Connection, at: datetime) -> float:
    """The seconds that the rows of the nearest snapshot take."""
    started = time.perf_counter()
    row = await connection.fetchrow(
        "SELECT id, asof_ts FROM snapshots WHERE account = $1 AND asof_ts <= $2 "
        "ORDER BY asof_ts DESC LIMIT 1",
        ACCOUNT,
        at,
    )
    await connection.fetch(
        "SELECT conid, quantity, mark_price, market_value_base FROM snapshot_positions "
        "WHERE snapshot_id = $1 AND asof_ts = $2",
        *row,
    )
    return time.perf_counter() - started


async def measure(settings: Settings, positions: int, years: int) -> None:
    """Moments here and there in all those years, and one of which nothing was told for a month."""
    connection = await connect(settings)
    await seed(connection, positions)
    begins = ENDS - timedelta(days=365 * years)
    await fill(connection, begins, 24 * 365 * years)
    database = Database(settings.require_database_url(), application="bench")
    chance = random.Random(4)  # noqa: S311 - the same moments each time
    moments = [begins + chance.random() * (ENDS - begins) for _ in range(ASKED)]
    taken, least = [], []
    for at in [*moments[:5], *moments]:
        async with database.read_one_moment() as reader:
            started = time.perf_counter()
            (found,) = await valuations(reader, at, [ACCOUNT])
            taken.append(time.perf_counter() - started)
        least.append(await floor(connection, at))
        if (found.coverage.valued, found.total is None) != (positions, False):
            raise SystemExit(f"{found.coverage.valued} of {positions} positions were valued at {at}")
    # The first ones open connections and learn the catalogue.
    taken, least = taken[5:], least[5:]
    name = f"valuation of {positions} positions at a moment of {years} years of hours"
    figure(f"{name}, median", median(taken) * 1000, median(least) * 1000, "ms")
    figure(f"{name}, p95", percentile(taken, 0.95) * 1000, percentile(least, 0.95) * 1000, "ms")
    await connection.execute("DELETE FROM snapshot_positions WHERE asof_ts > $1", ENDS - timedelta(days=40))
    await connection.execute("DELETE FROM marks")
    far = []
    for _ in range(9):
        async with database.read_one_moment() as reader:
            started = time.perf_counter()
            (found,) = await valuations(reader, ENDS - timedelta(days=2), [ACCOUNT])
            far.append(time.perf_counter() - started)
    if found.coverage.valued != positions or found.coverage.share:
        raise SystemExit("Marks of long ago were not found.")
    figure(f"{name}, marks of 38 days before", median(far) * 1000, median(least) * 1000, "ms")
    await database.close()
    await connection.close()


async def main() -> None:
    """Measure and print."""
    positions = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    years = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    async with servers() as settings:
        await measure(settings, positions, years)


if __name__ == "__main__":
    asyncio.run(main())
