"""Every way in which the gateway can be away, made to happen."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from core.events.facts import ExecutionReported, LinkChanged, PositionsCompleted, ResyncFenced
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.tables import broker_sessions
from services.broker import backoff
from services.broker.backoff import backoff_seconds
from services.broker.watch import Watch
from services.simulator import Simulator, answers
from tests.services.broker.conftest import (
    SMALL,
    Reader,
    a_gateway_that_waits,
    ask_resync,
    broker_link,
    quick,
)
from tests.services.simulator.clients import RawClient
from tests.waiting import SECONDS, comes, eventually


async def test_a_gateway_that_refuses_is_unreachable_and_found_when_it_is_back(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def counted(attempt: int, *rest: Any, **options: Any) -> float:
        attempts.append(attempt)
        return backoff_seconds(attempt, *rest, **options)

    monkeypatch.setattr(backoff, "backoff_seconds", counted)
    async with Simulator.start(SMALL) as sim:
        port = sim.port
        await sim.refuse()
        with capture_logs() as logs:
            async with broker_link(quick(settings, port)):
                beat = await reader.until_beat(lambda beat: beat.gateway == "down")
                assert beat.reason == "gateway_unreachable"
                assert not beat.complete
                # Several attempts later it was told once.
                await comes(lambda: attempts, lambda made: len(made) >= 3)
                await sim.refuse(False)
                await reader.until_beat(lambda beat: beat.complete)
        events = Counter(line["event"] for line in logs)
        assert events["broker_link_up"] == 1
        assert [line["reason"] for line in logs if line["event"] == "broker_link_down"] == [
            "gateway_unreachable",
            "broker_link_down",
        ]
        explanation = next(line["explanation"] for line in logs if line["event"] == "broker_link_down")
        assert f"127.0.0.1:{port} cannot be reached" in explanation


async def test_a_gateway_that_hangs_up_at_once_is_unreachable(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim:
        await sim.refuse(how="hang_up")
        async with broker_link(quick(settings, sim.port)):
            beat = await reader.until_beat(lambda beat: beat.gateway == "down")
            assert beat.reason == "gateway_unreachable"
            await sim.refuse(False)
            await reader.until_beat(lambda beat: beat.complete)


async def test_an_unknown_host_is_unreachable(settings: Settings, reader: Reader, unused_port: int) -> None:
    async with broker_link(quick(settings, unused_port, ib_host="no-such-host.invalid")):
        beat = await reader.until_beat(lambda beat: beat.gateway == "down")
        assert beat.reason == "gateway_unreachable"


async def test_a_gateway_that_accepts_and_never_answers_is_called_so(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim:
        sim.accept_but_never_answer()
        async with broker_link(quick(settings, sim.port, ib_connect_timeout_seconds=0.4)):
            beat = await reader.until_beat(lambda beat: beat.gateway == "down")
            assert beat.reason == "gateway_not_answering"
            sim.accept_but_never_answer(False)
            await reader.until_beat(lambda beat: beat.complete)


async def test_a_gateway_that_names_no_account_needs_a_login(settings: Settings, reader: Reader) -> None:
    async with (
        a_gateway_that_waits() as port,
        broker_link(quick(settings, port, ib_connect_timeout_seconds=0.4)),
    ):
        beat = await reader.until_beat(lambda beat: beat.gateway == "down")
        assert (beat.state, beat.reason) == ("needs_login", "needs_login")


async def test_a_silent_gateway_is_found_by_the_heartbeat(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.stall()
        beat = await reader.until_beat(lambda beat: beat.gateway == "down")
        assert beat.reason == "gateway_silent"
        assert beat.last_message_at is not None
        assert beat.last_message_at < beat.since
        sim.stall(on=False)
        await reader.synced(2)


async def test_after_a_resync_silence_is_found_as_soon_as_the_first_time(
    settings: Settings, reader: Reader
) -> None:
    with capture_logs() as logs:
        async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
            for times in (1, 2, 3):
                await reader.synced(times)
                sim.stall()
                await reader.until_beat(lambda beat: beat.reason == "gateway_silent")
                sim.stall(on=False)
            await reader.synced(4)
    silences = [one["explanation"] for one in logs if one.get("reason") == "gateway_silent"]
    assert silences == ["the gateway has said nothing for about 1 s"] * 3


async def test_a_gateway_that_is_silent_over_each_long_answer_is_waited_for_longer_each_time(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = answers.matching_executions
    loop = asyncio.get_running_loop()
    asked: list[float] = []
    async with Simulator.start(SMALL) as sim:

        def busy(*about: Any) -> Any:
            asked.append(loop.time())
            sim.stall()
            # Longer than the heartbeat waits at first, which is two times half a second.
            loop.call_later(1.5, sim.stall, False)
            return answer(*about)

        monkeypatch.setattr(answers, "matching_executions", busy)
        async with broker_link(quick(settings, sim.port, ib_connect_timeout_seconds=5.0)):
            await reader.until(LinkChanged, lambda fact: fact.reason == "gateway_silent")
            await reader.synced()
    assert len(asked) >= 2


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each connection, after how many in a row that ended in silence it was made."""
    told: list[int] = []
    begin = Watch.__init__

    def note(self: Watch, *given: Any, silences: Callable[[], int], **named: Any) -> None:
        told.append(silences())
        begin(self, *given, silences=silences, **named)

    monkeypatch.setattr(Watch, "__init__", note)
    return told


async def falls_silent(sim: Simulator, reader: Reader, times: int) -> None:
    """Have the gateway say nothing until the link leaves it, for so many times in all."""
    sim.stall()

    async def silences() -> int:
        told = await reader.of(LinkChanged)
        return [(fact.state, fact.reason) for fact in told].count(("disconnected", "gateway_silent"))

    await eventually(silences, lambda found: found >= times)
    sim.stall(on=False)


async def test_patience_with_silence_ends_when_all_was_answered_though_not_all_could_be_read(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch, patience: list[int]
) -> None:
    answer = answers.matching_executions

    async with Simulator.start(SMALL) as sim:

        def damaged(*about: Any) -> Any:
            sim.send_raw(["59", "1", "a.01", "", "USD", "", "", ""])
            return answer(*about)

        monkeypatch.setattr(answers, "matching_executions", damaged)
        async with broker_link(quick(settings, sim.port, ib_heartbeat_seconds=0.2)):
            for times in (1, 2):
                await eventually(reader.fences, lambda fences, times=times: len(fences) >= times)
                await falls_silent(sim, reader, times)
            await comes(lambda: len(patience) > 2)
        assert not any(fence.ok for fence in await reader.fences())
    assert patience[:3] == [0, 1, 1]


async def test_patience_with_silence_grows_while_answers_fail_to_come_until_the_gateway_ends_one_itself(
    settings: Settings, reader: Reader, patience: list[int]
) -> None:
    async with Simulator.start(SMALL) as sim:
        mine = quick(settings, sim.port, ib_heartbeat_seconds=0.2, ib_connect_timeout_seconds=0.3)
        async with broker_link(mine):
            await reader.synced()
            sim.positions_answer("never")
            await falls_silent(sim, reader, 1)
            await eventually(reader.fences, lambda fences: not fences[-1].ok)
            await falls_silent(sim, reader, 2)
            await comes(lambda: len(patience) > 2)
            sim.drop_connections()
            await comes(lambda: len(patience) > 3)
    assert patience[:4] == [0, 1, 2, 0]


async def test_a_gateway_that_drops_every_second_is_live_in_between(
    settings: Settings, reader: Reader, database: Database
) -> None:
    async with Simulator.start(SMALL) as sim:
        sim.drop_every(1.0)
        async with broker_link(quick(settings, sim.port)):
            await reader.synced(3)
            sim.drop_every(None)
            await reader.until_beat(lambda beat: beat.complete)
            assert await reader.held() == {key: held.quantity for key, held in sim.book.positions.items()}
    async with database.read() as connection:
        rows = (await connection.execute(select(broker_sessions).order_by("epoch"))).all()
    assert len(rows) >= 3
    assert all(row.ended_at is not None and row.connected_at is not None for row in rows)
    assert {row.end_reason for row in rows} == {"gateway_unreachable", "stopped"}
    epochs = [batch.epoch for batch in reader.batches]
    assert epochs == sorted(epochs)
    for epoch in set(epochs):
        sequence = 0
        for batch in reader.batches:
            if batch.epoch == epoch:
                assert batch.first_seq == sequence
                sequence += len(batch.facts)


async def test_a_taken_client_id_is_told_apart(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim, AsyncExitStack() as stack:
        await stack.enter_async_context(RawClient.connect(sim.port, client_id=settings.ib_client_id))
        await comes(lambda: sim.client_ids)
        await stack.enter_async_context(broker_link(quick(settings, sim.port)))
        beat = await reader.until_beat(lambda beat: beat.gateway == "down")
        assert (beat.state, beat.reason) == ("disconnected", "client_id_in_use")
        sim.drop_connections()
        await reader.until_beat(lambda beat: beat.complete)


async def test_an_outage_told_by_a_connection_that_failed_says_nothing_of_the_next(
    settings: Settings, reader: Reader
) -> None:
    async def tell_and_hang_up(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stream.read(100)
        for message in (
            b"178\x0020261120 10:00:00 US/Eastern\0",
            b"4\x002\x00-1\x001100\x00Connectivity lost\x00\0",
        ):
            writer.write(len(message).to_bytes(4, "big") + message)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(tell_and_hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with broker_link(quick(settings, port)):
        await reader.until_beat(lambda beat: beat.gateway == "down")
        server.close()
        await server.wait_closed()
        async with Simulator.start(SMALL, port=port):
            await reader.until_beat(lambda beat: beat.gateway == "up")
            await reader.until_beat(lambda beat: beat.ibkr == "up" and beat.complete)


async def test_a_gateway_that_hangs_up_on_every_connection_is_given_time(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []

    def noted(attempt: int, *_: object, **__: object) -> float:
        waits.append(attempt)
        return 0.05

    monkeypatch.setattr(backoff, "backoff_seconds", noted)
    async with Simulator.start(SMALL) as sim:
        sim.drop_every(0.3)
        async with broker_link(quick(settings, sim.port)):
            # Each of these connections was made; none of them lasted.
            await comes(lambda: waits, lambda told: len(told) >= 3)
            sim.drop_every(None)
            await reader.until_beat(lambda beat: beat.complete)
    assert waits[:3] == sorted(waits[:3])


@pytest.mark.parametrize("data_lost", [True, False])
async def test_after_1100_the_fills_of_the_outage_come_with_the_resync(
    settings: Settings, reader: Reader, data_lost: bool
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.connectivity_lost()
        beat = await reader.until_beat(lambda beat: beat.ibkr == "down")
        assert (beat.gateway, beat.reason, beat.complete) == ("up", "ib_1100", False)
        exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=7)
        sim.connectivity_restored(data_lost=data_lost)
        await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
        await reader.synced(2)
        fence = (await reader.fences())[-1]
        assert fence.trigger == ("ib_1101" if data_lost else "ib_1102")
        await reader.until_beat(lambda beat: beat.complete)
        ticks = len(await reader.read_ticks())
        await eventually(
            reader.read_ticks, lambda all_: any("pnl" in repr(type(t)).lower() for t in all_[ticks:])
        )


async def test_an_account_whose_last_position_was_closed_during_an_outage_is_believed_to_be_empty(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.connectivity_lost()
        await reader.until_beat(lambda beat: beat.ibkr == "down")
        await sim.fill(account="DU1000002", conid=272093, side="BOT", quantity=30)
        sim.connectivity_restored(data_lost=True)
        await reader.until_beat(lambda beat: beat.complete)
        done = (await reader.of(PositionsCompleted))[-1]
        assert set(done.accounts) == {"DU1000001", "DU1000002"}
        assert ("DU1000002", 272093) not in await reader.held()

        async def subscribed() -> set[tuple[str, int]]:
            (client,) = sim.gateway.ready_sessions
            return set(client.subscriptions.pnl_single.values())

        await eventually(subscribed, lambda keys: keys == set(sim.book.positions))


async def test_nothing_is_asked_or_believed_while_ibkr_is_away(
    settings: Settings, reader: Reader, streams: RedisStreams
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port, sweep_seconds=0.2)):
        await reader.synced()
        sim.connectivity_lost()
        await reader.until_beat(lambda beat: beat.ibkr == "down")
        lists = len(await reader.of(PositionsCompleted))
        await ask_resync(streams, settings, "00000000-0000-0000-0000-000000000001")
        fence = await reader.until(ResyncFenced, lambda fact: fact.job_id)
        assert not fence.ok
        assert "ib_1100" in fence.error
        assert len(await reader.of(PositionsCompleted)) <= lists + 1


async def test_the_end_of_the_process_is_told_within_two_seconds(
    settings: Settings, reader: Reader, database: Database
) -> None:
    async with Simulator.start(SMALL) as sim:
        async with broker_link(quick(settings, sim.port)) as task:
            await reader.synced()
            began = asyncio.get_running_loop().time()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert asyncio.get_running_loop().time() - began < 2
        last = (await reader.of(LinkChanged))[-1]
        assert (last.gateway, last.reason) == ("down", "broker_link_down")
        assert not sim.client_ids
    async with database.read() as connection:
        row = (await connection.execute(select(broker_sessions))).one()
    assert row.end_reason == "stopped"
    assert row.server_version == 178
    assert (row.login, row.client_id) == (f"127.0.0.1:{sim.port}", 71)


async def test_sigterm_ends_the_process_well(settings: Settings, reader: Reader) -> None:
    program = (
        "from core.settings import load_settings; from services.broker.app import run; run(load_settings())"
    )
    async with Simulator.start(SMALL) as sim:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            cwd=Path(__file__).parents[3],
            env={
                **os.environ,
                "LOTKEEPER_IB_PORT": str(sim.port),
                "LOTKEEPER_DATABASE_URL": settings.require_database_url(),
                "LOTKEEPER_REDIS_URL": settings.require_redis_url(),
                "LOTKEEPER_STREAM_PREFIX": settings.stream_prefix,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await reader.synced()
        finally:
            process.terminate()
            output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, output.decode()
    assert (await reader.of(LinkChanged))[-1].reason == "broker_link_down"
    assert b"DU1000001" not in output
    assert b"Traceback" not in output
