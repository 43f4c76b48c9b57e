"""The worker as it runs: streams in, rows and changes out, jobs by arq, a clean end."""

import asyncio
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from core.events.facts import LinkBeat, ResyncFenced, TickBatch, encode
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync import app, jobs
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, at, commission, execution, position, positions_completed
from tests.services.position_sync.ledger_rows import count
from tests.services.position_sync.test_ticks import mark
from tests.waiting import SECONDS, comes, eventually, eventually_now

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    task = asyncio.create_task(app.main(settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def send(streams: RedisStreams, settings: Settings, *batches: bytes) -> None:
    await streams.append(settings.facts_stream, batches)


async def test_a_worker_books_what_comes_compares_it_and_trims_what_is_done(
    settings: Settings, streams: RedisStreams, database: Database, rows: Rows
) -> None:
    link = Link()
    async with running(settings.model_copy(update={"sweep_seconds": 1.0})):
        told = link.entry(
            execution("a.01", "10", "9.9"),
            commission("a.01", "1"),
            position("10", sweep="s", seconds=1),
            positions_completed("s", 1, seconds=1),
        )
        await send(streams, settings, told.data)
        await eventually(
            lambda: rows("SELECT 1 FROM ledger_books WHERE reconciled_at IS NOT NULL AND quantity = 10")
        )
        await eventually(lambda: streams.info(settings.facts_stream), lambda info: info.length_entries == 0)
        assert await count(database, "reconciliations") > 0
        beat = LinkBeat(received_at=at(0), gateway="up", ibkr="up", since=at(0))
        await streams.append(settings.ticks_stream, [encode(TickBatch(epoch=1, ticks=(mark("10"), beat)))])
        await eventually(lambda: count(database, "marks"))


async def test_what_is_done_with_is_trimmed_long_before_the_next_sweep(
    settings: Settings, streams: RedisStreams, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_TEND_SECONDS", 0.05)
    async with running(settings.model_copy(update={"sweep_seconds": 3600.0})):
        link = Link()
        for number in range(3):
            await send(streams, settings, link.entry(execution(f"{number}.01", "1", seconds=number)).data)
            await eventually(lambda: count(database, "executions"), lambda stored, n=number: stored == n + 1)
            await eventually(
                lambda: streams.info(settings.facts_stream), lambda info: info.length_entries == 0
            )


async def test_two_workers_share_the_stream_and_give_the_rows_of_one(
    settings: Settings, streams: RedisStreams, database: Database, rows: Rows
) -> None:
    link = Link()
    entries = [
        link.entry(execution(f"{n:03}.01", "1", seconds=n), commission(f"{n:03}.01")) for n in range(150)
    ]
    async with running(settings), running(settings):
        for entry in entries:
            await send(streams, settings, entry.data)
        await eventually(lambda: count(database, "executions"), lambda stored: stored == 150)
        await eventually(
            lambda: streams.info(settings.facts_stream), lambda info: not info.groups[0].pending_entries
        )
    (stored,) = await rows("SELECT quantity, commission, provisional, event_count FROM positions")
    assert stored == {"quantity": 150, "commission": 150, "provisional": False, "event_count": 150}
    assert await count(database, "dead_facts") == 0


async def test_the_worker_goes_on_after_its_redis_connections_were_cut(
    settings: Settings, streams: RedisStreams, database: Database
) -> None:
    link = Link()
    redis = Redis.from_url(settings.require_redis_url())
    async with running(settings):
        await send(streams, settings, link.entry(execution("a.01", "1")).data)
        await eventually(lambda: count(database, "executions"))
        await redis.client_kill_filter(_type="normal", skipme=True)
        await eventually(lambda: alive(streams))
        told = link.entry(execution("b.01", "1", seconds=1), position("2", "10", seconds=2))
        await send(streams, settings, told.data)
        await eventually(lambda: count(database, "executions"), lambda stored: stored == 2)
        await eventually(lambda: count(database, "ledger_books", "reconciled_at IS NOT NULL"))
    await redis.aclose()


async def test_a_comparison_that_may_have_looked_already_does_not_stand_for_one_that_is_asked_for(
    settings: Settings,
) -> None:
    redis = jobs.connect(settings)
    queue = jobs.ComparisonQueue(redis, settings)
    await queue.ask("DU1", "positions")
    (_, due) = (await redis.zrange(settings.queue_name, 0, 0, withscores=True))[0]
    # No worker runs: the first stands in the queue like one that is under way.
    await comes(time.time, lambda now: now * 1000 > due)
    await queue.ask("DU1", "positions")
    await queue.ask("DU1", "change")
    assert await redis.zcard(settings.queue_name) == 2
    await jobs.close(redis)


async def alive(streams: RedisStreams) -> bool:
    try:
        await streams.ping()
    except Exception:  # noqa: BLE001 - any failure means: not yet
        return False
    return True


async def test_a_resync_that_was_asked_for_is_answered_by_its_fence(
    settings: Settings, streams: RedisStreams, database: Database, rows: Rows
) -> None:
    good, bad = uuid.uuid4(), uuid.uuid4()
    async with database.write() as connection:
        for job in (good, bad):
            await connection.execute(
                text(
                    "INSERT INTO jobs (id, kind, status, created_at) VALUES (:id, 'resync', 'queued', now())"
                ),
                {"id": job},
            )
    link = Link()
    fences = [
        ResyncFenced(
            received_at=at(2),
            trigger="request",
            started_at=at(1),
            ok=job is good,
            error="refused",
            job_id=str(job),
        )
        for job in (good, bad)
    ]
    nameless = ResyncFenced(received_at=at(3), trigger="connect", started_at=at(2), ok=True, job_id="no-uuid")
    async with running(settings):
        await send(streams, settings, link.entry(*fences, nameless).data)
        await eventually(lambda: count(database, "jobs", "finished_at IS NOT NULL"), lambda done: done == 2)
    stored = {row["id"]: (row["status"], row["error"]) for row in await rows("SELECT * FROM jobs")}
    assert stored == {good: ("succeeded", None), bad: ("failed", "refused")}
    assert await count(database, "sync_log", "kind LIKE 'resync%'") == 3


async def test_a_cancellation_that_is_swallowed_is_asked_for_again(
    settings: Settings, streams: RedisStreams, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = asyncio.Event()

    async def deaf(_: jobs.Worker) -> None:
        with suppress(asyncio.CancelledError):
            started.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    monkeypatch.setattr(jobs.Worker, "main", deaf)
    task = asyncio.create_task(jobs.run_worker(settings, database, streams))
    await asyncio.wait_for(started.wait(), SECONDS)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=SECONDS)
    assert task in done
    assert task.cancelled()


async def test_a_job_that_swallows_its_cancellation_does_not_keep_the_worker(
    settings: Settings, streams: RedisStreams, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_FINISH_SECONDS", 0.05)

    async def deaf() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    redis = jobs.connect(settings)
    arq_worker = jobs.worker(settings, database, streams, redis)
    job = arq_worker.tasks["job"] = asyncio.create_task(deaf())
    running = asyncio.create_task(asyncio.Event().wait())
    stopping = asyncio.create_task(jobs._stop(arq_worker, running))
    done, _ = await asyncio.wait({stopping}, timeout=SECONDS)
    job.cancel()
    assert done
    await jobs.close(redis)


async def test_asking_for_a_comparison_ends_when_it_is_cancelled_at_whatever_moment(
    settings: Settings,
) -> None:
    redis = jobs.connect(settings)
    queue = jobs.ComparisonQueue(redis, settings)
    await queue.tell("DU1", 1)
    cancelled = 0
    for turns in range(30):
        asking = asyncio.create_task(queue.tell(f"DU{turns}", 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        if asking.cancel():
            await asyncio.wait({asking})
            assert asking.cancelled(), turns
            cancelled += 1
    assert cancelled > 5
    await jobs.close(redis)


def test_a_worker_process_ends_cleanly_when_told_to(settings: Settings, tmp_path: Path) -> None:
    url = settings.require_database_url().replace("postgresql+asyncpg://", "postgresql://")
    program = (
        "import sys; from core.settings import load_settings; from services.position_sync.app import run; "
        "run(load_settings(database_url=sys.argv[1], redis_url=sys.argv[2], stream_prefix=sys.argv[3]))"
    )
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", program, url, settings.require_redis_url(), settings.stream_prefix],
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
        try:
            eventually_now(lambda: "worker_started" in log.read_text())
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    assert "worker_stopped" in log.read_text()
    assert "Traceback" not in log.read_text()
