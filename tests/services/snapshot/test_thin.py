"""Of long ago one snapshot a day is kept in full, if the owner wants that; otherwise nothing is dropped."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from core.settings import Settings
from models.queries.snapshots import snapshot_gaps
from models.session import Database, Reader, execute_slowly
from models.stores import compacting, thinning
from models.stores.compacting import compact_month, mark_thinned, months_to_compact
from services.snapshot import keeper, thin
from services.snapshot.keeper import Keeper
from services.snapshot.runs import Snapshots
from services.snapshot.thin import Thinner
from tests.services.snapshot.test_runs import counted
from tests.services.snapshot.world import FIRST, SECOND, Hand, run_sql, seed, tell
from tests.waiting import eventually

# Three hours around midnight in New York (04:00 UTC in summer, 05:00 in winter), over the turn of a month.
TAKEN = (
    datetime(2024, 10, 30, 20, tzinfo=UTC),
    datetime(2024, 10, 31, 4, tzinfo=UTC),  # the last of the 30th
    datetime(2024, 10, 31, 5, tzinfo=UTC),
    datetime(2024, 11, 1, 3, tzinfo=UTC),
    datetime(2024, 11, 1, 4, tzinfo=UTC),  # the last of the 31st, in the next month
    datetime(2024, 11, 4, 4, tzinfo=UTC),  # one hour before the end of the 3rd: clocks were put back
    datetime(2024, 11, 4, 5, tzinfo=UTC),
)
DROPPED = {TAKEN[0], TAKEN[2], TAKEN[3], TAKEN[5]}
NOW = datetime(2026, 12, 2, tzinfo=UTC)


@pytest.fixture
async def old(database: Database, settings: Settings, clock: Hand) -> Hand:
    """Two accounts that were taken down seven times, and once more because somebody asked for it."""
    await seed(database, FIRST, SECOND, at=TAKEN[0])
    taker = Snapshots(database, settings, clock=clock)
    for hour in TAKEN:
        clock.now = hour + timedelta(seconds=1)
        await tell(database, hour, FIRST, SECOND)
        report = await taker.take_hour()
        assert report is not None
        assert report.taken == 2
        if hour == TAKEN[0]:
            report = await taker.take_now("cli", account=FIRST)
            assert report.taken == 1, report
    await run_sql(database, "DELETE FROM performance_renewals")
    clock.now = NOW
    return clock


def thinner(database: Database, settings: Settings, clock: Hand, years: int = 2) -> Thinner:
    return Thinner(database, settings.model_copy(update={"snapshot_hourly_years": years}), clock=clock)


async def kept_hours(database: Database) -> Counter[Any]:
    rows = await run_sql(
        database,
        "SELECT s.hour FROM snapshots s JOIN snapshot_positions p ON p.snapshot_id = s.id "
        "AND p.asof_ts = s.asof_ts WHERE s.thinned_at IS NULL",
    )
    return Counter(row["hour"] for row in rows)


async def dropped_of() -> float:
    return REGISTRY.get_sample_value("lotkeeper_snapshot_thinned_total", {"what": "positions"}) or 0.0


async def test_the_last_snapshot_of_each_of_the_brokers_days_stays_and_what_was_asked_for(
    database: Database, settings: Settings, old: Hand
) -> None:
    before, metric = await counted(database), await dropped_of()
    with capture_logs() as logs:
        report = await thinner(database, settings, old).run()
    # Two accounts, four hours, three positions.
    assert report.total[:3] == (8, 24, 8)
    assert report.total.payload_bytes > 0
    assert await kept_hours(database) == {None: 3} | dict.fromkeys(set(TAKEN) - DROPPED, 6)
    after = await counted(database)
    assert {name: before[name] - after[name] for name in after} == {
        "snapshots": 0,
        "snapshot_positions": 24,
        "fx_rates": 0,
        "cash_balances": 0,
        "performance_metrics": 0,
        "raw_payloads": 8,
    }
    rows = await run_sql(database, "SELECT hour, thinned_at, payload_sha256 FROM snapshots")
    assert {row["hour"] for row in rows if row["thinned_at"] == NOW} == DROPPED
    assert all((row["thinned_at"] is None) is (row["payload_sha256"] is not None) for row in rows)
    told = [entry for entry in logs if entry["event"] == "snapshots_thinned"]
    assert [(entry["month"], entry["positions"]) for entry in told] == [("2024-10", 12), ("2024-11", 12)]
    assert FIRST not in str(logs)
    assert await dropped_of() == metric + 24


async def test_of_a_day_stays_what_was_covered_best_and_of_that_the_last(
    database: Database, settings: Settings, old: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thinning, "_AT_ONCE", 3)
    covered = "UPDATE snapshots SET coverage = :coverage WHERE hour = :hour"
    for hour, coverage in ((TAKEN[1], 0.5), (TAKEN[3], 0.9), (TAKEN[4], 0.25), (TAKEN[5], 0)):
        await run_sql(database, covered, hour=hour, coverage=coverage)
    assert await best(database) == {TAKEN[0], TAKEN[2], TAKEN[6]}
    report = await thinner(database, settings, old).run()
    assert report.total[:3] == (8, 24, 8)
    assert await kept_hours(database) == {None: 3, TAKEN[0]: 6, TAKEN[2]: 6, TAKEN[6]: 6}
    assert (await thinner(database, settings, old).run()).months == {}


async def best(database: Database) -> set[datetime]:
    rows = await run_sql(database, "SELECT hour FROM snapshots WHERE hour IS NOT NULL AND coverage = 1")
    return {row["hour"] for row in rows}


async def test_an_hour_that_was_thinned_is_no_gap(database: Database, settings: Settings, old: Hand) -> None:
    async def missing() -> Any:
        async with database.read() as reader:
            return await snapshot_gaps(reader, until=TAKEN[-1] + timedelta(hours=1), limit=99)

    before = await missing()
    await thinner(database, settings, old).run()
    assert await missing() == before


async def test_nothing_is_dropped_by_default_or_where_all_is_to_be_kept(
    database: Database, settings: Settings, old: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "SETTLE_SECONDS", 3600.0)
    assert (settings.snapshot_thin, settings.snapshot_hourly_years) == (False, 2)
    before = await counted(database)
    preview = await thinner(database, settings, old).preview()
    assert preview.total[:3] == (8, 24, 8), "it only says what would go"
    assert (await thinner(database, settings, old, years=0).run()).months == {}
    assert (await thinner(database, settings, old, years=3).run()).months == {}
    async with _running(Keeper(database, settings, clock=old)):
        rooms = "SELECT count(*) AS made FROM pg_inherits WHERE inhparent = 'snapshot_positions'::regclass"
        await eventually(lambda: run_sql(database, rooms), lambda rows: rows[0]["made"] == 5)
        turns = "SELECT kind FROM coalesced_jobs WHERE kind = 'thinning'"
        await eventually(lambda: run_sql(database, turns), lambda rows: len(rows) == 1)
        await Keeper(database, settings, clock=old).thin()
    assert await counted(database) == before


async def test_a_worker_thins_by_itself_where_the_setting_says_so_and_only_one_of_them(
    database: Database, settings: Settings, old: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "SETTLE_SECONDS", 3600.0)
    wanted = settings.model_copy(update={"snapshot_thin": True})
    first, second = (Keeper(database, wanted, clock=old) for _ in range(2))
    async with _running(first), _running(second):
        await eventually(lambda: kept_hours(database), lambda kept: sum(kept.values()) == 21)
    rows = await run_sql(database, "SELECT count(*) AS turns FROM coalesced_jobs WHERE kind = 'thinning'")
    assert rows == [{"turns": 1}]


async def test_a_month_that_has_not_wholly_passed_is_left(
    database: Database, settings: Settings, old: Hand
) -> None:
    old.now = datetime(2026, 11, 30, 23, tzinfo=UTC)
    report = await thinner(database, settings, old).run()
    assert [f"{month:%Y-%m}" for month in report.months] == ["2024-10"]
    old.now = datetime(2028, 2, 29, tzinfo=UTC)
    assert thinner(database, settings, old, years=1).before() == datetime(2027, 2, 28, tzinfo=UTC)


@pytest.mark.parametrize("point", ["_drop_positions", "_note_thinned", "_drop_payloads"])
async def test_one_that_is_killed_in_the_middle_leaves_whole_months_and_the_next_goes_on(
    database: Database, settings: Settings, old: Hand, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    before = await counted(database)
    with monkeypatch.context() as patched:
        # PostgreSQL ends the connection right there, as it does of a process that is gone.
        patched.setattr(thinning, point, text("SELECT pg_terminate_backend(pg_backend_pid())"))
        with pytest.raises(DBAPIError):
            await thinner(database, settings, old).run()
    assert await counted(database) == before
    assert (await thinner(database, settings, old).run()).total.snapshots == 8
    assert (await thinner(database, settings, old).run()).months == {}, "run twice it is one"


async def test_the_room_is_given_back_also_after_a_kill(
    database: Database, settings: Settings, old: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_sql(
        database,
        "INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, "
        "price_magnifier, exchange, trading_class, expiry, option_right, updated_at) SELECT n, 'S', 'S', "
        "'STK', 'USD', 1, 1, '', '', '', '', now() FROM generate_series(1, 400) n",
    )
    await run_sql(
        database,
        "INSERT INTO snapshot_positions (snapshot_id, asof_ts, conid, quantity, currency, fresh) "
        "SELECT s.id, s.asof_ts, n, 1, 'USD', true FROM snapshots s, generate_series(1, 400) n",
    )

    async def size() -> int:
        (row,) = await run_sql(database, "SELECT pg_relation_size('snapshot_positions_2024_10') AS size")
        return int(row["size"])

    async def die(*_: Any) -> None:
        raise asyncio.CancelledError

    full = await size()
    with monkeypatch.context() as patched:
        patched.setattr(thin, "compact_month", die)
        with pytest.raises(asyncio.CancelledError):
            await thinner(database, settings, old).run()
    assert await size() == full
    assert not settings.snapshot_thin
    await Keeper(database, settings, clock=old).thin()
    assert await size() < full / 2, "any worker finishes what somebody began by hand"
    report = await thinner(database, settings, old).run()
    assert report.months == {}, "the rows had gone"
    rows = await run_sql(
        database, "SELECT obj_description('snapshot_positions_2024_10'::regclass, 'pg_class') AS left"
    )
    assert rows == [{"left": None}]


async def test_what_takes_longer_than_a_statement_may_is_given_the_time_it_needs(database: Database) -> None:
    async with database.write() as writer:
        await writer.execute(text("SET LOCAL statement_timeout = 200"))
        await execute_slowly(writer, "SELECT pg_sleep(0.3)", 30)
        with pytest.raises(Exception, match="statement timeout"):
            await execute_slowly(writer, "SELECT pg_sleep(600)", 0.05)


async def test_two_at_once_drop_each_month_once(database: Database, settings: Settings, old: Hand) -> None:
    reports = await asyncio.gather(*(thinner(database, settings, old).run() for _ in range(3)))
    assert sum(report.total.snapshots for report in reports) == 8
    assert sum((await kept_hours(database)).values()) == 21


async def test_a_payload_that_something_else_is_made_of_stays(
    database: Database, settings: Settings, old: Hand
) -> None:
    await run_sql(
        database,
        "INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report) SELECT "
        "'flex', 'x', payload_sha256, 'done', 'cli', now(), now(), '{}' FROM snapshots WHERE hour = :hour "
        "AND account = :account",
        hour=TAKEN[0],
        account=FIRST,
    )
    report = await thinner(database, settings, old).run()
    assert (report.total.snapshots, report.total.payloads) == (8, 7)


@asynccontextmanager
async def _running(one: Keeper) -> AsyncIterator[None]:
    task = asyncio.create_task(one.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_still_to_be_reckoned_keeps_its_cash(
    database: Database, settings: Settings, old: Hand
) -> None:
    await run_sql(database, f"INSERT INTO performance_renewals VALUES ('{FIRST}', '2024-01-01Z')")  # noqa: S608 - the test's own words
    report = await thinner(database, settings, old).run()
    assert report.total[:2] == (4, 12)  # of the other account


MONTH = "snapshot_positions_2024_10"


async def shape(database: Database) -> tuple[Any, ...]:
    """All that the month's partition is, but for its rows and the names of its indexes."""
    rows = await run_sql(
        database,
        f"SELECT pg_get_expr(relpartbound, oid) AS bound, relispartition, "  # noqa: S608 - the test's own words
        "obj_description(oid, 'pg_class') AS comment, "
        "(SELECT array_agg(conname || ' ' || pg_get_constraintdef(k.oid) || (conparentid <> 0)::text "
        "ORDER BY conname) FROM pg_constraint k WHERE conrelid = c.oid AND contype IN ('f', 'c')) AS rules, "
        "(SELECT array_agg(regexp_replace(pg_get_indexdef(indexrelid), 'INDEX \\S+ ', '') || "
        "EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)::text ORDER BY indkey::text) "
        "FROM pg_index WHERE indrelid = c.oid) AS indexes, "
        "(SELECT array_agg(relname::text) FROM pg_class WHERE relname LIKE '%anew') AS made "
        f"FROM pg_class c WHERE oid = '{MONTH}'::regclass",
    )
    return tuple(rows[0].values())


async def positions_of(reader: Reader) -> int:
    count = text("SELECT count(*) FROM snapshot_positions WHERE asof_ts < '2024-11-01Z'")
    return int((await reader.execute(count)).scalar_one())


async def test_a_month_that_was_written_anew_is_as_it_was_but_for_what_was_dropped(
    database: Database, settings: Settings, old: Hand
) -> None:
    before = await shape(database)
    await thinner(database, settings, old).run()
    assert await shape(database) == before
    async with database.read() as reader:
        assert await positions_of(reader) == 9
        assert await months_to_compact(reader) == []
    # A second time as well, and what hangs on it still does.
    async with database.write() as writer:
        await mark_thinned(writer, MONTH)
    assert await compact_month(database, MONTH)
    assert await shape(database) == before
    await run_sql(database, "DELETE FROM snapshots")
    async with database.read() as reader:
        assert await positions_of(reader) == 0


@pytest.mark.usefixtures("old")
async def test_who_reads_as_of_an_earlier_moment_is_shown_no_empty_month(database: Database) -> None:
    async with database.write() as writer:
        await mark_thinned(writer, MONTH)
    async with database.read_one_moment() as reader:
        # From here on it sees what is there now, and of that table it has read nothing yet.
        await reader.execute(text("SELECT 1"))
        assert not await compact_month(database, MONTH, patience_seconds=0)
        assert await positions_of(reader) == 21
    async with database.read() as reader:
        assert await months_to_compact(reader) == [MONTH]
    assert await compact_month(database, MONTH)
    async with database.read() as reader:
        assert await positions_of(reader) == 21


@pytest.mark.usefixtures("old")
async def test_readers_wait_neither_for_it_nor_behind_it(database: Database) -> None:
    async with database.write() as writer:
        await mark_thinned(writer, MONTH)
    compacted = asyncio.Event()

    async def read_on() -> int:
        times = 0
        while not compacted.is_set():
            async with database.write() as reader:
                # Longer than it may wait for each of the tables, and far shorter than a month may take.
                await reader.execute(text("SET LOCAL lock_timeout = '1s'"))
                await reader.execute(text("SELECT FROM snapshots JOIN instruments ON false"))
                assert await positions_of(Reader(reader)) == 21
            times += 1
        return times

    reading = [asyncio.create_task(read_on()) for _ in range(2)]
    async with database.write() as slow:
        # It sees what was written anew, and is in the way of the exchange alone.
        await slow.execute(text(f"LOCK TABLE {MONTH} IN ACCESS SHARE MODE"))
        assert not await compact_month(database, MONTH, patience_seconds=0.5)
    done = await eventually(lambda: compact_month(database, MONTH))
    compacted.set()
    assert done
    assert all(await asyncio.gather(*reading))
    assert (await shape(database))[2] is None


@pytest.mark.parametrize("point", ["_fill", "_exchange"])
async def test_a_kill_while_a_month_is_written_anew_loses_nothing(
    database: Database, settings: Settings, old: Hand, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    before = await shape(database)

    def die(*_: Any) -> Any:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(compacting._Anew, point, die)
        with pytest.raises(asyncio.CancelledError):
            await thinner(database, settings, old).run()
    await thinner(database, settings, old).run()
    assert await shape(database) == before


@pytest.mark.usefixtures("old")
async def test_two_at_once_write_a_month_anew_once(database: Database) -> None:
    async with database.write() as writer:
        await mark_thinned(writer, MONTH)
    assert all(await asyncio.gather(*(compact_month(database, MONTH) for _ in range(3))))
    async with database.read() as reader:
        assert await months_to_compact(reader) == []
        assert await positions_of(reader) == 21
