"""A gateway that tells the time and nothing else: only the age of what it said gives it away."""

import random
import time

import pytest

from core.clock import utc_now
from tests.faults.figures import SEEDS, Figures, assert_found, by_form
from tests.faults.programs import Laboratory
from tests.faults.rig import Rig
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("faults")

SIZE = by_form(4_500, 9_000, 20_000)
STALE_SECONDS = by_form(1.5, 5.0, 10.0)
# A slow machine may have been silent before, of which the database hears late: that is not waited for.
_STALE = (
    "SELECT EXISTS (SELECT FROM sync_log WHERE details ->> 'to' = 'degraded' "
    "AND details ->> 'reason' = $1 AND at > $2)"
)


async def time_only(rig: Rig, _rng: random.Random, figures: Figures) -> None:
    """Fills happen meanwhile, and nobody is told."""
    await rig.until_told(0.2)
    await rig.tell_simulator("tell_time_only", on=True)
    silent_since, began = utc_now(), time.monotonic()

    async def found() -> bool:
        return bool(await rig.value(_STALE, "data_stale", silent_since))

    await eventually(found)
    figures.detection_seconds = time.monotonic() - began
    await rig.tell_simulator("tell_time_only", on=False)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_gateway_that_tells_only_the_time_is_found_by_the_age_of_its_data(
    laboratory: Laboratory, seed: int
) -> None:
    figures = await laboratory.run(
        "the gateway tells only the time",
        time_only,
        seed=seed,
        size=SIZE,
        ib_stale_seconds=STALE_SECONDS,
        ib_connect_timeout_seconds=1.0,
    )
    assert_found(figures, STALE_SECONDS + 5)
