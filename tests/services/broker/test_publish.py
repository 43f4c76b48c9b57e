"""Facts from memory to Redis, over the disk where need be: all of them, in order, under their own numbers."""

import asyncio
import errno
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.clock import utc_now
from core.events.facts import AccountsListed, FactBatch, LinkBeat, decode_facts, decode_ticks, encode
from core.settings import Settings, load_settings
from core.streams.memory import MemoryStreams
from core.streams.port import START
from services.broker import metrics, outlet, publish, ticks
from services.broker.publish import Publisher
from services.broker.segments import Record
from services.broker.spool import Spool
from tests.waiting import comes, eventually


class Silent(MemoryStreams):
    """A server that can be silent: connected, and without an answer to any append."""

    silent = True

    async def append_marked(self, *args: Any, **kwargs: Any) -> Any:
        if self.silent:
            await asyncio.Event().wait()
        return await super().append_marked(*args, **kwargs)


BEAT = LinkBeat(received_at=utc_now(), gateway="up", ibkr="up", since=utc_now())


@pytest.fixture
def mine(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", spool_megabytes=1, facts_in_redis=100)


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FACTS_PER_ENTRY": 3,
        "ENTRIES_PER_APPEND": 4,
        "_RETRY_FIRST_SECONDS": 0.001,
        "_RETRY_MOST_SECONDS": 0.01,
        "_LOOK_SECONDS": 0.01,
        "_BACKLOG_SECONDS": 0.01,
        "_SPOOL_AT_END_SECONDS": 0.2,
    }.items():
        monkeypatch.setattr(publish, name, value)
    monkeypatch.setattr(ticks, "TICKS_PER_ENTRY", 3)
    monkeypatch.setattr(ticks, "_SHEDDING_SECONDS", 0.01)
    # Another test of this process may have ended while its spool refused.
    metrics.SPOOL_REFUSES.set(0)
    metrics.NO_ROOM.set(0)


def put(publisher: Publisher, *numbers: int) -> None:
    for number in numbers:
        publisher.put(AccountsListed(received_at=utc_now(), accounts=(str(number),)))


async def arrived(streams: MemoryStreams, settings: Settings) -> list[int]:
    """What is in the stream, each fact once, by its epoch and sequence, where it stands first."""
    facts: dict[tuple[int, int], int] = {}
    for entry in await streams.tail(settings.facts_stream, START, count=100_000, block_ms=0):
        batch = decode_facts(entry.data)
        for index, fact in enumerate(batch.facts):
            assert isinstance(fact, AccountsListed)
            number = int(fact.accounts[0])
            assert facts.setdefault((batch.epoch, batch.first_seq + index), number) == number
    return list(facts.values())


class Told:
    """What the publisher calls, counted."""

    def __init__(self, publisher: Publisher) -> None:
        self.lost = 0
        self.room: list[tuple[bool, int]] = []
        publisher.on_lost = self._lost
        publisher.on_room = lambda: self.room.append((publisher.has_room, publisher.waiting_facts))

    def _lost(self) -> None:
        self.lost += 1


@asynccontextmanager
async def running(streams: MemoryStreams, settings: Settings) -> AsyncIterator[tuple[Publisher, Told]]:
    """A publisher; at the end it is gone as after a kill, without a flush."""
    publisher = Publisher(streams, settings)
    publisher.begin_epoch(1)
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher, Told(publisher)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await publisher.close()


def all_direct(publisher: Publisher) -> Callable[[], bool]:
    return lambda: not (publisher.waiting_facts or publisher.spooled_bytes or publisher._spooling.is_set())


class Counted(MemoryStreams):
    """A server that counts how often it is turned to in vain."""

    tries = 0

    def _require_up(self) -> None:
        self.tries += self.down
        super()._require_up()

    async def tried(self, times: int) -> None:
        before = self.tries
        await comes(lambda: self.tries, lambda tries: tries >= before + times)


def gauge(metric: Any) -> float:
    return float(metric._value.get())


async def test_while_redis_is_away_facts_go_to_the_disk_and_from_there_to_redis_in_order(
    mine: Settings,
) -> None:
    streams = MemoryStreams()
    async with running(streams, mine) as (publisher, told):
        put(publisher, 0, 1)
        await comes(all_direct(publisher))
        assert not mine.spool_dir.exists()
        streams.down = True
        put(publisher, *range(2, 40))
        await comes(lambda: publisher.spooled_facts, lambda facts: facts == 38)
        assert publisher.waiting_facts == 0
        assert publisher.spooled_bytes > 38 * 60
        assert (gauge(metrics.SPOOLING), gauge(metrics.REDIS_UP)) == (1, 0)
        put(publisher, 40)
        await comes(lambda: gauge(metrics.SPOOL_FACTS), lambda facts: facts == 39)
        assert gauge(metrics.SPOOL_BYTES) == publisher.spooled_bytes
        assert 0 <= gauge(metrics.SPOOL_OLDEST_SECONDS) < 60
        streams.down = False
        put(publisher, *range(41, 50))
        await comes(all_direct(publisher))
        assert await arrived(streams, mine) == list(range(50))
        put(publisher, 50)
        await comes(all_direct(publisher))
        assert await arrived(streams, mine) == list(range(51))
        await comes(lambda: gauge(metrics.SPOOLING), lambda spooling: spooling == 0)
        assert gauge(metrics.REDIS_UP) == 1
        assert (told.lost, told.room) == (0, [])
    assert list(mine.spool_dir.iterdir()) == []


async def test_an_outage_is_noticed_and_told_once_without_any_fact(mine: Settings) -> None:
    streams = Counted()
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, told):
            streams.down = True
            await comes(lambda: gauge(metrics.REDIS_UP), lambda up: up == 0)
            await streams.tried(3)
            streams.down = False
            await comes(lambda: gauge(metrics.REDIS_UP), lambda up: up == 1)
            await comes(all_direct(publisher))
            assert told.lost == 0
    assert [line["event"] for line in logs] == ["redis_away", "redis_back"]


async def test_what_may_have_arrived_is_sent_again_under_the_same_numbers(mine: Settings) -> None:
    streams = MemoryStreams()
    async with running(streams, mine) as (publisher, told):
        put(publisher, 0)
        await comes(all_direct(publisher))
        streams.outcomes_unknown = 3
        put(publisher, *range(1, 30))
        await comes(all_direct(publisher))
        assert await arrived(streams, mine) == list(range(30))
        entries = (await streams.info(mine.facts_stream)).length_entries
        assert entries > 11
        assert told.lost == 0


async def test_a_redis_that_does_not_answer_is_as_good_as_away(
    mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "_ANSWER_SECONDS", 0.05)
    streams = Silent()
    async with running(streams, mine) as (publisher, _):
        streams.silent = True
        put(publisher, 0, 1)
        await comes(lambda: publisher.spooled_facts, lambda facts: facts == 2)
        streams.silent = False
        await comes(all_direct(publisher))
        assert await arrived(streams, mine) == [0, 1]


async def test_what_a_killed_process_left_on_disk_comes_before_the_next_ones_facts(mine: Settings) -> None:
    streams = MemoryStreams()
    streams.down = True
    async with running(streams, mine) as (publisher, _):
        put(publisher, *range(20))
        await comes(lambda: publisher.spooled_facts, lambda facts: facts == 20)
    streams.down = False
    async with running(streams, mine) as (publisher, _):
        publisher.begin_epoch(2)
        put(publisher, *range(20, 30))
        await comes(all_direct(publisher))
    assert await arrived(streams, mine) == list(range(30))
    assert list(mine.spool_dir.iterdir()) == []


async def test_what_a_process_leaves_that_ends_later_is_found_later(
    mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_ADOPT_SECONDS", 0.02)
    streams, away = MemoryStreams(), MemoryStreams()
    away.down = True
    async with running(streams, mine) as (publisher, _):
        async with running(away, mine) as (other, _):
            put(other, 7)
            await comes(lambda: other.spooled_facts, lambda facts: facts == 1)
            assert await arrived(streams, mine) == []
        await comes(lambda: streams._streams[mine.facts_stream].ids)
        await comes(all_direct(publisher))
    assert await arrived(streams, mine) == [7]


async def test_a_folder_that_cannot_be_read_holds_up_no_other_and_nothing_overtakes_what_was_adopted(
    mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_ADOPT_SECONDS", 0.02)
    for number, facts in ((1, (0, 1)), (2, (2,)), (3, (3, 4))):
        spool = Spool(mine.spool_dir, 1 << 20)
        batch = FactBatch(
            epoch=1,
            first_seq=facts[0],
            facts=tuple(AccountsListed(received_at=utc_now(), accounts=(str(one),)) for one in facts),
        )
        spool.append([Record(encode(batch), len(facts), 1)])
        assert (mine.spool_dir / str(number)).is_dir()
        spool.close()
    bad = mine.spool_dir / "2" / "0000000001.facts"
    kept = bad.read_bytes()
    bad.unlink()
    bad.mkdir()
    streams = MemoryStreams()
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, _):
            publisher.begin_epoch(2)
            put(publisher, 5)
            await comes(lambda: gauge(metrics.SPOOL_REFUSES), lambda refuses: refuses == 1)
            await comes(all_direct(publisher))
            assert await arrived(streams, mine) == [0, 1, 3, 4, 5]
            assert gauge(metrics.SPOOL_REFUSES) == 1
            bad.rmdir()
            bad.write_bytes(kept)
            await comes(lambda: gauge(metrics.SPOOL_REFUSES), lambda refuses: refuses == 0)
            # What is adopted comes a moment after it can be read.
            await eventually(lambda: arrived(streams, mine), lambda found: found == [0, 1, 3, 4, 5, 2])
            await comes(all_direct(publisher))
    events = Counter(line["event"] for line in logs)
    assert (events["spool_refuses"], events["spool_refuses_no_more"]) == (1, 1)


async def test_a_spool_that_could_not_be_read_for_a_while_is_no_fault_afterwards(
    mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Spool._frames

    def failing(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(Spool, "_frames", failing)
    streams = MemoryStreams()
    streams.down = True
    async with running(streams, mine) as (publisher, _):
        put(publisher, 0)
        await comes(lambda: gauge(metrics.SPOOL_REFUSES), lambda refuses: refuses == 1)
        streams.down = False
        monkeypatch.setattr(Spool, "_frames", original)
        await comes(all_direct(publisher))
        await comes(lambda: gauge(metrics.SPOOL_REFUSES), lambda refuses: refuses == 0)
        assert await arrived(streams, mine) == [0]


async def test_facts_that_find_no_room_anywhere_are_kept_and_the_gateway_is_made_to_wait(
    mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", 100)
    monkeypatch.setattr(publish, "TOLERATED_SECONDS", 0.01)
    streams = MemoryStreams()
    streams.down = True
    mine.spool_dir.parent.mkdir(parents=True)
    mine.spool_dir.write_text("no folder")
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, told):
            put(publisher, *range(100))
            await comes(lambda: gauge(metrics.SPOOL_REFUSES), lambda refuses: refuses == 1)
            assert publisher.has_room
            put(publisher, *range(100, 120))
            assert told.room == [(False, 101)]
            await comes(lambda: any(line["event"] == "facts_without_room" for line in logs))
            assert gauge(metrics.NO_ROOM) == 1
            assert publisher.waiting_facts == 120
            mine.spool_dir.unlink()
            await comes(lambda: publisher.spooled_facts, lambda facts: facts == 120)
            assert publisher.has_room
            assert (gauge(metrics.NO_ROOM), gauge(metrics.SPOOL_REFUSES)) == (0, 0)
            streams.down = False
            await comes(all_direct(publisher))
            assert await arrived(streams, mine) == list(range(120))
            assert told.room == [(False, 101), (True, 48)]
    events = Counter(line["event"] for line in logs)
    for event in ("spool_refuses", "spool_refuses_no_more", "facts_without_room", "facts_have_room"):
        assert events[event] == 1


async def test_a_redis_that_hangs_when_there_is_no_room_gives_way_to_the_disk_before_that_is_an_outage(
    mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", 100)
    monkeypatch.setattr(publish, "_SLOW_SECONDS", 0.05)
    streams = Silent()
    streams.silent = False
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, told):
            put(publisher, 0)
            await comes(all_direct(publisher))
            streams.silent = True
            put(publisher, *range(1, 151))
            assert not publisher.has_room
            await comes(lambda: publisher.spooled_facts, lambda facts: facts == 150)
            assert told.room[-1][0]
            streams.silent = False
            await comes(all_direct(publisher))
            assert sorted(set(await arrived(streams, mine))) == list(range(151))
    assert "facts_without_room" not in {line["event"] for line in logs}


async def test_a_spool_at_its_bound_holds_back_what_is_new_until_redis_is_back(mine: Settings) -> None:
    streams = MemoryStreams()
    streams.down = True
    async with running(streams, mine) as (publisher, _):
        publisher.put(AccountsListed(received_at=utc_now(), accounts=("0", "x" * 900_000)))
        await comes(lambda: publisher.spooled_bytes)
        publisher.put(AccountsListed(received_at=utc_now(), accounts=("1", "x" * 900_000)))
        put(publisher, 2)
        await comes(lambda: gauge(metrics.SPOOL_REFUSES), lambda refuses: refuses == 1)
        assert publisher.waiting_facts >= 1
        streams.down = False
        await comes(all_direct(publisher))
        assert await arrived(streams, mine) == [0, 1, 2]


async def test_facts_go_direct_over_a_broken_disk_once_redis_is_back(mine: Settings) -> None:
    streams = MemoryStreams()
    streams.down = True
    mine.spool_dir.parent.mkdir(parents=True)
    mine.spool_dir.write_text("no folder")
    async with running(streams, mine) as (publisher, _):
        put(publisher, 0)
        await comes(lambda: gauge(metrics.SPOOL_REFUSES), lambda refuses: refuses == 1)
        streams.down = False
        await comes(all_direct(publisher))
        assert await arrived(streams, mine) == [0]


async def test_a_redis_that_is_too_slow_for_what_comes_is_helped_by_the_disk(
    mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", 40)
    monkeypatch.setattr(publish, "_SLOW_SECONDS", 0.0)
    streams = MemoryStreams()
    async with running(streams, mine) as (publisher, _):
        put(publisher, *range(60))
        await comes(mine.spool_dir.exists)
        await comes(all_direct(publisher))
        assert await arrived(streams, mine) == list(range(60))


async def test_a_redis_that_soon_makes_room_gets_all_of_it_directly_and_nothing_is_said(
    mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", 40)
    streams = MemoryStreams()
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, told):
            put(publisher, *range(60))
            assert told.room == [(False, 41)]
            await comes(lambda: told.room == [(False, 41), (True, 12)])
            await comes(all_direct(publisher))
            assert await arrived(streams, mine) == list(range(60))
            assert not mine.spool_dir.exists()
    assert logs == []


async def test_a_redis_that_comes_back_empty_is_noticed_once_and_at_once(mine: Settings) -> None:
    streams = MemoryStreams()
    before = gauge(metrics.REDIS_LOST)
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, told):
            put(publisher, 0)
            await comes(all_direct(publisher))
            streams.lose()
            await comes(lambda: told.lost)
            put(publisher, 1)
            await comes(all_direct(publisher))
            streams.down = True
            put(publisher, 2)
            await comes(lambda: publisher.spooled_facts)
            assert told.lost == 1
            streams.lose()
            streams.down = False
            await comes(all_direct(publisher))
            assert told.lost == 2
            assert await arrived(streams, mine) == [2]
    assert [line["event"] for line in logs].count("redis_lost_facts") == 2
    assert gauge(metrics.REDIS_LOST) - before == 2


async def test_a_redis_that_comes_back_without_its_newest_entries_is_noticed(mine: Settings) -> None:
    streams = MemoryStreams(undoable_appends=100)
    async with running(streams, mine) as (publisher, told):
        put(publisher, 0)
        await comes(all_direct(publisher))
        streams.down = True
        put(publisher, 1)
        await comes(lambda: publisher.spooled_facts)
        streams.lose_tail(1)
        streams.down = False
        await comes(all_direct(publisher))
        assert told.lost == 1


async def test_a_loss_is_noticed_also_when_the_first_append_after_it_gets_no_answer(mine: Settings) -> None:
    streams = MemoryStreams()
    async with running(streams, mine) as (publisher, told):
        put(publisher, 0)
        await comes(all_direct(publisher))
        streams.lose()
        streams.outcomes_unknown = 2
        put(publisher, 1)
        await comes(all_direct(publisher))
        assert told.lost == 1
        assert await arrived(streams, mine) == [1]


async def test_a_backlog_goes_to_the_disk_and_comes_back_when_half_of_it_is_dealt_with(
    mine: Settings,
) -> None:
    streams = MemoryStreams()
    stream = mine.facts_stream
    await streams.ensure_group(stream, "g")

    async def deal_with(count: int) -> None:
        entries = await streams.read_group(stream, "g", "c", count=count, block_ms=0)
        await streams.acknowledge(stream, "g", [entry.id for entry in entries])

    seen: list[int] = []
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, told):
            for number in range(130):
                put(publisher, number)
                await comes(lambda: publisher.waiting_facts == 0)
            await comes(lambda: publisher.spooled_facts)
            length = (await streams.info(stream)).length_entries
            assert length == 101
            assert gauge(metrics.BACKLOG_ENTRIES) == 101
            await deal_with(50)
            await comes(lambda: gauge(metrics.BACKLOG_ENTRIES), lambda entries: entries == 51)
            assert publisher.spooled_facts == 29
            seen += await arrived(streams, mine)
            await deal_with(1)
            await comes(all_direct(publisher))
            assert told.lost == 0
            seen += await arrived(streams, mine)
    assert sorted(set(seen)) == list(range(50, 130))
    assert [line["event"] for line in logs] == ["redis_backlog_long", "redis_backlog_short"]


async def test_a_backlog_that_everyone_has_acknowledged_is_none(mine: Settings) -> None:
    streams = MemoryStreams()
    stream = mine.facts_stream
    await streams.ensure_group(stream, "g")
    async with running(streams, mine) as (publisher, _):
        for number in range(250):
            put(publisher, number)
            await comes(lambda: publisher.waiting_facts == 0)
            entries = await streams.read_group(stream, "g", "c", count=10, block_ms=0)
            await streams.acknowledge(stream, "g", [entry.id for entry in entries])
    assert not mine.spool_dir.exists()
    assert (await streams.info(stream)).length_entries <= 100


async def test_a_damaged_file_of_the_spool_asks_for_all_again(mine: Settings) -> None:
    streams = Counted()
    streams.down = True
    before = gauge(metrics.SPOOL_DAMAGED)
    async with running(streams, mine) as (publisher, told):
        for number in range(5):
            put(publisher, number)
            await comes(lambda n=number: publisher.spooled_facts == n + 1)
        (path,) = mine.spool_dir.glob("*/*.facts")
        # In place: it is read all the time, and a moment in which it is empty would be another damage.
        with path.open("r+b") as file:
            file.seek(path.read_bytes().index(b'["2"]'))
            file.write(b'["X"]')
        await streams.tried(2)
        streams.down = False
        await comes(all_direct(publisher))
        assert told.lost == 1
        assert await arrived(streams, mine) == [0, 1, 3, 4]
    assert gauge(metrics.SPOOL_DAMAGED) - before == 1
    assert len(list(mine.spool_dir.glob("*.damaged"))) == 1


async def test_ticks_are_shed_while_redis_is_away_and_flow_again_afterwards(mine: Settings) -> None:
    streams = MemoryStreams()
    async with running(streams, mine) as (publisher, _):
        streams.down = True
        before = gauge(metrics.TICKS_SHED)
        publisher.tick("link", BEAT)
        await comes(lambda: gauge(metrics.TICKS_SHED) > before)
        streams.down = False
        await comes(all_direct(publisher))
        publisher.tick("link", BEAT)
        entries = await streams.tail(mine.ticks_stream, START, count=10, block_ms=5_000)
        assert [decode_ticks(entry.data).ticks for entry in entries] == [(BEAT,)]


async def test_a_redis_that_may_evict_gets_ticks_but_no_facts_and_is_told_once(mine: Settings) -> None:
    class Evicting(MemoryStreams):
        policy = "allkeys-lru"

        async def eviction_policy(self) -> str | None:
            self._require_up()
            return self.policy

    streams = Evicting()
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, _):
            put(publisher, 0)
            await comes(lambda: publisher.spooled_facts)
            publisher.tick("link", BEAT)
            assert await streams.tail(mine.ticks_stream, START, count=10, block_ms=5_000)
            assert await arrived(streams, mine) == []
            streams.policy = "noeviction"
            await comes(all_direct(publisher))
            assert await arrived(streams, mine) == [0]
            # After an outage it may be another server.
            streams.down = True
            await comes(lambda: gauge(metrics.REDIS_UP), lambda up: up == 0)
            streams.policy = "volatile-ttl"
            streams.down = False
            put(publisher, 1)
            await comes(lambda: publisher.spooled_facts)
            assert await arrived(streams, mine) == [0]
    told = [line["event"] for line in logs]
    assert told == ["redis_may_evict", "redis_back", "redis_away", "redis_may_evict"]


async def test_at_the_end_what_redis_does_not_take_goes_to_the_disk(mine: Settings) -> None:
    with capture_logs() as logs:
        async with running(Silent(), mine) as (publisher, _):
            put(publisher, *range(9))
            assert await publisher.flush(0.05)
            assert (publisher.waiting_facts, publisher.spooled_facts) == (0, 9)
    assert "facts_left_behind" not in {line["event"] for line in logs}
    streams = MemoryStreams()
    async with running(streams, mine) as (publisher, _):
        await comes(lambda: streams._streams.get(mine.facts_stream))
        await comes(all_direct(publisher))
    assert await arrived(streams, mine) == list(range(9))


async def test_facts_are_left_behind_only_when_the_disk_refuses_too(mine: Settings) -> None:
    streams = MemoryStreams()
    streams.down = True
    mine.spool_dir.parent.mkdir(parents=True)
    mine.spool_dir.write_text("no folder")
    with capture_logs() as logs:
        async with running(streams, mine) as (publisher, _):
            put(publisher, 0, 1)
            assert not await publisher.flush(0.05)
            assert publisher.waiting_facts == 2
    assert [line["facts"] for line in logs if line["event"] == "facts_left_behind"] == [2]


STEPS = st.lists(
    st.sampled_from(
        [
            *("put", "put", "put", "down", "up", "unknown", "kill", "settle"),
            *("disk away", "disk back", "lose", "lose tail"),
        ]
    ),
    max_size=14,
)


@given(steps=STEPS)
@example(steps=["put", "settle", "lose", "unknown", "settle"])
@example(steps=["put", "settle", "down", "put", "settle", "lose tail", "unknown", "unknown", "up"])
@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_happens_no_fact_is_lost_unnoticed_doubled_or_out_of_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    asyncio.run(_live_through(load_settings(home=tmp_path_factory.mktemp("home")), steps))


async def _live_through(settings: Settings, steps: list[str]) -> None:
    """Do the steps. Facts carry rising numbers; those that are in memory die with their process."""
    streams = MemoryStreams(undoable_appends=3)
    written: list[int] = []
    safe: set[int] = set()
    gone: set[int] = set()
    settings.spool_dir.mkdir(parents=True)
    hidden = settings.spool_dir.with_name("hidden")
    lives = ",".join(steps).split("kill")
    for epoch, life in enumerate(lives, start=1):
        _disk_back(settings, hidden)
        before = len(written)
        async with running(streams, settings) as (publisher, told):
            publisher.begin_epoch(epoch)
            for step in life.split(","):
                if step == "put":
                    put(publisher, *range(len(written), len(written) + 5))
                    written += range(len(written), len(written) + 5)
                elif step in {"down", "up"}:
                    streams.down = step == "down"
                elif step == "unknown":
                    streams.outcomes_unknown += 1
                elif step.startswith("disk"):
                    # Between two things that the spool does, never in the middle of one.
                    action = _disk_away if step == "disk away" else _disk_back
                    await publisher._on_disk(action, settings, hidden)
                elif step.startswith("lose"):
                    gone |= await _lost_at(streams, settings, step)
                await asyncio.sleep(0.01 if step == "settle" else 0)
            if epoch == len(lives):
                streams.down = False
                await publisher._on_disk(_disk_back, settings, hidden)
                # Behind the adoption: the disk does one thing at a time.
                await publisher._on_disk(list)
                await comes(all_direct(publisher))
                await _all_there_or_told(streams, settings, set(written[before:]), told)
            assert "lose" in life or not told.lost
            safe.update(written[before : len(written) - publisher.waiting_facts])
    there = await arrived(streams, settings)
    assert there == sorted(there)
    assert safe - gone <= set(there) <= set(written)


async def _all_there_or_told(streams: MemoryStreams, settings: Settings, facts: set[int], told: Told) -> None:
    """What was given to Redis in this life, and is not there any more, is told to be lost."""
    if not facts <= set(await arrived(streams, settings)):
        await comes(lambda: told.lost)


async def _lost_at(streams: MemoryStreams, settings: Settings, step: str) -> set[int]:
    """Lose everything, or what came last; what there was."""
    down, streams.down = streams.down, False
    before = await arrived(streams, settings)
    if step == "lose":
        streams.lose()
    else:
        streams.lose_tail(1)
    after = await arrived(streams, settings)
    streams.down = down
    return set(before) - set(after)


def _disk_away(settings: Settings, hidden: Path) -> None:
    if not hidden.exists():
        settings.spool_dir.rename(hidden)
        settings.spool_dir.write_text("no folder")


def _disk_back(settings: Settings, hidden: Path) -> None:
    if hidden.exists():
        settings.spool_dir.unlink()
        hidden.rename(settings.spool_dir)
