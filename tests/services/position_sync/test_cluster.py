"""The worker on a Redis Cluster, which refuses whatever touches keys of two slots."""

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import ResponseError

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync import jobs
from services.position_sync.jobs import ComparisonQueue, Hourly
from tests.services.position_sync.facts import Link, commission, execution
from tests.services.position_sync.ledger_rows import count
from tests.services.position_sync.test_app import running, send
from tests.waiting import comes, eventually


@pytest.fixture
def settings(settings: Settings, cluster_url: str) -> Settings:
    return settings.model_copy(update={"redis_url": SecretStr(cluster_url)})


@pytest.fixture
def cluster(settings: Settings) -> Iterator[Redis]:
    with Redis.from_url(settings.require_redis_url()) as client:
        yield client


def slots(cluster: Redis, settings: Settings) -> set[int]:
    """The slots of all keys of this test."""
    keys = cluster.keys(f"*{settings.stream_prefix}*")
    assert isinstance(keys, list)
    return {int(cluster.execute_command("CLUSTER KEYSLOT", key)) for key in keys}


def test_it_refuses_two_slots_at_once(cluster: Redis) -> None:
    with pytest.raises(ResponseError, match="same slot"):
        cluster.execute_command("DEL", "one", "other")


async def test_a_worker_books_and_trims(
    settings: Settings, streams: RedisStreams, database: Database, cluster: Redis
) -> None:
    entries = [
        Link(epoch=n).entry(execution(f"{n}.01", "1", seconds=n), commission(f"{n}.01")) for n in range(1, 6)
    ]
    async with running(settings):
        await send(streams, settings, *(entry.data for entry in entries))
        await eventually(lambda: count(database, "executions"), lambda stored: stored == 5)
        await eventually(lambda: streams.info(settings.facts_stream), lambda info: info.length_entries == 0)
        assert len(slots(cluster, settings)) == 1


async def test_jobs_are_asked_for_and_done(
    settings: Settings, streams: RedisStreams, database: Database, cluster: Redis
) -> None:
    done = []

    async def note(_settings: Settings, _database: Database) -> None:
        done.append(slots(cluster, settings))

    redis = jobs.connect(settings)
    worker = jobs.worker(settings, database, streams, redis, [Hourly("noted", note)])
    assert worker.cron_jobs
    worker.cron_jobs[0].run_at_startup = True
    assert await ComparisonQueue(redis, settings).tell("U1", 0)
    task = asyncio.create_task(worker.async_run())
    try:
        await comes(lambda: (worker.jobs_complete, worker.jobs_failed), lambda told: told == (2, 0))
        await eventually(lambda: redis.zcard(settings.queue_name), lambda left: left == 0)
        assert not task.done()
        assert [len(found) for found in done] == [1]
    finally:
        await jobs._stop(worker, task)
        await jobs.close(redis)
