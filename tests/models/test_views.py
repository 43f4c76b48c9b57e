"""The views for people who query the database themselves, over rows as the services write them."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

from models import tables as t
from models.session import Database, Writer
from models.stores.identity import refresh_mapping
from models.stores.partitions import ensure_partitions

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
USD, EUR, EMPTY = "U1", "U2", "U3"
APPLE, LISTED, SHORT, UNKNOWN, FUTURE = 265598, 38708077, 5, 6, 7
ISIN = "US0378331005"
INSTRUMENTS = (
    (APPLE, "AAPL", "STK", "USD", ISIN, "APPLE INC"),
    (LISTED, "APC", "STK", "EUR", ISIN, ""),
    (SHORT, "SHRT", "STK", "USD", "DE0007164600", "SHORTED"),
    (UNKNOWN, "WHAT", "STK", "USD", "", ""),
    (FUTURE, "ES", "FUT", "USD", "", ""),
)


async def run(database: Database, statement: str, **said: Any) -> list[dict[str, Any]]:
    async with database.write() as writer:
        result = await writer.execute(text(statement), said)
        return [dict(row._mapping) for row in result] if result.returns_rows else []


async def _instruments(writer: Writer) -> None:
    for conid, symbol, kind, currency, isin, description in INSTRUMENTS:
        await writer.execute(
            insert(t.instruments).values(
                conid=conid,
                symbol=symbol,
                local_symbol=symbol,
                sec_type=kind,
                currency=currency,
                multiplier=1,
                exchange="",
                trading_class="",
                expiry="",
                option_right="",
                description=description,
                isin=isin,
                updated_at=NOW,
            )
        )


@pytest.fixture
async def world(database: Database) -> Database:
    """Three accounts, one without anything, and instruments that nobody has mapped yet."""
    async with database.write() as writer:
        await ensure_partitions(writer, NOW, months_ahead=0)
        await ensure_partitions(writer, NOW - timedelta(days=31), months_ahead=0)
        for account in (USD, EUR, EMPTY):
            await writer.execute(
                insert(t.broker_accounts).values(
                    account=account, paper=False, first_seen_at=NOW, last_seen_at=NOW
                )
            )
        await _instruments(writer)
        await writer.execute(
            insert(t.raw_payloads).values(sha256="x", size_bytes=1, content=b"", stored_at=NOW)
        )
        await writer.execute(
            insert(t.snapshot_runs).values(
                trigger="cli",
                status="success",
                schema_version="",
                app_version="",
                started_at=NOW,
                finished_at=NOW,
            )
        )
    return database


async def snapshot(
    database: Database,
    account: str,
    at: datetime,
    worth: str,
    *held: tuple[int, str | None],
    cash: str | None = "1000",
    currency: str = "USD",
) -> int:
    async with database.write() as writer:
        made = await writer.execute(
            insert(t.snapshots)
            .values(
                snapshot_key=f"{account}{at}",
                run_id=1,
                account=account,
                asof_ts=at,
                taken_at=at,
                net_liquidation=Decimal(worth),
                total_cash=None if cash is None else Decimal(cash),
                base_currency=currency,
                coverage=1,
                source="ibkr",
                payload_sha256="x",
            )
            .returning(t.snapshots.c.id)
        )
        number: int = made.scalar_one()
        for conid, value in held:
            await writer.execute(
                insert(t.snapshot_positions).values(
                    snapshot_id=number,
                    asof_ts=at,
                    conid=conid,
                    quantity=1,
                    currency="USD",
                    fresh=value is not None,
                    market_value_base=None if value is None else Decimal(value),
                )
            )
    return number


async def map_all(database: Database) -> None:
    async with database.write() as writer:
        await refresh_mapping(writer, NOW)


async def test_the_latest_snapshot_of_each_account_is_its_newest_by_the_brokers_time(world: Database) -> None:
    await snapshot(world, USD, NOW, "100")
    newest = await snapshot(world, USD, NOW + timedelta(hours=1), "110")
    await snapshot(world, USD, NOW - timedelta(hours=1), "90")
    other = await snapshot(world, EUR, NOW - timedelta(days=20), "7", currency="EUR")
    found = await run(world, "SELECT * FROM latest_snapshot_per_broker_account ORDER BY account")
    assert [(row["account"], row["snapshot_id"], row["base_currency"]) for row in found] == [
        (USD, newest, "USD"),
        (EUR, other, "EUR"),
    ], "of an account without a snapshot nothing is told"
    assert found[0]["net_liquidation"] == 110


async def test_the_latest_snapshot_of_an_account_is_found_by_one_step_in_an_index(world: Database) -> None:
    await run(
        world,
        "INSERT INTO snapshots (snapshot_key, run_id, account, asof_ts, taken_at, net_liquidation, "
        "base_currency, coverage, source, payload_sha256) SELECT a || n, 1, a, CAST(:now AS timestamptz) "
        "+ n * interval '1 hour', :now, 1, 'USD', 1, 'ibkr', 'x' FROM generate_series(1, 5000) n, "
        "unnest(ARRAY['U1', 'U2']) a",
        now=NOW,
    )
    await run(world, "ANALYZE")
    plan = "\n".join(
        row["QUERY PLAN"]
        for row in await run(
            world, "EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM latest_snapshot_per_broker_account"
        )
    )
    assert "Index Scan Backward using ix_snapshots_account on snapshots" in plan
    assert "Seq Scan on snapshots" not in plan
    (read,) = re.findall(r"ix_snapshots_account.*actual rows=([0-9.]+)", plan)
    assert Decimal(read) <= 1, "one an account"


async def stated(database: Database, account: str, day: date, worth: str, currency: str | None) -> None:
    await run(
        database,
        "INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report) SELECT "
        "'flex', 'x', 'x', 'done', 'cli', now(), now(), '{}' WHERE NOT EXISTS (SELECT FROM imports)",
    )
    await run(
        database,
        "INSERT INTO performance_metrics (account, resolution, ts, source, day, currency, net_liquidation, "
        "data_quality, import_id) SELECT :account, 'day', CAST(:day AS date) + time '21:00', "
        "'statement', :day, :currency, CAST(:worth AS numeric), 'complete', id FROM imports",
        account=account,
        day=day,
        worth=worth,
        currency=currency,
    )


async def test_a_days_value_is_the_statements_else_that_of_its_last_snapshot(world: Database) -> None:
    # 04:30 UTC is still the day before in New York.
    await snapshot(world, USD, datetime(2026, 11, 19, 20, tzinfo=UTC), "100")
    last = await snapshot(world, USD, datetime(2026, 11, 20, 4, 30, tzinfo=UTC), "101")
    await snapshot(world, USD, datetime(2026, 11, 20, 15, tzinfo=UTC), "102")
    await stated(world, USD, date(2026, 11, 20), "103", "USD")
    await stated(world, USD, date(2026, 11, 18), "99", None)
    await snapshot(world, EUR, datetime(2026, 11, 20, 15, tzinfo=UTC), "50", currency="EUR")
    found = await run(world, "SELECT * FROM daily_portfolio_value ORDER BY account, day")
    told = [
        tuple(row[name] for name in ("account", "day", "net_liquidation", "base_currency", "source"))
        for row in found
    ]
    assert told == [
        (USD, date(2026, 11, 18), 99, None, "statement"),
        (USD, date(2026, 11, 19), 101, "USD", "snapshot"),
        (USD, date(2026, 11, 20), 103, "USD", "statement"),
        (EUR, date(2026, 11, 20), 50, "EUR", "snapshot"),
    ]
    assert found[1]["snapshot_id"] == last
    assert found[2]["import_id"] is not None
    assert found[2]["coverage"] is None, "a statement has none"


async def test_a_day_whose_snapshots_are_gone_is_told_by_what_was_kept_of_it(world: Database) -> None:
    kept = (
        "INSERT INTO performance_metrics (account, resolution, ts, source, day, currency, net_liquidation, "
        "data_quality) VALUES ('U1', 'day', CAST(:day AS date) + time '21:00', 'snapshot', :day, 'USD', 1, "
        "'complete')"
    )
    await run(world, kept, day=date(2026, 11, 10))
    await run(world, kept, day=date(2026, 11, 20))
    await snapshot(world, USD, NOW, "2")
    found = await run(
        world, "SELECT day, net_liquidation, snapshot_id FROM daily_portfolio_value ORDER BY day"
    )
    assert [(row["day"].day, row["net_liquidation"]) for row in found] == [(10, 1), (20, 2)]


async def test_a_position_is_told_from_open_to_close_with_what_its_lots_realized(world: Database) -> None:
    await run(
        world,
        """INSERT INTO positions (id, account, conid, ordinal, status, side, quantity, max_quantity,
        realized_pnl, commission, opened_at, closed_at, provisional, missing_commissions, estimated,
        event_count, lot_count, disposal_count, version, updated_at) VALUES
        ('00000000-0000-0000-0000-000000000001', 'U1', 265598, 1, 'closed', 'long', 0, 30, 57, 3, :now,
         CAST(:now AS timestamptz) + interval '1 hour', false, 0, false, 2, 2, 2, 1, :now),
        ('00000000-0000-0000-0000-000000000002', 'U1', 6, 1, 'open', 'short', -5, 5, NULL, 1, :now, NULL,
         true, 0, false, 1, 1, 1, 1, :now)""",
        now=NOW,
    )
    await run(
        world,
        """INSERT INTO lots (position_id, seq, opened_at, quantity, remaining, commission,
        remaining_commission) SELECT id, n, opened_at, 10, CASE status WHEN 'open' THEN 5 ELSE 0 END, 1, 0
        FROM positions, generate_series(1, 2) n WHERE status = 'closed' OR n = 1""",
    )
    await run(
        world,
        """INSERT INTO lot_disposals (position_id, lot_seq, seq, opened_at, closed_at, quantity, open_price,
        close_price, cost, proceeds, open_commission, close_commission, realized_pnl, provisional) VALUES
        ('00000000-0000-0000-0000-000000000001', 1, 1, :now, :now, 10, 100, 102, 1000, 1020, 1, 0.5, 18.5,
         false),
        ('00000000-0000-0000-0000-000000000001', 2, 2, :now, :now, 20, 103, 105, 2060, 2100, 1, 0.5, 38.5,
         false),
        ('00000000-0000-0000-0000-000000000002', 1, 1, :now, :now, -5, 10, NULL, NULL, NULL, 0, 0, NULL,
         true)""",
        now=NOW,
    )
    await map_all(world)
    closed, open_ = await run(world, "SELECT * FROM positions_history ORDER BY status")
    assert (closed["symbol"], closed["global_instrument_id"], closed["global_instrument"]) == (
        "AAPL",
        f"isin:{ISIN}",
        "APPLE INC",
    )
    assert (closed["holding_seconds"], closed["lots"], closed["open_lots"], closed["disposals"]) == (
        3600,
        2,
        0,
        2,
    )
    assert (closed["disposed_cost"], closed["proceeds"], closed["lots_realized_pnl"]) == (3060, 3120, 57)
    assert closed["lots_realized_pnl"] == closed["realized_pnl"]
    assert (closed["average_open_price"], closed["average_close_price"]) == (102, 104)
    assert (open_["closed_at"], open_["holding_seconds"], open_["open_lots"]) == (None, None, 1)
    unknown = ("disposed_cost", "proceeds", "lots_realized_pnl", "average_close_price")
    assert [open_[name] for name in unknown] == [None] * 4, "what is not known of one is not known of all"
    assert open_["average_open_price"] == 10


ALLOCATION = "SELECT * FROM asset_allocation_by_global_instrument ORDER BY account, is_cash, name"


@pytest.fixture
async def held(world: Database) -> Database:
    await snapshot(world, USD, NOW - timedelta(hours=1), "1", (APPLE, "1"))
    await snapshot(
        world,
        USD,
        NOW,
        "10000",
        (APPLE, "6000"),
        (LISTED, "2000"),
        (SHORT, "-500"),
        (UNKNOWN, None),
        cash="2500",
    )
    await snapshot(world, EUR, NOW - timedelta(days=1), "4000", (APPLE, "3000"), currency="EUR")
    return world


async def test_what_is_held_is_summed_by_what_it_is_and_never_across_accounts_or_currencies(
    held: Database,
) -> None:
    await map_all(held)
    names = ("account", "name", "base_currency", "market_value_base", "share_of_net_liquidation")
    assert [tuple(row[name] for name in names) for row in await run(held, ALLOCATION)] == [
        (USD, "APPLE INC", "USD", 8000, Decimal("0.8")),
        (USD, "SHORTED", "USD", -500, Decimal("-0.05")),
        (USD, "WHAT", "USD", None, None),
        (USD, "Cash", "USD", 2500, Decimal("0.25")),
        (EUR, "APPLE INC", "EUR", 3000, Decimal("0.75")),
        (EUR, "Cash", "EUR", 1000, Decimal("0.25")),
    ]


async def test_shorts_are_negative_and_what_has_no_value_is_told(held: Database) -> None:
    await map_all(held)
    rows = {row["name"]: row for row in await run(held, ALLOCATION) if row["account"] == USD}
    counts = ("holdings", "holdings_valued", "holdings_fresh")
    assert [rows["APPLE INC"][name] for name in counts] == [2, 2, 2]
    assert [rows["WHAT"][name] for name in counts] == [1, 0, 0]
    assert (rows["SHORTED"]["long_value_base"], rows["SHORTED"]["short_value_base"]) == (0, -500)
    assert (rows["WHAT"]["long_value_base"], rows["WHAT"]["short_value_base"]) == (None, None)
    assert (rows["APPLE INC"]["isin"], rows["APPLE INC"]["country"], rows["APPLE INC"]["kind"]) == (
        ISIN,
        "US",
        "STK",
    )
    assert (rows["Cash"]["is_cash"], rows["Cash"]["global_instrument_id"]) == (True, None)


async def test_a_value_that_is_known_of_some_is_the_sum_of_those_and_says_so(world: Database) -> None:
    await map_all(world)
    await snapshot(world, USD, NOW, "10000", (APPLE, "6000"), (LISTED, None), cash=None)
    apple, cash = await run(world, ALLOCATION)
    assert (apple["market_value_base"], apple["holdings"], apple["holdings_valued"]) == (6000, 2, 1)
    assert (cash["market_value_base"], cash["holdings"], cash["holdings_valued"]) == (None, 1, 0)


async def test_what_is_not_mapped_yet_is_told_by_itself(held: Database) -> None:
    rows = [row for row in await run(held, ALLOCATION) if row["account"] == USD and not row["is_cash"]]
    assert [(row["name"], row["market_value_base"]) for row in rows] == [
        ("APC", 2000),
        ("APPLE INC", 6000),
        ("SHORTED", -500),
        ("WHAT", None),
    ]
    assert {row["global_instrument_id"] for row in rows} == {None}


async def test_there_is_no_share_of_nothing(world: Database) -> None:
    await snapshot(world, USD, NOW, "-10", (APPLE, "6000"))
    assert {row["share_of_net_liquidation"] for row in await run(world, ALLOCATION)} == {None}


async def test_every_column_of_the_views_is_explained(world: Database) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "views.md").read_text(encoding="utf-8")
    columns = await run(
        world,
        "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN "
        "information_schema.views v USING (table_schema, table_name) WHERE "
        "c.table_schema = 'public' ORDER BY 1, c.ordinal_position",
    )
    parts = {part.split("`", 1)[0]: part for part in page.split("\n## `")[1:]}
    assert parts.keys() == {row["table_name"] for row in columns}
    for row in columns:
        assert f"`{row['column_name']}`" in parts[row["table_name"]], row
