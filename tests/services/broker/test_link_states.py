"""The link's state as it goes through its life, and every place it is told in."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from core.clock import utc_now
from core.domain.link import STATES, LinkEvent
from core.events.facts import (
    ExecutionReported,
    FactBatch,
    LinkBeat,
    LinkChanged,
    ResyncFenced,
    decode_ticks,
    encode,
)
from core.settings import Settings
from core.streams.port import START, StreamPort
from core.streams.redis import RedisStreams
from models.session import Database
from services.broker import backoff, metrics
from services.broker.beat import Link
from services.broker.gate import Gate
from services.broker.publish import Publisher
from services.position_sync.relay import Relay
from services.simulator import Simulator
from tests.services.broker.conftest import SMALL, Reader, ask_resync, broker_link, quick
from tests.waiting import comes, eventually

Rows = list[dict[str, Any]]

CHATTY = {**SMALL, "gateway": {"pnl_seconds": 0.1}}
"""Its figures come often enough for a short patience."""


class Recorder:
    """What the worker makes of the facts."""

    def __init__(self, database: Database, streams: StreamPort, settings: Settings) -> None:
        async def nothing(_account: str, _trigger: str) -> None:
            return

        self._database, self._streams, self._settings = database, streams, settings
        self._relay = Relay(database, streams, settings, ask_for_comparison=nothing)
        self._after = START

    async def rows(self, statement: str) -> Rows:
        """Record what was told so far; then the rows of a query."""
        entries = await self._streams.tail(self._settings.facts_stream, self._after, count=1000, block_ms=1)
        if entries:
            await self._relay.handle(entries)
            self._after = entries[-1].id
        async with self._database.read() as reader:
            return [dict(row._mapping) for row in await reader.execute(text(statement))]


@pytest.fixture
def recorder(database: Database, streams: RedisStreams, settings: Settings) -> Recorder:
    return Recorder(database, streams, settings)


def transitions() -> dict[tuple[str, str], float]:
    """How often the state changed from one to another, by the metrics."""
    return {
        (sample.labels["before"], sample.labels["after"]): sample.value
        for family in metrics.LINK_TRANSITIONS.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def state_shown() -> list[str]:
    """The states that the one-hot gauge is 1 for."""
    (family,) = metrics.LINK_STATE.collect()
    return [sample.labels["state"] for sample in family.samples if sample.value]


async def test_every_transition_is_found_in_every_place(
    settings: Settings, reader: Reader, recorder: Recorder
) -> None:
    counted = transitions()
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.until_beat(lambda beat: beat.state == "live")
        assert state_shown() == ["live"]
        sim.connectivity_lost()
        await reader.until(LinkChanged, lambda fact: fact.state == "degraded")
        (links,) = await recorder.rows("SELECT state, gateway, ibkr, reason FROM broker_links")
        assert links == {"state": "degraded", "gateway": "up", "ibkr": "down", "reason": "ib_1100"}
        sim.connectivity_restored()
        await reader.until_beat(lambda beat: beat.state == "live")
        sim.drop_connections()
        await reader.until(LinkChanged, lambda fact: fact.state == "disconnected")
        await reader.synced(3)
        await reader.until_beat(lambda beat: beat.state == "live")
    told = [(fact.before, fact.state, fact.reason) for fact in await reader.of(LinkChanged)]
    assert told == [
        ("disconnected", "connecting", "not_yet_synced"),
        ("connecting", "syncing", ""),
        ("syncing", "live", ""),
        ("live", "degraded", "ib_1100"),
        ("degraded", "syncing", ""),
        ("syncing", "live", ""),
        ("live", "disconnected", "gateway_unreachable"),
        ("disconnected", "connecting", "gateway_unreachable"),
        ("connecting", "syncing", ""),
        ("syncing", "live", ""),
        ("live", "disconnected", "broker_link_down"),
    ]
    log = await recorder.rows("SELECT details, epoch FROM sync_log WHERE kind = 'link' ORDER BY at, id")
    assert [(row["details"]["from"], row["details"]["to"], row["details"]["reason"]) for row in log] == told
    sessions = await recorder.rows(
        "SELECT epoch, state, state_reason, state_at, end_reason FROM broker_sessions ORDER BY epoch"
    )
    assert [(row["state"], row["state_reason"], row["end_reason"]) for row in sessions] == [
        ("disconnected", "gateway_unreachable", "gateway_unreachable"),
        ("disconnected", "broker_link_down", "stopped"),
    ]
    assert {row["epoch"] for row in log} == {row["epoch"] for row in sessions}
    (links,) = await recorder.rows("SELECT state, reason, epoch FROM broker_links")
    assert links == {"state": "disconnected", "reason": "broker_link_down", "epoch": sessions[-1]["epoch"]}
    now = transitions()
    for step in {(before, after) for before, after, _ in told}:
        times = len([True for before, after, _ in told if (before, after) == step])
        assert now[step] - counted.get(step, 0) == times
    assert state_shown() == ["disconnected"]


async def test_a_connection_that_ibkr_is_away_from_is_degraded_at_once(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim:
        sim.connectivity_lost()
        async with broker_link(quick(settings, sim.port)):
            beat = await reader.until_beat(lambda beat: beat.gateway == "up")
            assert (beat.state, beat.ibkr, beat.reason) == ("degraded", "down", "ib_1100")
            sim.connectivity_restored()
            await reader.until_beat(lambda beat: beat.state == "live")


async def test_an_outage_that_lasts_is_told_once(
    settings: Settings, reader: Reader, unused_port: int
) -> None:
    attempts = metrics.CONNECT_FAILURES.labels("gateway_unreachable")
    before = attempts._value.get()
    with capture_logs() as logs:
        async with broker_link(quick(settings, unused_port)):
            await comes(lambda: attempts._value.get() - before, lambda made: made >= 4)
    states = [fact.state for fact in await reader.of(LinkChanged)]
    assert states == ["connecting", "disconnected", "disconnected"]
    reasons = [line["reason"] for line in logs if line["event"] == "broker_link_down"]
    assert reasons == ["gateway_unreachable", "broker_link_down"]


async def test_a_login_that_is_needed_again_is_told_once(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "CALM_FIRST_SECONDS", 0.1)
    async with Simulator.start(SMALL) as sim:
        with capture_logs() as logs:
            async with broker_link(quick(settings, sim.port)):
                await reader.synced()
                sim.send_error(10141, "Paper trading disclaimer must first be accepted for API connection.")
                lost = await reader.until(LinkChanged, lambda fact: fact.state == "needs_login")
                assert (lost.before, lost.gateway, lost.reason) == ("live", "down", "needs_login")
                await reader.synced(2)
        assert len([line for line in logs if line.get("reason") == "needs_login"]) == 1
    assert [fact.state for fact in await reader.of(LinkChanged)][3:5] == ["needs_login", "syncing"]


async def test_a_gateway_that_tells_the_time_only_is_stale_and_live_again_after_a_resync(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(CHATTY) as sim:
        mine = quick(settings, sim.port, ib_stale_seconds=0.6, ib_connect_timeout_seconds=1.0)
        async with broker_link(mine):
            await reader.until_beat(lambda beat: beat.state == "live")
            sim.tell_time_only()
            beat = await reader.until_beat(lambda beat: beat.state == "degraded")
            assert (beat.gateway, beat.ibkr, beat.reason) == ("up", "unknown", "data_stale")
            assert not beat.complete
            exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
            sim.tell_time_only(on=False)
            await reader.until_beat(lambda beat: beat.state == "live")
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
    told = [fact.state for fact in await reader.of(LinkChanged)]
    assert told[:3] == ["connecting", "syncing", "live"]
    assert told[3:] == ["degraded", "syncing", "live", "disconnected"]
    assert "gateway_silent" not in {fact.reason for fact in await reader.of(LinkChanged)}


async def test_a_gateway_that_answers_no_resync_either_is_left_and_asked_anew(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(CHATTY) as sim:
        mine = quick(settings, sim.port, ib_stale_seconds=0.5, ib_connect_timeout_seconds=0.4)
        async with broker_link(mine):
            await reader.until_beat(lambda beat: beat.state == "live")
            sim.tell_time_only()
            lost = await reader.until(LinkChanged, lambda fact: fact.state == "disconnected")
            assert (lost.before, lost.reason) == ("degraded", "gateway_silent")
            fence = await reader.until(ResyncFenced, lambda fence: not fence.ok)
            assert fence.trigger == "data_stale"
            sim.tell_time_only(on=False)
            await reader.until_beat(lambda beat: beat.state == "live")


async def test_a_quiet_gateway_is_not_stale_while_ibkr_is_away(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(CHATTY) as sim:
        mine = quick(settings, sim.port, ib_stale_seconds=0.3)
        async with broker_link(mine):
            await reader.until_beat(lambda beat: beat.state == "live")
            sim.connectivity_lost()
            await reader.until_beat(lambda beat: beat.state == "degraded")
            sim.tell_time_only()
            began = asyncio.get_running_loop().time()
            await comes(lambda: asyncio.get_running_loop().time() - began > 1)
            assert (await reader.beat()).reason == "ib_1100"
            sim.tell_time_only(on=False)
            sim.connectivity_restored()
            await reader.until_beat(lambda beat: beat.state == "live")
    assert "data_stale" not in {fact.reason for fact in await reader.of(LinkChanged)}


async def test_an_older_word_that_comes_late_never_overwrites_a_newer_one(
    settings: Settings, streams: RedisStreams, recorder: Recorder, database: Database
) -> None:
    link = Link(Publisher(streams, settings), utc_now)
    told = [link.apply(event) for event in (LinkEvent.CONNECT, LinkEvent.CONNECTED, LinkEvent.SYNCED)]
    async with database.write() as connection:
        statement = "INSERT INTO broker_sessions (login, started_at) VALUES ('a:1', now()) RETURNING epoch"
        epoch = (await connection.execute(text(statement))).scalar_one()
    for number in (0, 2, 1):
        fact = told[number]
        assert fact is not None
        batch = FactBatch(epoch=epoch, first_seq=number, facts=(fact,))
        await streams.append(settings.facts_stream, [encode(batch)], keep_entries=None)
        await recorder.rows("SELECT 1")
    (row,) = await recorder.rows("SELECT state FROM broker_sessions")
    (links,) = await recorder.rows("SELECT state FROM broker_links")
    assert row == links == {"state": "live"}


def test_a_gate_holds_back_lets_through_in_order_and_stays_closed() -> None:
    class Sink:
        def __init__(self) -> None:
            self.got: list[Any] = []

        def put(self, fact: Any) -> None:
            self.got.append(fact)

        def tick(self, key: Any, tick: Any) -> None:
            self.got.append((key, tick))

    sink = Sink()
    gate: Any = Gate(sink)
    gate.put("one")
    gate.tick("key", "too early")
    assert sink.got == []
    gate.put("two")
    gate.open()
    gate.put("three")
    gate.tick("key", "now")
    gate.close()
    gate.put("late")
    gate.tick("key", "late")
    gate.open()
    gate.put("later")
    assert sink.got == ["one", "two", "three", ("key", "now")]


async def test_every_state_has_its_number_in_the_metrics(settings: Settings, streams: RedisStreams) -> None:
    link = Link(Publisher(streams, settings), utc_now)
    link.apply(LinkEvent.FENCED, "fenced")
    assert state_shown() == ["fenced"]
    (family,) = metrics.LINK_STATE.collect()
    assert {sample.labels["state"] for sample in family.samples} == set(STATES)


async def test_a_resync_asked_for_while_stale_is_not_refused(
    settings: Settings, streams: RedisStreams, reader: Reader
) -> None:
    async with Simulator.start(CHATTY) as sim:
        mine = quick(settings, sim.port, ib_stale_seconds=0.6, ib_connect_timeout_seconds=1.0)
        async with broker_link(mine):
            await reader.until_beat(lambda beat: beat.state == "live")
            sim.tell_time_only()
            await reader.until_beat(lambda beat: beat.state == "degraded")
            await ask_resync(streams, settings, "00000000-0000-0000-0000-000000000001")
            sim.tell_time_only(on=False)

            async def answers() -> list[ResyncFenced]:
                return [fence for fence in await reader.fences() if fence.job_id]

            (answer,) = await eventually(answers)
            assert answer.ok, answer.error


async def test_a_link_that_gets_its_login_back_says_how_it_is_without_the_epoch_it_had(
    settings: Settings, streams: RedisStreams
) -> None:
    """Another's is newer: under the old one nobody would hear that its gateway waits for a person."""
    publisher = Publisher(streams, settings)
    link = Link(publisher, utc_now)
    running = asyncio.create_task(publisher.run())

    async def told_under(epoch: int, state: str) -> None:
        async def batches() -> list[tuple[int, str]]:
            entries = await streams.tail(settings.ticks_stream, START, count=99, block_ms=1)
            sent = [decode_ticks(entry.data) for entry in entries]
            return [
                (one.epoch, tick.state) for one in sent for tick in one.ticks if isinstance(tick, LinkBeat)
            ]

        await eventually(batches, lambda sent: (epoch, state) in sent)

    link.begin_epoch(5)
    link.apply(LinkEvent.CONNECT)
    await told_under(5, "connecting")
    link.apply(LinkEvent.FENCED, "fenced")
    await told_under(5, "fenced")
    link.apply(LinkEvent.LEASED, "not_yet_synced")
    link.apply(LinkEvent.NEEDS_LOGIN, "needs_login")
    await told_under(0, "needs_login")
    link.begin_epoch(7)
    link.apply(LinkEvent.CONNECTED)
    await told_under(7, "syncing")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await publisher.close()
