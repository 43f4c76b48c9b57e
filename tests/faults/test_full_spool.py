"""Redis is away, and the link's own disk takes no more: it says so, and nothing is lost."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.figures import FORM, SEEDS, Figures, assert_found, by_form
from tests.faults.programs import Disturb, Laboratory
from tests.faults.rig import Rig
from tests.waiting import comes

pytestmark = pytest.mark.xdist_group("faults")

SIZE = by_form(4_500, 12_000, 30_000)
ALARM_SECONDS = 5


@asynccontextmanager
async def redis_away(rig: Rig) -> AsyncIterator[None]:
    """Kill Redis; put it back after."""
    redis = rig.servers.redis
    await rig.servers.do(redis.kill)
    try:
        yield
    finally:
        await rig.servers.do(redis.start)


def until_said(*words: str) -> Disturb:
    """Redis is away until the link's log says each of ``words``; how long the first one took."""

    async def disturb(rig: Rig, _rng: random.Random, figures: Figures) -> None:
        await rig.until_told(0.1)
        log = rig.folder / "broker.log"
        async with redis_away(rig):
            began = time.monotonic()
            for word in words:
                await comes(lambda word=word: word in log.read_text("utf-8", "replace"))  # type: ignore[misc]
                if figures.detection_seconds is None:
                    figures.detection_seconds = time.monotonic() - began
        figures.kills += 1

    return disturb


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_disk_that_takes_nothing_loses_nothing(laboratory: Laboratory, seed: int) -> None:
    """With the broker's replay off. What the disk refuses waits in memory."""
    figures = await laboratory.run(
        "the spool's disk is full",
        until_said("spool_refuses"),
        seed=seed,
        size=SIZE,
        alone=True,
        plans={"broker": {"file_bytes": 8192}},
    )
    assert_found(figures, ALARM_SECONDS)


async def held_back(rig: Rig, rng: random.Random, figures: Figures) -> None:
    """Redis is away until there is no room for so long that it is an outage. Nobody hangs up."""
    await until_said("spool_refuses", "facts_without_room")(rig, rng, figures)
    await rig.until_told()
    log = rig.folder / "broker.log"
    await comes(lambda: "facts_have_room" in log.read_text("utf-8", "replace"))
    assert await rig.value("SELECT count(*) FROM broker_sessions") == 1


@pytest.mark.skipif(FORM == "short", reason="takes as long as it takes to fill the memory")
@pytest.mark.parametrize("alone", [True, False], ids=["told once", "told again"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_link_without_any_room_holds_the_gateway_back(
    laboratory: Laboratory, seed: int, alone: bool
) -> None:
    """A spool of one megabyte, then all the memory that facts may take: then only the broker has them.

    It keeps them, so that nothing is lost without its replay; and all is told once more with it.
    """
    await laboratory.run(
        f"no room in the spool nor in memory{', no replay' if alone else ''}",
        held_back,
        seed=seed,
        size=by_form(0, 60_000, 60_000),
        pace=4_000,
        alone=alone,
        spool_megabytes=1,
    )
