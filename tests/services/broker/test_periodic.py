"""What the link asks again by itself."""

import asyncio

import pytest

from core.events.facts import DatasetCompleted, ExecutionReported, PositionsCompleted
from core.settings import Settings
from services.broker import metrics, schedule
from services.simulator import Simulator
from tests.services.broker.conftest import SMALL, Reader, broker_link, quick
from tests.waiting import eventually


async def test_executions_are_asked_for_again_and_known_ones_are_not_told_twice(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "EXECUTIONS_SECONDS", 0.2)
    async with Simulator.start(SMALL) as sim:
        exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
        skipped = metrics.REPLAYS_SKIPPED._value.get()
        async with broker_link(quick(settings, sim.port)):

            async def replays() -> int:
                told = [fact for fact in await reader.of(DatasetCompleted) if fact.dataset == "executions"]
                return len([fact for fact in told if fact.account == "DU1000001" and fact.complete])

            await eventually(replays, lambda count: count >= 4)
            told = [fact.exec_id for fact in await reader.of(ExecutionReported)]
            assert told == [exec_id]
            assert metrics.REPLAYS_SKIPPED._value.get() > skipped


async def test_positions_are_swept_again(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port, sweep_seconds=0.2)):

        async def sweeps() -> set[str]:
            return {fact.sweep for fact in await reader.of(PositionsCompleted)}

        assert len(await eventually(sweeps, lambda names: len(names) >= 3)) >= 3


async def test_a_resync_that_failed_is_tried_again(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_RETRY_FIRST_SECONDS", 0.1)
    async with Simulator.start(SMALL) as sim:
        sim.positions_answer("never")
        async with broker_link(quick(settings, sim.port, ib_connect_timeout_seconds=0.3)):
            await eventually(reader.fences, lambda fences: [fence for fence in fences if not fence.ok])
            sim.positions_answer("normal")

            async def triggers() -> list[str]:
                return [fence.trigger for fence in await reader.fences() if fence.ok]

            assert (await eventually(triggers))[0] == "retry"
            await reader.until_beat(lambda beat: beat.complete)


async def test_damaged_datasets_are_asked_for_again(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.send_raw(["6", "2", "NetLiquidation", "NaN", "USD", "DU1000001"])
        sim.send_raw(["59", "1", "a.01", "", "USD", "", "", ""])

        async def last() -> dict[tuple[str, str], bool]:
            return {(f.account, f.dataset): f.complete for f in await reader.of(DatasetCompleted)}

        key = ("DU1000001", "account_values")
        await eventually(last, lambda told: not told[key])
        await eventually(last, lambda told: all(told.values()))


async def test_what_could_be_read_is_not_told_again_when_the_rest_is_asked_for_again(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim:
        exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
        async with broker_link(quick(settings, sim.port)):
            await reader.synced()
            sim.send_raw(["59", "1", "a.01", "", "USD", "", "", ""])

            async def executions() -> list[bool]:
                told = [fact for fact in await reader.of(DatasetCompleted) if fact.dataset == "executions"]
                return [fact.complete for fact in told if fact.account == "DU1000001"]

            await eventually(executions, lambda told: told[-2:] == [False, True])
            assert [fact.exec_id for fact in await reader.of(ExecutionReported)] == [exec_id]


async def test_a_gateway_in_an_unknown_zone_is_assumed_in_ibkrs_own(
    settings: Settings, reader: Reader
) -> None:
    async def greet(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stream.read(100)
        for text in ("178\0" + "20261120 10:00:00 Mars Time\0", "15\x001\0DU1\0", "9\x001\x001\0"):
            writer.write(len(text).to_bytes(4, "big") + text.encode())
        await stream.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, broker_link(quick(settings, server.sockets[0].getsockname()[1])):
        await reader.until_beat(lambda beat: beat.gateway == "up")
