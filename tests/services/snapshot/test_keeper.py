"""What goes on without arq and without anybody's memory: what is missing is read from PostgreSQL."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from core.clock import utc_now
from core.events import requests
from core.settings import Settings
from core.streams.port import START
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.jobs_snapshots import ask_snapshot
from services.snapshot import keeper, runs
from services.snapshot.keeper import Keeper
from tests.services.snapshot.world import ACME, CALL, FIRST, OPEN, SECOND, VOD, Hand, run_sql, seed, tell
from tests.waiting import SECONDS, eventually

PARTITIONS = (
    "SELECT inhrelid::regclass::text AS name FROM pg_inherits "
    "WHERE inhparent = 'snapshot_positions'::regclass ORDER BY 1"
)


@asynccontextmanager
async def running(one: Keeper) -> AsyncIterator[None]:
    task = asyncio.create_task(one.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def names(database: Database) -> list[str]:
    return [row["name"] for row in await run_sql(database, PARTITIONS)]


async def test_what_nobody_told_it_of_is_found_without_redis(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(keeper, "ASKED_SECONDS", 0.05)
    await seed(database, FIRST, at=utc_now())
    job = uuid.uuid4()
    async with database.write() as writer:
        await ask_snapshot(writer, job, None, utc_now())
    async with running(Keeper(database, settings)):

        async def triggers() -> list[str]:
            rows = await run_sql(database, "SELECT trigger FROM snapshot_runs WHERE status = 'success'")
            return sorted(row["trigger"] for row in rows)

        assert await eventually(triggers, lambda found: len(found) == 2) == ["api", "hourly"]

        async def jobs() -> list[dict[str, Any]]:
            return await run_sql(database, "SELECT status FROM jobs")

        await eventually(jobs, lambda rows: rows == [{"status": "succeeded"}])


async def test_while_postgresql_is_away_nothing_is_said_and_it_goes_on_by_itself(
    settings: Settings, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.01)
    away = Database(
        settings.require_database_url().rsplit("@", 1)[0] + "@127.0.0.1:1/none", application="test"
    )
    one = Keeper(away, settings, clock=clock)
    looked = asyncio.Event()
    look = one.look

    async def counted() -> None:
        try:
            await look()
        finally:
            looked.set()

    monkeypatch.setattr(one, "look", counted)
    with capture_logs() as logs:
        async with running(one):
            for _ in range(3):
                looked.clear()
                async with asyncio.timeout(SECONDS):
                    await looked.wait()
    await away.close()
    assert logs == []


async def test_the_partitions_of_the_next_months_are_there_before_the_month_turns(
    database: Database, settings: Settings, clock: Hand
) -> None:
    clock.now = datetime(2026, 12, 31, 23, 59, 55, tzinfo=UTC)
    one = Keeper(database, settings, clock=clock)
    await asyncio.gather(*(one.make_room() for _ in range(3)))
    assert await names(database) == [
        f"snapshot_positions_{month}" for month in ("2026_12", "2027_01", "2027_02")
    ]
    await seed(database, FIRST, at=clock.now)
    await one.look()
    clock.forward(seconds=6)
    await tell(database, clock.now, FIRST)
    await one.look()
    for month in ("2026_12", "2027_01"):
        (row,) = await run_sql(database, f"SELECT count(*) AS held FROM snapshot_positions_{month}")  # noqa: S608 - of ours
        assert row["held"] == 3, month


async def test_a_month_that_nobody_prepared_is_made_when_its_first_snapshot_comes(
    database: Database, settings: Settings, clock: Hand
) -> None:
    await seed(database, FIRST)
    await Keeper(database, settings, clock=clock).look()
    assert await names(database) == ["snapshot_positions_2026_11"]


async def test_a_job_whose_worker_was_killed_goes_on_in_the_same_run(
    database: Database, settings: Settings, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(database, FIRST, SECOND)
    job = uuid.uuid4()
    async with database.write() as writer:
        await ask_snapshot(writer, job, None, clock())
    take = runs.take_account

    async def die(*arguments: Any) -> Any:
        if arguments[3] == SECOND:
            raise asyncio.CancelledError
        return await take(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(runs, "take_account", die)
        with pytest.raises(asyncio.CancelledError):
            await Keeper(database, settings, clock=clock).take_asked()
    await Keeper(database, settings, clock=clock).take_asked()
    rows = await run_sql(database, "SELECT job_id, status, attempts, taken FROM snapshot_runs")
    assert rows == [{"job_id": job, "status": "success", "attempts": 2, "taken": 2}]
    assert len(await run_sql(database, "SELECT id FROM snapshots")) == 2


async def test_a_job_that_ends_the_worker_each_time_is_given_up(
    database: Database, settings: Settings, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(database, FIRST)
    async with database.write() as writer:
        await ask_snapshot(writer, uuid.uuid4(), None, clock())

    async def die(*_: Any) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(runs, "take_account", die)
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError):
            await Keeper(database, settings, clock=clock).take_asked()
    await Keeper(database, settings, clock=clock).take_asked()
    (job,) = await run_sql(database, "SELECT status, error FROM jobs")
    assert job["status"] == "failed"
    assert "ended the worker each time" in job["error"]


async def test_trading_hours_that_will_be_over_soon_are_asked_for_again_by_one_worker(
    database: Database, settings: Settings, streams: RedisStreams, clock: Hand
) -> None:
    await seed(database, FIRST, SECOND)
    await run_sql(
        database,
        "UPDATE instruments SET liquid_hours = :hours, time_zone = 'US/Eastern' WHERE conid <> :vod",
        hours=OPEN,
        vod=VOD,
    )

    async def asked() -> list[requests.Request]:
        entries = await streams.tail(settings.requests_stream, START, count=10, block_ms=1)
        return [requests.decode(entry.data).request for entry in entries]

    one = Keeper(database, settings, streams, clock=clock)
    clock.now = datetime(2026, 11, 20, 16, tzinfo=UTC)
    await one.renew_hours()
    assert await asked() == [], "they last until midnight in New York"
    clock.forward(hours=2)
    await asyncio.gather(*(one.renew_hours() for _ in range(3)))
    assert await asked() == [requests.InstrumentsRequested(conids=(ACME, CALL))]


async def test_while_redis_is_away_trading_hours_are_asked_for_later(
    database: Database, settings: Settings, streams: RedisStreams, clock: Hand
) -> None:
    await seed(database, FIRST)
    await run_sql(
        database, "UPDATE instruments SET liquid_hours = :hours, time_zone = 'US/Eastern'", hours=OPEN
    )
    clock.forward(hours=5)
    nowhere = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1")})
    away = RedisStreams.connect(nowhere)
    await Keeper(database, settings, away, clock=clock).renew_hours()
    await away.close()
    await Keeper(database, settings, streams, clock=clock).renew_hours()
    assert len(await streams.tail(settings.requests_stream, START, count=10, block_ms=1)) == 1
