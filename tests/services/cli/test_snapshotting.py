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
from tests.services.cli.conftest import Said, Sql
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


def test_what_is_not_fresh_is_not_saved_and_the_exit_code_says_so(lotkeeper: Run, sql: Sql) -> None:
    sql("UPDATE sync_datasets SET complete = false WHERE account LIKE '%2'")
    said = lotkeeper("snapshot")
    assert said.code == 5
    assert f"No snapshot could be taken of {SECOND}: incomplete: account_values." in said.err
    sql("UPDATE broker_links SET heard_at = NULL")
    said = lotkeeper("snapshot", "--json")
    assert said.code == 3
    assert "broker_link_down. Is the gateway there" in said.err
    assert said.data["failures"][FIRST] == {"category": "network", "reason": "broker_link_down"}


@pytest.mark.usefixtures("url")
def test_an_unknown_account_is_a_sentence(lotkeeper: Run) -> None:
    said = lotkeeper("snapshot", "--account", "U0")
    assert said.code == 2
    assert "There is no account U0 here" in said.err


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
