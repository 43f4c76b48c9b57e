"""Kill any process at any moment: when the dust settles the ledger equals that of an undisturbed run."""

import pytest

from tests.faults.disturbances import kills
from tests.faults.figures import SEEDS, by_form
from tests.faults.programs import Laboratory

pytestmark = pytest.mark.xdist_group("faults")

SIZE = by_form(10_000, 30_000, 100_000)
KILLS = by_form(20, 60, 200)
PACE = by_form(1500, 1000, 500)
EARLY_SIZE, EARLY_KILLS = by_form(3_000, SIZE, SIZE), by_form(6, KILLS, KILLS)


@pytest.mark.parametrize("seed", SEEDS)
async def test_any_process_killed_at_random_moments(laboratory: Laboratory, seed: int) -> None:
    seconds = SIZE / PACE
    figures = await laboratory.run(
        "kills", kills(KILLS, seconds), seed=seed, size=SIZE, pace=PACE, floored=True
    )
    assert figures.kills >= KILLS * 0.9


@pytest.mark.parametrize("seed", SEEDS)
async def test_compared_while_facts_are_on_their_way(laboratory: Laboratory, seed: int) -> None:
    await laboratory.run(
        "kills, compared early",
        kills(EARLY_KILLS, EARLY_SIZE / PACE),
        seed=seed,
        size=EARLY_SIZE,
        pace=PACE,
        settle_seconds=0.5,
    )
