"""What the link does about messages of the gateway that are no answers."""

import pytest
from structlog.testing import capture_logs

from core.events.facts import DatasetCompleted
from core.settings import Settings
from services.simulator import Simulator
from tests.services.broker.conftest import SMALL, Reader, broker_link, quick
from tests.waiting import eventually


async def test_a_market_data_farm_that_is_down_makes_figures_incomplete_until_it_is_back(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()

        async def pnl() -> list[bool]:
            told = [fact for fact in await reader.of(DatasetCompleted) if fact.dataset == "pnl"]
            return [fact.complete for fact in told if fact.account == "DU1000001"]

        await eventually(pnl, lambda told: told[-1:] == [True])
        sim.send_error(2103)
        await eventually(pnl, lambda told: told[-1:] == [False])
        sim.send_error(2104)
        await eventually(pnl, lambda told: told[-1:] == [True])
        await reader.synced(2)
        assert (await reader.beat()).gateway == "up"


async def test_a_server_connection_that_restores_itself_is_noticed(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.send_error(2110)
        beat = await reader.until_beat(lambda beat: beat.ibkr == "down")
        assert beat.reason == "ib_1100"
        sim.send_error(2106)
        await reader.until_beat(lambda beat: beat.ibkr == "up" and beat.complete)


async def test_repeated_errors_are_logged_once_and_without_accounts(
    settings: Settings, reader: Reader
) -> None:
    with capture_logs() as logs:
        async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
            await reader.synced()
            for _ in range(5):
                sim.send_error(10197)
                sim.send_error(321)
                sim.send_error(9999, "Invalid account code DU1234567")
                sim.send_error(2107)
            sim.send_error(2110)
            await reader.until_beat(lambda beat: beat.ibkr == "down")
    told = [line for line in logs if line["event"] == "gateway_says"]
    assert sorted(line["code"] for line in told) == [321, 9999, 10197]
    assert "DU1234567" not in repr(logs)


async def test_a_changed_port_is_followed_by_a_new_connection(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.send_error(1300)
        await reader.synced(2)


@pytest.mark.parametrize("accounts", ["DU1000001,DU1000002,DU1000003"])
async def test_an_account_that_appears_is_synced_too(
    settings: Settings, reader: Reader, accounts: str
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.send_raw(["15", "1", accounts])

        async def triggers() -> list[str]:
            return [fence.trigger for fence in await reader.fences()]

        await eventually(triggers, lambda told: "accounts" in told)
