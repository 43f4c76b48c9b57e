"""The gateway says what no client should trip over, answers in part, or is shared."""

import asyncio
import random
from itertools import cycle, islice
from typing import get_args

import pytest

from services.simulator.faults import Garbage
from tests.faults.disturbances import killed
from tests.faults.figures import SEEDS, Figures, by_form, record
from tests.faults.programs import Laboratory
from tests.faults.rig import Rig
from tests.faults.script import write_script
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("faults")

SIZE = by_form(3_000, 3_000, 10_000)
BAD = by_form(14, 70, 700)


async def bad_frames(rig: Rig, rng: random.Random, figures: Figures) -> None:
    """Each kind of bad frame again and again, while good ones are told."""
    kinds = list(islice(cycle(get_args(Garbage)), BAD))
    rng.shuffle(kinds)
    await rig.until_told(0.02)
    for kind in kinds:
        await rig.tell_simulator("send_bad", kind=kind)
        await asyncio.sleep(rng.uniform(0, rig.script.seconds / BAD))
    figures.note = f"{BAD} bad frames"


@pytest.mark.parametrize("seed", SEEDS)
async def test_bad_frames_cost_no_good_one(laboratory: Laboratory, seed: int) -> None:
    await laboratory.run("bad frames", bad_frames, seed=seed, size=SIZE, poison_every=1000)


async def test_each_bad_frame_that_says_something_is_kept_aside(laboratory: Laboratory) -> None:
    async with laboratory.rig(write_script(1, 40, 40), workers=1) as rig:
        count = "SELECT count(*) FROM dead_facts"
        for number, kind in enumerate(("garbage", "unknown_message", "strange_zone", "nan_numbers"), 1):
            await rig.tell_simulator("send_bad", kind=kind)

            async def kept(number: int = number) -> bool:
                return (await rig.value(count) or 0) >= number

            await eventually(kept)


async def test_a_positions_answer_that_stops_after_any_position_closes_nothing(
    laboratory: Laboratory,
) -> None:
    """Cut off after k of n, for every k; and one that never comes."""
    held = "SELECT string_agg(account || conid || quantity, ',' ORDER BY account, conid) FROM positions"
    async with laboratory.rig(write_script(1, 40, 40), workers=1, ib_connect_timeout_seconds=1.0) as rig:
        before = await rig.value(held)
        number = await rig.value("SELECT count(*) FROM positions WHERE status = 'open'")
        assert number == 3
        failures = "SELECT count(*) FROM sync_log WHERE kind = 'resync_failed'"
        for how in (*(("partial", k) for k in range(number)), "never"):
            seen = await rig.value(failures)
            await rig.tell_simulator("positions_answer", how=how)
            await rig.tell_simulator("drop_connections")

            async def failed(seen: int = seen) -> bool:
                return (await rig.value(failures) or 0) > seen

            await eventually(failed)
            assert await rig.value(held) == before, how
        await rig.tell_simulator("positions_answer", how="normal")
        await rig.tell_simulator("drop_connections")
        completed = "SELECT bool_and(complete) FROM sync_datasets WHERE dataset = 'positions'"

        async def complete() -> bool:
            return bool(await rig.value(completed))

        await eventually(complete)
        assert await rig.value(held) == before
    record(Figures("positions cut off after each k of n, and never", 0))


@pytest.mark.parametrize("seed", SEEDS)
async def test_two_links_on_one_login_double_nothing(laboratory: Laboratory, seed: int) -> None:
    """One is killed while both run; whichever is left tells all."""
    await laboratory.run(
        "two links on one login", killed("broker"), seed=seed, size=SIZE, links=2, patience=15
    )
