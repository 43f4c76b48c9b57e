"""The hour's snapshot, on real rows: taken once, tried again, never made up."""

import asyncio
import hashlib
import json
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.settings import Settings
from models.queries.snapshots import snapshot_gaps
from models.session import Database
from services.snapshot import runs
from services.snapshot.runs import RunReport, Snapshots
from tests.services.snapshot.world import (
    ACME,
    FIRST,
    HOUR,
    OPEN,
    SECOND,
    THIRD,
    VOD,
    Hand,
    run_sql,
    seed,
    tell,
)

RUNS = (
    "SELECT id, status, attempts, taken, error_category, summary, failures, finished_at IS NOT NULL AS ended "
    "FROM snapshot_runs ORDER BY id"
)
OFFLINE = "UPDATE broker_links SET heard_at = clock_timestamp() - interval '1 minute'"


async def counted(database: Database) -> dict[str, int]:
    tables = (
        "snapshots",
        "snapshot_positions",
        "fx_rates",
        "cash_balances",
        "performance_metrics",
        "raw_payloads",
    )
    found = {}
    for name in tables:
        (row,) = await run_sql(database, f"SELECT count(*) AS rows FROM {name}")  # noqa: S608 - of ours
        found[name] = row["rows"]
    return found


async def run_rows(database: Database) -> list[dict[str, Any]]:
    return await run_sql(database, RUNS)


async def test_an_hours_snapshot_is_kept_with_all_that_belongs_to_it(
    database: Database, taker: Snapshots, clock: Hand
) -> None:
    await seed(database, FIRST)
    report = await taker.take_hour()
    assert report is not None
    assert report[1:] == ("success", 1, 3, {}, "")
    (snapshot,) = await run_sql(database, "SELECT * FROM snapshots")
    assert snapshot["snapshot_key"] == f"{FIRST}/2026-11-20T15Z"
    # The broker's clock is two and a half seconds ahead of ours.
    assert snapshot["asof_ts"] == HOUR + timedelta(seconds=2.5)
    assert (snapshot["taken_at"], snapshot["hour"]) == (clock.now, HOUR)
    assert snapshot["net_liquidation"] == Decimal("118902.44")
    assert snapshot["total_cash"] == Decimal("20482.11")
    assert snapshot["gross_position_value"] == Decimal("17248.80")
    assert (snapshot["base_currency"], snapshot["coverage"], snapshot["source"]) == ("USD", 1, "ibkr")
    held = await run_sql(
        database,
        "SELECT conid, quantity, mark_price, market_value, fx_rate, market_value_base, fresh, market_open "
        "FROM snapshot_positions_2026_11 ORDER BY conid",
    )
    assert [tuple(row.values()) for row in held] == [
        (107550, 1000, Decimal("72.4"), 724, Decimal("1.3105"), Decimal("948.802"), True, None),
        (265598, 100, 160, 16000, 1, 16000, True, None),
        (700001, -2, Decimal("1.5"), -300, 1, -300, True, None),
    ]
    rates = await run_sql(
        database,
        "SELECT currency, into_currency, rate, as_of, at, source, snapshot_id, import_id FROM fx_rates",
    )
    day = datetime(2026, 11, 20, tzinfo=UTC).date()
    assert [tuple(row.values()) for row in rates] == [
        ("GBP", "USD", Decimal("1.3105"), day, HOUR, "snapshot", snapshot["id"], None)
    ]
    cash = await run_sql(database, "SELECT currency, cash FROM cash_balances ORDER BY currency")
    assert [tuple(row.values()) for row in cash] == [
        ("BASE_SUMMARY", Decimal("20482.11")),
        ("GBP", Decimal("62.5")),
        ("USD", 20400),
    ]
    (hour,) = await run_sql(database, "SELECT * FROM performance_metrics")
    assert (hour["resolution"], hour["source"], hour["ts"], hour["day"]) == ("hour", "snapshot", HOUR, day)
    assert (hour["daily_pnl"], hour["unrealized_pnl"], hour["realized_pnl"]) == (Decimal("12.5"), -3, None)
    assert (hour["twr"], hour["net_contribution"], hour["data_quality"]) == (0, None, "incomplete")


async def test_each_position_says_whether_its_market_was_open(
    database: Database, taker: Snapshots, clock: Hand
) -> None:
    await seed(database, FIRST)
    await run_sql(
        database,
        "UPDATE instruments SET liquid_hours = :hours, time_zone = 'US/Eastern' WHERE conid = :acme",
        hours=OPEN,
        acme=ACME,
    )
    await run_sql(
        database,
        "UPDATE instruments SET liquid_hours = :hours, time_zone = 'Nowhere' WHERE conid = :vod",
        hours=OPEN,
        vod=VOD,
    )
    await taker.take_hour()
    await tell(database, clock.forward(hours=6), FIRST)
    await taker.take_hour()
    await tell(database, clock.forward(hours=24), FIRST)
    await taker.take_hour()
    rows = await run_sql(
        database, "SELECT conid, market_open FROM snapshot_positions ORDER BY asof_ts, conid"
    )
    # Open at three, closed at nine, and on the next day nobody knows.
    assert [row["market_open"] for row in rows if row["conid"] == ACME] == [True, False, None]
    assert {row["market_open"] for row in rows if row["conid"] != ACME} == {None}


async def test_what_it_was_made_of_is_kept_by_its_checksum(database: Database, taker: Snapshots) -> None:
    await seed(database, FIRST)
    await taker.take_hour()
    (kept,) = await run_sql(
        database,
        "SELECT p.* FROM raw_payloads p JOIN snapshots s ON s.payload_sha256 = p.sha256",
    )
    document = zlib.decompress(kept["content"])
    assert (hashlib.sha256(document).hexdigest(), len(document)) == (kept["sha256"], kept["size_bytes"])
    told = json.loads(document)
    assert ["NetLiquidation", "USD", "118902.44"] in [row[:3] for row in told["account_values"]["rows"]]
    columns = told["positions"]["columns"]
    assert [dict(zip(columns, row, strict=True))["market_value"] for row in told["positions"]["rows"]] == [
        "724",
        "16000",
        "-300",
    ]


async def test_a_broker_that_is_offline_at_the_hour_leaves_a_recorded_gap_and_nothing_made_up(
    database: Database, taker: Snapshots, clock: Hand
) -> None:
    await seed(database, FIRST)
    await taker.take_hour()
    clock.forward(hours=1)
    await run_sql(database, OFFLINE)
    before = await counted(database)
    with capture_logs() as logs:
        tried = []
        for _ in range(59):
            if await taker.take_hour() is not None:
                tried.append((clock.now - HOUR).total_seconds() // 60 - 60)
            clock.forward(minutes=1)
    # One, two, five and then every ten minutes after the last.
    assert tried == [0, 1, 3, 8, 18, 28, 38, 48, 58]
    assert await counted(database) == before
    _, failed = await run_rows(database)
    assert (failed["status"], failed["attempts"], failed["error_category"]) == ("fail", 9, "network")
    assert failed["summary"] == "1 of 1 accounts: network: broker_link_down"
    told = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [entry["event"] for entry in told] == ["snapshot_incomplete"], "an outage is told once"
    assert FIRST not in str(logs)
    async with database.read() as reader:
        (gap,) = await snapshot_gaps(reader, until=HOUR + timedelta(hours=2), limit=9)
    assert gap == (FIRST, HOUR + timedelta(hours=1), HOUR + timedelta(hours=1), 1, "broker_link_down")


async def test_a_broker_that_comes_back_within_the_hour_closes_it(
    database: Database, taker: Snapshots, clock: Hand
) -> None:
    await seed(database, FIRST)
    await run_sql(database, "UPDATE broker_links SET ibkr = 'down', state = 'degraded', reason = 'ib_1100'")
    report = await taker.take_hour()
    assert report is not None
    assert (report.status, report.failures[FIRST]) == ("fail", ("network", "ib_1100"))
    await run_sql(database, "UPDATE broker_links SET ibkr = 'up', state = 'live', reason = ''")
    await tell(database, clock.forward(seconds=59), FIRST)
    assert await taker.take_hour() is None, "not yet again"
    clock.forward(seconds=2)
    with capture_logs() as logs:
        report = await taker.take_hour()
    assert report is not None
    assert report.status == "success"
    assert [entry["event"] for entry in logs] == ["snapshot_taken_again"]
    (row,) = await run_rows(database)
    assert (row["status"], row["attempts"], row["error_category"], row["failures"]) == (
        "success",
        2,
        None,
        {},
    )


async def test_one_account_that_fails_leaves_the_others_theirs_and_is_taken_alone_later(
    database: Database, taker: Snapshots, clock: Hand
) -> None:
    await seed(database, FIRST, SECOND, THIRD)
    await run_sql(
        database,
        "UPDATE sync_datasets SET complete = false WHERE account = :a AND dataset = 'positions'",
        a=SECOND,
    )
    report = await taker.take_hour()
    assert report is not None
    assert (report.status, report.taken, set(report.failures)) == ("partial", 2, {SECOND})
    (row,) = await run_rows(database)
    assert row["failures"] == {SECOND: {"category": "network", "reason": "incomplete: positions"}}
    kept = await run_sql(database, "SELECT id FROM snapshots ORDER BY id")
    await run_sql(database, "UPDATE sync_datasets SET complete = true")
    clock.forward(minutes=1, seconds=1)
    report = await taker.take_hour()
    assert report is not None
    assert (report.status, report.taken, report.positions) == ("success", 3, 3)
    assert [row["id"] for row in await run_sql(database, "SELECT id FROM snapshots ORDER BY id")][:2] == [
        row["id"] for row in kept
    ]
    assert await taker.take_hour() is None
    assert (await counted(database))["snapshots"] == 3


async def test_what_postgresql_refuses_of_one_account_is_that_accounts_failure(
    database: Database, taker: Snapshots
) -> None:
    await seed(database, FIRST, SECOND)
    await run_sql(database, f"ALTER TABLE snapshots ADD CONSTRAINT refuse CHECK (account <> '{FIRST}')")
    report = await taker.take_hour()
    assert report is not None
    assert (report.status, report.taken) == ("partial", 1)
    assert report.failures[FIRST].category == "database"
    found = await counted(database)
    assert (found["snapshots"], found["snapshot_positions"], found["raw_payloads"]) == (1, 3, 1)


async def test_a_worker_that_is_killed_between_accounts_is_gone_on_for_without_a_double(
    database: Database, settings: Settings, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(database, FIRST, SECOND, THIRD)
    take = runs.take_account

    async def die(*arguments: Any) -> Any:
        if arguments[3] == SECOND:
            raise asyncio.CancelledError
        return await take(*arguments)

    monkeypatch.setattr(runs, "take_account", die)
    with pytest.raises(asyncio.CancelledError):
        await Snapshots(database, settings, clock=clock).take_hour()
    (row,) = await run_rows(database)
    assert (row["status"], row["ended"]) == ("running", False)
    assert (await counted(database))["snapshots"] == 1
    monkeypatch.setattr(runs, "take_account", take)
    report = await Snapshots(database, settings, clock=clock).take_hour()
    assert report is not None
    assert (report.status, report.taken) == ("success", 3)
    found = await counted(database)
    assert (found["snapshots"], found["performance_metrics"]) == (3, 3)
    (row,) = await run_rows(database)
    assert (row["status"], row["attempts"]) == ("success", 2)


async def test_an_hour_that_a_killed_worker_began_and_nobody_ended_is_ended_when_it_is_over(
    database: Database, taker: Snapshots, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(database, FIRST)

    async def die(*_: Any) -> Any:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(runs, "take_account", die)
        with pytest.raises(asyncio.CancelledError):
            await taker.take_hour()
    await tell(database, clock.forward(hours=1), FIRST)
    report = await taker.take_hour()
    assert report is not None
    assert report.status == "success"
    old, _ = await run_rows(database)
    assert (old["status"], old["error_category"], old["ended"]) == ("fail", "database", True)
    assert old["summary"].startswith("interrupted")


async def test_many_workers_at_once_take_one_run(database: Database, settings: Settings, clock: Hand) -> None:
    await seed(database, FIRST, SECOND)
    takers = [Snapshots(database, settings, clock=clock) for _ in range(4)]
    reports = await asyncio.gather(*(one.take_hour() for one in takers))
    assert [report.status for report in reports if report is not None] == ["success"]
    (row,) = await run_rows(database)
    assert (row["attempts"], row["taken"]) == (1, 2)
    assert (await counted(database))["snapshots"] == 2


async def test_half_of_the_account_values_missing_leaves_them_unknown_and_never_zero(
    database: Database, taker: Snapshots
) -> None:
    await seed(database, FIRST)
    await run_sql(database, "DELETE FROM account_values WHERE key IN ('TotalCashValue', 'CashBalance')")
    # Told over a connection before this one, and not since.
    await run_sql(database, "UPDATE account_values SET epoch = 6 WHERE key = 'GrossPositionValue'")
    report = await taker.take_hour()
    assert report is not None
    assert report.status == "success"
    (row,) = await run_sql(
        database, "SELECT net_liquidation, total_cash, gross_position_value FROM snapshots"
    )
    assert tuple(row.values()) == (Decimal("118902.44"), None, None)
    assert (await counted(database))["cash_balances"] == 0


@pytest.mark.parametrize(
    ("change", "category", "reason"),
    [
        ("DELETE FROM account_values WHERE key = 'NetLiquidation'", "validation", "missing: NetLiquidation"),
        (
            "UPDATE account_values SET epoch = 6 WHERE key = 'NetLiquidation'",
            "validation",
            "missing: NetLiquidation",
        ),
        (
            "UPDATE account_values SET value = 'NaN' WHERE key = 'NetLiquidation'",
            "validation",
            "not a number: NetLiquidation",
        ),
        (
            "UPDATE account_values SET as_of = as_of - interval '211 seconds'",
            "network",
            "old: NetLiquidation",
        ),
        ("UPDATE sync_datasets SET epoch = 6", "network", "incomplete: account_values"),
        ("DELETE FROM sync_datasets", "network", "incomplete: account_values"),
        ("UPDATE broker_links SET state = 'syncing'", "network", "incomplete"),
        ("UPDATE broker_links SET heard_at = NULL", "network", "broker_link_down"),
        ("DELETE FROM broker_links", "network", "broker_link_down"),
    ],
)
async def test_what_is_not_fresh_is_not_taken(
    database: Database, taker: Snapshots, change: str, category: str, reason: str
) -> None:
    await seed(database, FIRST)
    await run_sql(database, change)
    report = await taker.take_hour()
    assert report is not None
    assert (report.status, report.failures[FIRST]) == ("fail", (category, reason))
    assert (await counted(database))["snapshots"] == 0


async def test_a_clock_that_is_set_back_makes_no_double_and_none_that_steps_ahead_makes_anything_up(
    database: Database, taker: Snapshots, clock: Hand
) -> None:
    await seed(database, FIRST)
    await taker.take_hour()
    clock.forward(hours=-1)
    report = await taker.take_hour()
    assert report is not None
    assert report.failures[FIRST].category == "validation"
    assert "set back" in report.failures[FIRST].reason
    clock.forward(hours=1)
    assert await taker.take_hour() is None, "this hour has its snapshot"
    clock.forward(hours=2)
    report = await taker.take_hour()
    assert report is not None
    assert report.failures[FIRST] == ("network", "old: NetLiquidation")
    assert (await counted(database))["snapshots"] == 1
    async with database.read() as reader:
        gaps = await snapshot_gaps(reader, until=HOUR + timedelta(hours=2), limit=9)
    # Of the hour that was stepped over, and of none before the first snapshot.
    assert [(gap.first, gap.hours, gap.reason) for gap in gaps] == [
        (HOUR + timedelta(hours=1), 1, "not_running")
    ]


async def test_hours_in_which_nothing_ran_are_gaps_in_a_row(
    database: Database, taker: Snapshots, clock: Hand
) -> None:
    await seed(database, FIRST, SECOND)
    await taker.take_hour()
    await tell(database, clock.forward(hours=50), FIRST, SECOND)
    await run_sql(database, "UPDATE broker_accounts SET listed = false WHERE account = :a", a=SECOND)
    await taker.take_hour()
    async with database.read() as reader:
        gaps = await snapshot_gaps(reader, until=HOUR + timedelta(hours=51), limit=9)
        narrow = await snapshot_gaps(
            reader,
            account=FIRST,
            since=HOUR + timedelta(hours=39, minutes=1),
            until=HOUR + timedelta(hours=45),
            limit=9,
        )
    # The other account is not expected any more since the login does not see it.
    assert gaps == [(FIRST, HOUR + timedelta(hours=1), HOUR + timedelta(hours=49), 49, "not_running")]
    assert [gap.hours for gap in narrow] == [5]


@pytest.mark.parametrize(
    ("start", "hours"),
    [
        (datetime(2026, 11, 1, 4, tzinfo=UTC), 4),  # New York: 01:00 twice
        (datetime(2026, 3, 29, 0, tzinfo=UTC), 3),  # Europe: no 02:00
        (datetime(2026, 12, 31, 22, tzinfo=UTC), 4),  # the turn of the year
    ],
)
async def test_each_hour_of_utc_has_one_snapshot_whatever_clocks_and_calendars_do(
    database: Database, taker: Snapshots, clock: Hand, start: datetime, hours: int
) -> None:
    await seed(database, FIRST, at=start)
    for hour in range(hours):
        clock.now = start + timedelta(hours=hour, seconds=1)
        await tell(database, clock.now, FIRST)
        await taker.take_hour()
    rows = await run_sql(database, "SELECT snapshot_key, hour FROM snapshots ORDER BY hour")
    moments = [start + timedelta(hours=hour) for hour in range(hours)]
    assert [row["hour"] for row in rows] == moments
    assert [row["snapshot_key"] for row in rows] == [f"{FIRST}/{one:%Y-%m-%dT%HZ}" for one in moments]
    assert (await counted(database))["snapshot_positions"] == 3 * hours


async def test_a_snapshot_that_is_asked_for_has_a_run_of_its_own_and_no_hour(
    database: Database, taker: Snapshots
) -> None:
    await seed(database, FIRST, SECOND)
    reports: list[RunReport] = [
        await taker.take_now("cli", account=SECOND),
        await taker.take_now("cli"),
    ]
    assert [(report.status, report.taken) for report in reports] == [("success", 1), ("success", 2)]
    rows = await run_sql(database, "SELECT snapshot_key, hour FROM snapshots ORDER BY id")
    first, second = (report.run_id for report in reports)
    assert [tuple(row.values()) for row in rows] == [
        (f"{SECOND}/run-{first}", None),
        (f"{FIRST}/run-{second}", None),
        (f"{SECOND}/run-{second}", None),
    ]
    assert (await counted(database))["performance_metrics"] == 0, "those are of full hours"


async def test_an_installation_whose_broker_never_named_an_account_says_so(
    database: Database, taker: Snapshots
) -> None:
    report = await taker.take_hour()
    assert report is not None
    assert (report.status, report.summary.split(":")[0]) == ("fail", "no account is known yet")
    (row,) = await run_rows(database)
    assert row["error_category"] == "network"
