"""`lotkeeper snapshot` and what a worker does about snapshots, put together."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from arq import cron

from core.clock import utc_now
from core.settings import Settings, load_settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.cli.snapshot_keeper import SNAPSHOTS
from services.position_sync import jobs
from tests.services.cli.conftest import Said, Sql, noted
from tests.services.snapshot.world import FIRST, SECOND, run_sql, seed
from tests.waiting import eventually

Run = Callable[..., Said]


async def _fill(url: str) -> None:
    database = Database(load_settings(database_url=url).require_database_url(), application="test")
    await seed(database, FIRST, SECOND, at=utc_now())
    await database.close()


@pytest.fixture
def url(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    asyncio.run(_fill(url))
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    return url


@pytest.mark.usefixtures("url")
def test_a_snapshot_is_saved_at_once_and_says_what_it_holds(lotkeeper: Run) -> None:
    said = lotkeeper("snapshot")
    assert (said.code, said.err) == (0, "")
    assert said.out == "Run 1: 2 accounts with 6 positions kept.\n"
    told = lotkeeper("snapshot", "--account", SECOND, "--json").data
    assert told == {
        "run_id": 2,
        "status": "success",
        "taken": 1,
        "positions": 3,
        "summary": "",
        "failures": {},
    }
    assert noted(lotkeeper) == [("snapshot", "", "ok"), ("snapshot", SECOND, "ok")]


def test_what_is_not_fresh_is_not_saved_and_the_exit_code_says_so(lotkeeper: Run, sql: Sql) -> None:
    sql("UPDATE sync_datasets SET complete = false WHERE account LIKE '%2'")
    said = lotkeeper("snapshot")
    assert said.code == 5
    assert f"No snapshot could be taken of {SECOND}: incomplete: account_values." in said.err
    sql("UPDATE broker_links SET heard_at = NULL")
    said = lotkeeper("snapshot", "--json")
    assert said.code == 3
    assert "broker_link_down. Is the gateway there" in said.err
    assert noted(lotkeeper) == [("snapshot", "", "snapshot_partial"), ("snapshot", "", "snapshot_failed")]
    assert said.data["failures"][FIRST] == {"category": "network", "reason": "broker_link_down"}


@pytest.mark.usefixtures("url")
def test_an_unknown_account_is_a_sentence(lotkeeper: Run) -> None:
    said = lotkeeper("snapshot", "--account", "U0")
    assert said.code == 2
    assert "There is no account U0 here" in said.err


def test_of_long_ago_one_snapshot_a_day_is_kept_once_somebody_says_yes(lotkeeper: Run, sql: Sql) -> None:
    for number in range(2):
        lotkeeper("snapshot")
        hour = f"timestamptz '2020-03-03 12:00Z' + {number} * interval '1 hour'"
        sql(f"UPDATE snapshot_runs SET hour = {hour}, trigger = 'hourly' WHERE hour IS NULL")  # noqa: S608 - of ours
        sql(f"UPDATE snapshots SET hour = {hour} WHERE hour IS NULL")  # noqa: S608 - the same
    sql(
        "CREATE TABLE snapshot_positions_2020_03 PARTITION OF snapshot_positions "
        "FOR VALUES FROM ('2020-03-01Z') TO ('2020-04-01Z')"
    )
    sql("UPDATE snapshot_positions p SET asof_ts = s.hour FROM snapshots s WHERE s.id = p.snapshot_id")
    sql("UPDATE snapshots SET asof_ts = hour")
    refused = lotkeeper("snapshot", "thin")
    assert (refused.code, "2 snapshots would be dropped for good" in refused.err) == (2, True)
    shown = lotkeeper("snapshot", "thin", "--dry-run")
    assert (shown.code, "2020-03" in shown.out, "2 snapshots would lose" in shown.out) == (0, True, True)
    told = lotkeeper("snapshot", "thin", "--yes", "--json").data
    assert (told["dry_run"], told["total"]["snapshots"], told["total"]["positions"]) == (False, 2, 6)
    assert [month["month"] for month in told["months"]] == ["2020-03"]
    assert "nothing to thin before" in lotkeeper("snapshot", "thin", "--yes").out
    assert [one[::2] for one in noted(lotkeeper)[2:]] == [("snapshot_thin", "ok")]
    assert lotkeeper("snapshot", "--json", "thin").code == 2


@pytest.mark.usefixtures("url")
def test_where_everything_is_to_be_kept_nothing_is_thinned(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTKEEPER_SNAPSHOT_HOURLY_YEARS", "0")
    said = lotkeeper("snapshot", "thin", "--yes")
    assert (said.code, said.out) == (0, "Everything is kept: LOTKEEPER_SNAPSHOT_HOURLY_YEARS is 0.\n")
    assert lotkeeper("snapshot", "thin", "--json").data["before"] is None


def test_the_snapshot_is_due_at_each_full_hour_of_utc(
    settings: Settings, database: Database, streams: RedisStreams
) -> None:
    worker = jobs.worker(settings, database, streams, jobs.connect(settings), [SNAPSHOTS])
    (job,) = worker.cron_jobs or ()
    start = datetime(2026, 12, 31, 21, 30, tzinfo=worker.timezone)
    hours = []
    for _ in range(4):
        job.calculate_next(start)
        assert job.next_run is not None
        start = job.next_run
        hours.append((start.hour, start.minute, start.second))
    assert hours == [(22, 0, 0), (23, 0, 0), (0, 0, 0), (1, 0, 0)]
    assert start.utcoffset() == timedelta()


async def test_when_arq_says_that_it_is_time_two_workers_take_one_snapshot(
    settings: Settings, database: Database, streams: RedisStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def each_second(*arguments: Any, **options: Any) -> Any:
        return cron(*arguments, **{**options, "minute": None, "second": set(range(60))})

    monkeypatch.setattr(jobs, "cron", each_second)
    await seed(database, FIRST, at=utc_now())
    workers = [
        asyncio.create_task(jobs.run_worker(settings, database, streams, [SNAPSHOTS])) for _ in range(2)
    ]

    async def taken() -> list[dict[str, Any]]:
        return await run_sql(database, "SELECT trigger, status, attempts FROM snapshot_runs")

    try:
        found = await eventually(taken, lambda rows: rows and all(row["status"] != "running" for row in rows))
    finally:
        for one in workers:
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one
    assert found == [{"trigger": "hourly", "status": "success", "attempts": 1}]
    assert len(await run_sql(database, "SELECT id FROM snapshots")) == 1
