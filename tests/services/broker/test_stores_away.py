"""Redis and PostgreSQL away and back: facts wait, in order; nothing is told twice in the log."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from core.clock import utc_now
from core.events.facts import AccountsListed, ExecutionReported, LinkChanged
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.broker import publish
from services.broker.app import serve
from services.broker.publish import Publisher
from services.simulator import Simulator
from services.stack import PostgresServer, RedisServer
from tests.services.broker.conftest import SMALL, Reader, broker_link, quick
from tests.waiting import eventually


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "own-redis", durable=True) as server:
        yield server


async def test_facts_wait_for_redis_and_arrive_in_order(
    settings: Settings, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "QUEUE_WARNING_FACTS", 3)
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    with capture_logs() as logs:
        async with Simulator.start(SMALL) as sim, broker_link(quick(mine, sim.port)):
            streams = RedisStreams.connect(mine)
            reader = Reader(streams, mine)
            await reader.synced()
            await asyncio.to_thread(own_redis.stop)
            sent = [
                await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=number + 1)
                for number in range(5)
            ]

            async def told() -> set[str]:
                return {line["event"] for line in logs}

            await eventually(told, lambda events: {"redis_away", "facts_queue_long"} <= events)
            await asyncio.to_thread(own_redis.start)
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == sent[-1])
            arrived = [fact.exec_id for fact in await reader.of(ExecutionReported)]
            assert arrived == sent
            states = [fact.state for fact in await reader.of(LinkChanged)]
            assert states == ["connecting", "syncing", "live"]
            await reader.until_beat(lambda beat: beat.complete)
            await streams.close()
    events = Counter(line["event"] for line in logs)
    assert events["redis_away"] == events["redis_back"] == events["facts_queue_long"] == 1
    sequence = 0
    for batch in reader.batches:
        if batch.epoch:
            assert batch.first_seq == sequence
            sequence += len(batch.facts)


async def test_what_redis_never_takes_is_counted_at_the_end(
    settings: Settings, own_redis: RedisServer
) -> None:
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    own_redis.stop()
    streams = RedisStreams.connect(mine)
    publisher = Publisher(streams, mine)
    task = asyncio.create_task(publisher.run())
    with capture_logs() as logs:
        publisher.put(AccountsListed(received_at=utc_now(), accounts=("A",)))
        assert not await publisher.flush(0.3)
    assert publisher.waiting_facts == 1
    assert [line["facts"] for line in logs if line["event"] == "facts_left_behind"] == [1]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await streams.close()


async def test_the_link_waits_for_postgresql_and_says_so_once(
    settings: Settings, reader: Reader, tmp_path: Path
) -> None:
    away = PostgresServer(tmp_path / "own-postgres", durable=False)
    with capture_logs() as logs:
        with away:
            url = away.url
        mine = settings.model_copy(update={"database_url": SecretStr(url)})
        async with Simulator.start(SMALL) as sim, broker_link(quick(mine, sim.port)):

            async def told() -> bool:
                return any(line["event"] == "database_away" for line in logs)

            await eventually(told)
            beat = await reader.beat()
            assert (beat.gateway, beat.reason) == ("unknown", "not_yet_synced")
            assert not sim.client_ids
    assert Counter(line["event"] for line in logs)["database_away"] == 1


async def test_a_publisher_that_fails_ends_the_process_instead_of_the_facts(
    settings: Settings, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> bytes:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(publish, "encode", broken)
    with pytest.raises(ExceptionGroup) as failure:
        await asyncio.wait_for(serve(quick(settings, unused_port)), 10)
    assert failure.group_contains(RuntimeError, match="a fault of ours")
