"""No room for what the gateway tells: it is held back over TCP, and what that must not be taken for."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from core.clock import utc_now
from core.domain.instruments import Instrument
from core.events.facts import (
    CommissionReported,
    ExecutionReported,
    Fact,
    InstrumentDescribed,
    LinkBeat,
    LinkChanged,
    PositionsCompleted,
    ResyncFenced,
)
from core.settings import Settings
from core.streams.port import StreamPort
from core.streams.redis import RedisStreams
from models.session import Database
from services.broker import answers, metrics, publish, watch
from services.broker.beat import Link
from services.broker.flow import Flow
from services.broker.publish import Publisher
from services.broker.recorded import Recorded
from services.broker.register import Register
from services.broker.schedule import Schedule
from services.broker.session import Session
from services.simulator import Simulator, messages
from services.stack import RedisServer
from tests.services.broker.conftest import SMALL, Reader, broker_link, quick
from tests.waiting import SECONDS, comes, eventually

CHATTY = {**SMALL, "gateway": {"pnl_seconds": 0.1}}
LONG = 60.0
JOB = "00000000-0000-0000-0000-000000000001"
READ_MOST_FACTS = 4_000
"""Executions and commissions that one read brings at most, amply."""


def value(metric: Any) -> float:
    return float(metric._value.get())


def of_link(facts: list[Fact]) -> list[str]:
    return [fact.state for fact in facts if isinstance(fact, LinkChanged)]


def amiss(told: Counter[str], sent: Iterable[str]) -> list[tuple[str, int, int]]:
    """Ids that were told another number of times than they were sent, the first few: all would fill pages."""
    counts = Counter(sent)
    wrong = sorted(one for one in told.keys() | counts.keys() if told[one] != counts[one])
    return [(one, told[one], counts[one]) for one in wrong[:5]]


def no_disk(settings: Settings) -> None:
    """The spool finds no folder to write into."""
    settings.spool_dir.parent.mkdir(parents=True, exist_ok=True)
    settings.spool_dir.write_text("no folder")


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "own-redis", durable=True) as server:
        yield server


@pytest.fixture
def most_waiting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many facts waited in memory at most; a list of one."""
    most = [0]
    original = Publisher.put

    def put(self: Publisher, fact: Fact) -> None:
        original(self, fact)
        most[0] = max(most[0], self.waiting_facts)

    monkeypatch.setattr(Publisher, "put", put)
    return most


class Room:
    """Whether there is room, and a session that is told when that changes."""

    def __init__(self, *, until_connected: bool = False) -> None:
        self._left = not until_connected
        self._until_connected = until_connected
        self.session: Session

    def __call__(self) -> bool:
        return self._left or (self._until_connected and self.session._connection is None)

    def set(self, left: bool) -> None:
        self._left, self._until_connected = left, False
        self.session.room_changed()

    @property
    def flow(self) -> Flow:
        assert self.session._connection is not None
        return self.session._connection.flow


@asynccontextmanager
async def held_back(
    settings: Settings, streams: StreamPort, database: Database, room: Room
) -> AsyncIterator[Session]:
    """A link whose facts reach Redis, told by ``room`` whether it may listen."""
    publisher = Publisher(streams, settings)
    link = Link(publisher, utc_now)
    register = Register(database, utc_now)
    session = room.session = Session(settings, publisher, link, register, Recorded(database), utc_now, room)
    publishing = asyncio.create_task(publisher.run())
    tasks = [asyncio.create_task(work) for work in (link.run(), session.run())]
    try:
        yield session
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await publisher.flush(5)
        await session.end(1)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await publisher.close()


async def passes(seconds: float) -> None:
    """Nothing shall happen for so long."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await comes(lambda: loop.time() - began > seconds)


# With the publisher's own idea of room.


async def test_an_answer_many_times_larger_than_the_memory_for_it_comes_whole_over_one_connection(
    settings: Settings, reader: Reader, most_waiting: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", 500)
    connects, holds = value(metrics.CONNECTS), value(metrics.HOLDS)
    async with Simulator.start(SMALL) as sim:
        sent = (await sim.burst(8_000)).exec_ids
        async with broker_link(quick(settings, sim.port)):
            await reader.until(LinkChanged, lambda fact: fact.state == "live")
            facts = await reader.read()
    # A machine that is busy elsewhere may have been asked for it twice, over the one connection.
    told = Counter({fact.exec_id for fact in facts if isinstance(fact, ExecutionReported)})
    paid = Counter({fact.exec_id for fact in facts if isinstance(fact, CommissionReported)})
    assert (amiss(told, sent), amiss(paid, sent)) == ([], [])
    assert of_link(facts) == ["connecting", "syncing", "live"]
    assert value(metrics.CONNECTS) == connects + 1
    assert value(metrics.HOLDS) > holds
    assert most_waiting[0] <= 500 + READ_MOST_FACTS < 2 * len(sent)


async def test_what_the_link_itself_tells_again_waits_for_room_too(
    settings: Settings, reader: Reader, most_waiting: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", 500)
    original = Session.__init__

    def begin(self: Session, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        for conid in range(1, 8_001):
            described = Instrument(conid=conid, symbol="ANY", sec_type="STK", currency="USD")
            self._instruments._known[conid] = described
            self._described.add(conid)

    monkeypatch.setattr(Session, "__init__", begin)
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.until(LinkChanged, lambda fact: fact.state == "live")
        facts = await reader.read()
    assert sum(isinstance(fact, InstrumentDescribed) for fact in facts) >= 8_000
    assert most_waiting[0] <= 500 + READ_MOST_FACTS < 8_000


async def test_while_neither_redis_nor_the_disk_takes_anything_the_gateway_waits_and_nothing_is_lost(
    settings: Settings, own_redis: RedisServer, most_waiting: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", 500)
    # Shorter than that, so that nothing is told again: what arrives was held back and not lost.
    monkeypatch.setattr(watch, "TOLERATED_SECONDS", LONG)
    monkeypatch.setattr(publish, "TOLERATED_SECONDS", LONG)
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    connects = value(metrics.CONNECTS)
    async with Simulator.start(SMALL) as sim, broker_link(quick(mine, sim.port)):
        streams = RedisStreams.connect(mine)
        reader = Reader(streams, mine)
        await reader.until(LinkChanged, lambda fact: fact.state == "live")
        await asyncio.to_thread(own_redis.stop)
        no_disk(mine)
        burst = asyncio.create_task(sim.burst(8_000))
        await comes(lambda: value(metrics.NO_ROOM) == 1)
        # Several times as long as two heartbeats.
        await passes(2)
        assert most_waiting[0] <= 500 + READ_MOST_FACTS
        mine.spool_dir.unlink()
        await asyncio.to_thread(own_redis.start)
        sent = (await burst).exec_ids

        async def told() -> Counter[str]:
            return Counter(fact.exec_id for fact in await reader.of(ExecutionReported))

        await eventually(told, lambda told: not amiss(told, sent))
        paid = Counter(fact.exec_id for fact in await reader.of(CommissionReported))
        assert not amiss(paid, sent)
        assert of_link(await reader.read()) == ["connecting", "syncing", "live"]
        assert value(metrics.CONNECTS) == connects + 1
        await streams.close()


async def test_a_link_that_is_held_back_ends_when_it_is_told_to(
    settings: Settings, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", 20)
    mine = settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    async with Simulator.start(SMALL) as sim:
        async with broker_link(quick(mine, sim.port)) as link:
            streams = RedisStreams.connect(mine)
            await Reader(streams, mine).synced()
            await asyncio.to_thread(own_redis.stop)
            no_disk(mine)
            await sim.burst(100)
            await comes(lambda: value(metrics.NO_ROOM) == 1)
            link.cancel()
            await asyncio.wait({link}, timeout=SECONDS)
            assert link.done()
            await streams.close()
        await comes(lambda: not sim.client_ids)


# With room as it is wanted.


async def test_a_gateway_that_is_held_back_is_neither_silent_nor_stale(
    settings: Settings, streams: RedisStreams, database: Database, reader: Reader
) -> None:
    room = Room()
    async with Simulator.start(CHATTY) as sim:
        mine = quick(settings, sim.port, ib_heartbeat_seconds=0.2, ib_stale_seconds=0.5)
        async with held_back(mine, streams, database, room):
            await reader.until_beat(lambda beat: beat.state == "live")
            room.set(False)
            exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
            await passes(1.5)
            assert exec_id not in {fact.exec_id for fact in await reader.of(ExecutionReported)}
            room.set(True)
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
            await passes(0.3)
            assert (await reader.beat()).state == "live"
    assert of_link(await reader.read()) == ["connecting", "syncing", "live", "disconnected"]
    assert len(await reader.fences()) == 1


async def test_answers_that_a_short_hold_delays_are_waited_for(
    settings: Settings, streams: RedisStreams, database: Database, reader: Reader
) -> None:
    room = Room()
    async with Simulator.start(SMALL) as sim:
        mine = quick(settings, sim.port, ib_connect_timeout_seconds=0.3, ib_heartbeat_seconds=30)
        async with held_back(mine, streams, database, room) as session:
            await reader.until_beat(lambda beat: beat.state == "live")
            await comes(lambda: session._described == {265598, 272093, 700200005})
            connection = session._connection
            assert connection is not None
            sim.stall()
            session.request_resync("request", JOB)
            session.request_descriptions((8719,))
            await comes(lambda: connection.listener.sweep and not connection.listener.signals.undescribed)
            room.set(False)
            sim.stall(on=False)
            await passes(1)
            room.set(True)
            await reader.until(ResyncFenced, lambda fence: fence.job_id == JOB and fence.ok)
            await reader.until(InstrumentDescribed, lambda fact: fact.instrument.conid == 8719)
    assert all(fence.ok for fence in await reader.fences())


async def test_a_time_that_waited_while_the_gateway_was_held_back_sets_no_clock(
    settings: Settings, streams: RedisStreams, database: Database, reader: Reader
) -> None:
    room = Room()
    async with Simulator.start(SMALL) as sim:
        mine = quick(settings, sim.port, ib_heartbeat_seconds=2.5)
        async with held_back(mine, streams, database, room) as session:
            await reader.until_beat(lambda beat: beat.state == "live")
            connection = session._connection
            assert connection is not None
            sim.stall()
            prompt = connection.listener.is_prompt
            await comes(lambda: connection.listener.is_prompt is not prompt)
            room.set(False)
            sim.stall(on=False)
            await passes(2)
            room.set(True)
            said = connection.listener.messages
            await comes(lambda: connection.listener.messages > said)
            assert (await reader.until_beat(lambda beat: beat.gateway == "up")).clock_offset_seconds == 0
    assert {beat.clock_offset_seconds for beat in await ticks_of(reader)} == {0}


async def ticks_of(reader: Reader) -> list[LinkBeat]:
    return [tick for tick in await reader.read_ticks() if isinstance(tick, LinkBeat)]


async def test_a_gateway_that_is_held_back_again_and_again_has_no_more_time_to_answer_than_in_one_hold(
    settings: Settings,
    streams: RedisStreams,
    database: Database,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "MOST_SECONDS", 0.5)
    room = Room()
    async with Simulator.start(SMALL) as sim:
        mine = quick(settings, sim.port, ib_connect_timeout_seconds=0.3)
        async with held_back(mine, streams, database, room) as session:
            await reader.until_beat(lambda beat: beat.state == "live")
            sim.positions_answer("never")
            session.request_resync("request", JOB)

            async def flap() -> list[ResyncFenced]:
                room.set(False)
                room.set(True)
                return [fence for fence in await reader.fences() if fence.job_id == JOB]

            (fence,) = await eventually(flap)
            assert (fence.ok, "positions completely" in fence.error) == (False, True)


async def test_a_hold_that_lasts_is_told_as_an_outage_and_all_is_asked_again_after_it(
    settings: Settings,
    streams: RedisStreams,
    database: Database,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "TOLERATED_SECONDS", 0.1)
    original, looks = Schedule._until, [0]

    async def until(self: Schedule, deadline: float, damage: asyncio.Event) -> None:
        looks[0] += 1
        await original(self, deadline, damage)

    monkeypatch.setattr(Schedule, "_until", until)
    room = Room()
    with capture_logs() as logs:
        async with (
            Simulator.start(SMALL) as sim,
            held_back(quick(settings, sim.port), streams, database, room) as session,
        ):
            await reader.until_beat(lambda beat: beat.state == "live")
            room.set(False)
            beat = await reader.until_beat(lambda beat: beat.state == "degraded")
            assert (beat.gateway, beat.ibkr, beat.reason) == ("up", "unknown", "no_room")
            assert not beat.complete
            # Who asks now is answered after it, and until then nobody looks for it again and again.
            session.request_resync("request", JOB)
            before = looks[0]
            await passes(0.3)
            assert looks[0] <= before + 1
            # TWS throws away what it cannot send.
            sim.tell_time_only()
            exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
            sim.tell_time_only(on=False)
            room.set(True)
            await reader.until_beat(lambda beat: beat.state == "live")
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
            assert await reader.held() == {key: one.quantity for key, one in sim.book.positions.items()}
    states = ["connecting", "syncing", "live", "degraded", "syncing", "live", "disconnected"]
    assert of_link(await reader.read()) == states
    told = {(fence.trigger, fence.job_id, fence.ok) for fence in await reader.fences()}
    assert told == {("connect", "", True), ("request", JOB, True), ("request", "", True)}
    down = [line["reason"] for line in logs if line["event"] == "broker_link_down"]
    assert down == ["no_room", "broker_link_down"]


async def test_no_position_is_closed_by_an_answer_of_which_a_hold_may_have_taken_a_part(
    settings: Settings,
    streams: RedisStreams,
    database: Database,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "TOLERATED_SECONDS", 0.1)
    room = Room()
    async with Simulator.start(SMALL) as sim:
        mine = quick(settings, sim.port, ib_heartbeat_seconds=30)
        async with held_back(mine, streams, database, room) as session:
            await reader.until_beat(lambda beat: beat.state == "live")
            (heard,) = sim.gateway.ready_sessions
            sim.stall()
            session.request_resync("request", JOB)
            connection = session._connection
            assert connection is not None
            await comes(lambda: connection.listener.sweep)
            room.set(False)
            # Of three positions one, and the end.
            sim.positions_answer(("partial", 1))
            sim.stall(on=False)
            await comes(lambda: not heard.subscriptions.positions)
            heard.send(messages.position_end())
            sim.positions_answer("normal")
            await reader.until_beat(lambda beat: beat.state == "degraded")
            room.set(True)
            await reader.until_beat(lambda beat: beat.state == "live")
    asked = next(fence for fence in await reader.fences() if fence.job_id == JOB)
    assert not asked.ok
    assert "there was no room for the answer with positions" in asked.error
    assert {fact.count for fact in await reader.of(PositionsCompleted)} == {3}
    assert of_link(await reader.read())[-3:-1] == ["syncing", "live"]


async def test_a_hold_that_goes_on_ends_the_connection_and_room_begins_another(
    settings: Settings,
    streams: RedisStreams,
    database: Database,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "TOLERATED_SECONDS", 0.1)
    monkeypatch.setattr(watch, "MOST_SECONDS", 0.3)
    room = Room()
    async with (
        Simulator.start(SMALL) as sim,
        held_back(quick(settings, sim.port), streams, database, room),
    ):
        await reader.until_beat(lambda beat: beat.state == "live")
        room.set(False)
        beat = await reader.until_beat(lambda beat: beat.state == "disconnected")
        assert beat.reason == "no_room"
        await comes(lambda: not sim.client_ids)
        exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
        room.set(True)
        await reader.until_beat(lambda beat: beat.state == "live")
        await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
    states = of_link(await reader.read())
    assert states[2:7] == ["live", "degraded", "disconnected", "connecting", "syncing"]


async def test_a_gateway_that_hangs_up_while_it_is_held_back_is_found_gone_after(
    settings: Settings, streams: RedisStreams, database: Database, reader: Reader
) -> None:
    room = Room()
    async with (
        Simulator.start(SMALL) as sim,
        held_back(quick(settings, sim.port), streams, database, room),
    ):
        await reader.until_beat(lambda beat: beat.state == "live")
        room.set(False)
        sim.drop_connections()
        room.set(True)
        lost = await reader.until(LinkChanged, lambda fact: fact.state == "disconnected")
        assert lost.reason == "gateway_unreachable"
        await reader.synced(2)


async def test_a_connection_that_begins_without_room_is_held_back_from_its_first_moment(
    settings: Settings,
    streams: RedisStreams,
    database: Database,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "TOLERATED_SECONDS", 0.1)
    room = Room(until_connected=True)
    async with (
        Simulator.start(SMALL) as sim,
        held_back(quick(settings, sim.port), streams, database, room),
    ):
        beat = await reader.until_beat(lambda beat: beat.state == "degraded")
        assert beat.reason == "no_room"
        assert await reader.fences() == []
        room.set(True)
        await reader.until_beat(lambda beat: beat.state == "live")
    assert of_link(await reader.read())[:4] == ["connecting", "syncing", "degraded", "syncing"]
    assert [(fence.trigger, fence.ok) for fence in await reader.fences()] == [("connect", True)]


async def test_a_hold_during_an_outage_of_ibkr_leaves_that_to_be_told_and_asks_nothing(
    settings: Settings,
    streams: RedisStreams,
    database: Database,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "TOLERATED_SECONDS", 0.1)
    room = Room()
    async with (
        Simulator.start(SMALL) as sim,
        held_back(quick(settings, sim.port), streams, database, room),
    ):
        await reader.until_beat(lambda beat: beat.state == "live")
        sim.connectivity_lost()
        await reader.until_beat(lambda beat: beat.reason == "ib_1100")
        room.set(False)
        await comes(lambda: room.flow.breaks)
        room.set(True)
        await passes(0.1)
        assert (await reader.beat()).reason == "ib_1100"
        sim.connectivity_restored()
        await reader.until_beat(lambda beat: beat.state == "live")
    assert [fence.trigger for fence in await reader.fences()] == ["connect", "ib_1102"]


# The flow by itself.


async def test_a_flow_listens_or_does_not_and_counts_what_an_answer_must_not_cross() -> None:
    reading: list[bool] = []
    flow = Flow(reading.append)
    flow.let(True)
    assert (reading, flow.changes, flow.listened_since(0)) == ([], 0, True)
    flow.let(False)
    flow.let(False)
    assert (reading, flow.changes, flow.listened_since(1)) == ([False], 1, False)
    flow.let(True)
    assert (reading, flow.breaks, flow.listened_since(1)) == ([False, True], 0, False)
    flow.let(False)
    flow.declare_long()
    during = flow.breaks
    flow.let(True)
    assert 0 < during < flow.breaks
    assert flow.listened_since(flow.changes)


@pytest.mark.parametrize("end", [lambda flow: flow.let(True), lambda _flow: None], ids=["over", "under way"])
async def test_the_time_of_a_hold_counts_for_no_answer(end: Callable[[Flow], None]) -> None:
    flow = Flow(lambda _on: None)
    flow.let(False)
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked = asyncio.create_task(flow.answered(answer, 0.05))
    await asyncio.sleep(0)
    end(flow)
    await passes(0.08)
    assert not asked.done()
    answer.set_result(None)
    assert await asked


async def test_an_answer_that_does_not_come_to_who_listens_is_given_up() -> None:
    flow = Flow(lambda _on: None)
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    assert not await flow.answered(answer, 0.01)
