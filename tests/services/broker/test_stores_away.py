"""Redis and PostgreSQL away, and back, perhaps with less than they had: facts wait, or are told again."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from core.events.facts import (
    CommissionReported,
    DatasetCompleted,
    ExecutionReported,
    FrameUnreadable,
    InstrumentDescribed,
    LinkChanged,
    ResyncFenced,
)
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.broker import outlet, publish
from services.broker.app import serve
from services.simulator import Simulator
from services.stack import PostgresServer, RedisServer
from tests.services.broker.conftest import SMALL, Reader, broker_link, quick
from tests.waiting import SECONDS, comes, eventually

ROOT = Path(__file__).parents[3]


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "own-redis", durable=True) as server:
        yield server


async def test_facts_wait_on_disk_for_redis_and_arrive_in_order(
    settings: Settings, own_redis: RedisServer
) -> None:
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
            await comes(lambda: all(exec_id in on_disk(mine) for exec_id in sent))
            await asyncio.to_thread(own_redis.start)
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == sent[-1])
            sent.append(await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=6))
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == sent[-1])
            arrived = [fact.exec_id for fact in await reader.of(ExecutionReported)]
            assert arrived == sent
            states = [fact.state for fact in await reader.of(LinkChanged)]
            assert states == ["connecting", "syncing", "live"]
            await reader.until_beat(lambda beat: beat.complete and not beat.spooled_bytes)
            await streams.close()
    events = Counter(line["event"] for line in logs)
    assert events["redis_away"] == events["redis_back"] == 1
    assert events["redis_lost_facts"] == 0
    assert list(mine.spool_dir.iterdir()) == []
    sequence = 0
    for batch in reader.batches:
        if batch.epoch:
            assert batch.first_seq == sequence
            sequence += len(batch.facts)


def on_disk(settings: Settings) -> str:
    """All that stands in the spool."""
    return "".join(path.read_text(errors="replace") for path in settings.spool_dir.glob("*/*.facts"))


async def test_a_redis_that_hangs_holds_up_nothing_and_gets_all_in_the_end(
    settings: Settings, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "_ANSWER_SECONDS", 0.3)
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    async with Simulator.start(SMALL) as sim, broker_link(quick(mine, sim.port)):
        streams = RedisStreams.connect(mine)
        reader = Reader(streams, mine)
        await reader.synced()
        assert own_redis.pid is not None
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            sent = [
                await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=number + 1)
                for number in range(3)
            ]
            await comes(lambda: all(exec_id in on_disk(mine) for exec_id in sent))
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        await reader.until(ExecutionReported, lambda fact: fact.exec_id == sent[-1])
        # What it was asked before it hung may be done as well: the same facts under the same numbers.
        told = {
            (batch.epoch, batch.first_seq + index): fact.exec_id
            for batch in reader.batches
            for index, fact in enumerate(batch.facts)
            if isinstance(fact, ExecutionReported)
        }
        assert list(dict(sorted(told.items())).values())[:3] == sent
        await streams.close()


async def test_a_killed_links_facts_go_before_those_of_the_next(
    settings: Settings, own_redis: RedisServer
) -> None:
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    async with Simulator.start(SMALL) as sim:
        with process(quick(mine, sim.port), "broker") as link:
            streams = RedisStreams.connect(mine)
            reader = Reader(streams, mine)
            await reader.synced()
            await asyncio.to_thread(own_redis.stop)
            first = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
            await comes(lambda: first in on_disk(mine))
            link.kill()
            await asyncio.to_thread(link.wait)
        await asyncio.to_thread(own_redis.start)
        second = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=2)
        async with broker_link(quick(mine, sim.port)):
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == second)
            await reader.synced(2)
        by_epoch: dict[int, list[str]] = {}
        for batch in reader.batches:
            fills = [fact.exec_id for fact in batch.facts if isinstance(fact, ExecutionReported)]
            if fills:
                by_epoch.setdefault(batch.epoch, []).extend(fills)
        # The next link is told of the first one again by its gateway, under its own epoch.
        assert [sorted(set(fills)) for fills in by_epoch.values()] == [[first], sorted([first, second])]
        assert [batch.epoch for batch in reader.batches if batch.epoch] == sorted(
            batch.epoch for batch in reader.batches if batch.epoch
        )
        await streams.close()
    assert list(mine.spool_dir.iterdir()) == []


@contextmanager
def process(settings: Settings, command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """``lotkeeper`` with these settings."""
    running = subprocess.Popen(
        [sys.executable, "-m", "services.cli", command],
        env={**os.environ, **settings.variables()},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize("command", ["broker", "worker"])
async def test_a_redis_that_would_throw_facts_away_ends_the_start_with_a_sentence(
    settings: Settings, own_redis: RedisServer, command: str
) -> None:
    client = Redis.from_url(own_redis.url)
    await client.config_set("maxmemory-policy", "allkeys-lru")
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    with process(mine, command) as refused:
        _, words = await asyncio.to_thread(refused.communicate, timeout=SECONDS)
    assert refused.returncode == 6
    assert b"Set `maxmemory-policy noeviction` on the server of LOTKEEPER_REDIS_URL." in words
    assert await client.keys() == []
    await client.aclose()


async def test_a_redis_that_is_replaced_by_an_evicting_one_gets_no_facts(
    settings: Settings, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "_EVICTION_CHECK_SECONDS", 0.05)
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    client = Redis.from_url(own_redis.url)
    with capture_logs() as logs:
        async with Simulator.start(SMALL) as sim, broker_link(quick(mine, sim.port)):
            streams = RedisStreams.connect(mine)
            reader = Reader(streams, mine)
            await reader.synced()
            await client.config_set("maxmemory-policy", "allkeys-lru")
            await comes(lambda: any(line["event"] == "redis_may_evict" for line in logs))
            exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
            await comes(lambda: exec_id in on_disk(mine))
            await reader.until_beat(lambda beat: beat.spooled_bytes)
            assert await reader.of(ExecutionReported) == []
            await client.config_set("maxmemory-policy", "noeviction")
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
            await streams.close()
    await client.aclose()
    assert Counter(line["event"] for line in logs)["redis_may_evict"] == 1


async def test_after_redis_lost_everything_unread_all_of_it_is_there_again(
    settings: Settings, own_redis: RedisServer
) -> None:
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    client = Redis.from_url(own_redis.url)
    with capture_logs() as logs:
        async with Simulator.start(SMALL) as sim, broker_link(quick(mine, sim.port)):
            streams = RedisStreams.connect(mine)
            reader = Reader(streams, mine)
            await reader.synced()
            sent = [
                await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=number + 1)
                for number in range(4)
            ]
            await reader.until(CommissionReported, lambda fact: fact.exec_id == sent[-1])
            sim.send_bad("unknown_message")
            await reader.until(FrameUnreadable)
            await reader.until_beat(lambda beat: beat.state == "live")
            since = (await reader.of(LinkChanged))[-2].since
            await client.flushall()
            # Nothing is put, nobody reads: it is found out all the same.
            fresh = Reader(streams, mine)
            await fresh.synced()
            fence = (await fresh.fences())[0]
            assert fence.trigger == "redis_lost"
            answers = [one for one in await fresh.of(DatasetCompleted) if one.dataset == "executions"]
            assert all(one.facts_lost for one in answers[: len(SMALL["accounts"])])
            assert not any(one.facts_lost for one in answers[len(SMALL["accounts"]) :])
            assert [fact.exec_id for fact in await fresh.of(ExecutionReported)] == sent
            assert {fact.exec_id for fact in await fresh.of(CommissionReported)} == set(sent)
            assert await fresh.held() == {key: held.quantity for key, held in sim.book.positions.items()}
            corn = await fresh.until(InstrumentDescribed, lambda fact: fact.instrument.conid == 700200005)
            assert corn.instrument.price_magnifier == 100
            standing = await fresh.until(LinkChanged)
            assert (standing.before, standing.state, standing.since) == ("live", "live", since)
            # What could not be read, and was lost unread, is kept aside when it is told again.
            assert await fresh.of(FrameUnreadable) == []
            sim.send_bad("unknown_message")
            await fresh.until(FrameUnreadable)
            await streams.close()
    await client.aclose()
    assert Counter(line["event"] for line in logs)["redis_lost_facts"] == 1


async def test_after_redis_lost_its_tail_what_was_in_it_is_there_again(
    settings: Settings, own_redis: RedisServer
) -> None:
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    async with Simulator.start(SMALL) as sim, broker_link(quick(mine, sim.port)):
        streams = RedisStreams.connect(mine)
        reader = Reader(streams, mine)
        await reader.synced()
        exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
        await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
        own_redis.kill()
        aof = max((own_redis.directory / "appendonlydir").glob("*.incr.aof"))
        content = aof.read_bytes()
        aof.write_bytes(content[: content.index(exec_id.encode()) + 3])
        await asyncio.to_thread(own_redis.start)
        again = Reader(streams, mine)
        await again.until(ResyncFenced, lambda fence: fence.trigger == "redis_lost")
        assert exec_id in {fact.exec_id for fact in await again.of(ExecutionReported)}
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
        await asyncio.wait_for(serve(quick(settings, unused_port)), SECONDS)
    assert failure.group_contains(RuntimeError, match="a fault of ours")
