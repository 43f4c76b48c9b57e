"""Two links on one login, or two programs with one client id: one is live, and nothing is doubled."""

import asyncio
import random
import time

import pytest
from ib_async import IB

from tests.faults.figures import SEEDS, Figures, assert_found, by_form
from tests.faults.links import (
    TAKEOVER_SECONDS,
    live_link,
    next_live_link,
    nothing_goes_back,
    until_fenced,
)
from tests.faults.programs import Laboratory
from tests.faults.rig import Rig
from tests.waiting import comes, eventually

pytestmark = pytest.mark.xdist_group("faults")

SIZE = by_form(4_500, 9_000, 20_000)
LEASE_SECONDS = 2.0
STOPPED_SECONDS = by_form(3, 8, 20)
"""Longer than the lease."""


async def the_live_one_is_killed(rig: Rig, _rng: random.Random, figures: Figures) -> None:
    await until_fenced(rig)
    async with nothing_goes_back(rig):
        await rig.until_told(0.2)
        name, epoch, _ = await next_live_link(rig)
        await rig.stop(name)
        figures.kills += 1
        other, newer, figures.detection_seconds = await next_live_link(rig, epoch)
        assert other != name
        rig.start(name)
        await until_fenced(rig, count=2)
        await rig.until_told()
        assert await live_link(rig) == (other, newer), "a link that is well is not replaced"


async def the_live_one_stands_still(rig: Rig, _rng: random.Random, figures: Figures) -> None:
    await until_fenced(rig)
    async with nothing_goes_back(rig):
        await rig.until_told(0.2)
        name, epoch, _ = await next_live_link(rig)
        async with rig.paused(name):
            began = time.monotonic()
            other, newer, figures.detection_seconds = await next_live_link(rig, epoch)
            await asyncio.sleep(max(0, began + STOPPED_SECONDS - time.monotonic()))
        assert other != name
        await until_fenced(rig, count=2)
        await rig.until_told()
        assert await live_link(rig) == (other, newer), "the link that stood still does not come back"
    refused = await rig.value("SELECT count(*) FROM sync_log WHERE kind = 'stale_link'")
    figures.note = f"links refused as stale: {refused}"


PROGRAMS = {
    "the live one of two links is killed": the_live_one_is_killed,
    "the live one of two links stands still": the_live_one_stands_still,
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("program", PROGRAMS)
async def test_one_of_two_links_takes_over(laboratory: Laboratory, program: str, seed: int) -> None:
    figures = await laboratory.run(
        program, PROGRAMS[program], seed=seed, size=SIZE, links=2, lease_seconds=LEASE_SECONDS
    )
    assert_found(figures, TAKEOVER_SECONDS)


async def taken_client_id(rig: Rig, _rng: random.Random, figures: Figures) -> None:
    """Another program has our client id when the link comes back; it leaves after a while."""
    await rig.until_told(0.1)
    await rig.stop("broker")
    figures.kills += 1
    other = IB()
    # It may take a moment until the gateway has noticed that the link is gone.
    for _ in range(20):
        try:
            await other.connectAsync(
                "127.0.0.1", rig.settings.ib_port, rig.settings.ib_client_id, timeout=2, readonly=True
            )
            break
        except (ConnectionError, TimeoutError):
            await asyncio.sleep(0.2)
    assert other.isConnected()
    began = time.monotonic()
    rig.start("broker")
    log = rig.folder / "broker.log"
    await comes(lambda: "client_id_in_use" in log.read_text("utf-8", "replace"))
    figures.detection_seconds = time.monotonic() - began
    assert other.isConnected(), "the link takes it from nobody"
    other.disconnect()

    async def live() -> str:
        return (await live_link(rig))[0]

    assert await eventually(live, seconds=90) == "broker"


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_client_id_that_another_program_has(laboratory: Laboratory, seed: int) -> None:
    await laboratory.run("another program has the client id", taken_client_id, seed=seed, size=SIZE)
