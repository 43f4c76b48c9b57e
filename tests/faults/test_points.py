"""Die at a named point: right before and right after whatever makes something durable."""

from contextlib import ExitStack

import pytest

from tests.faults.figures import FORM, SEEDS, Figures, by_form
from tests.faults.points import POINTS_OF, lives
from tests.faults.programs import Laboratory
from tests.faults.rig import Rig

pytestmark = pytest.mark.xdist_group("faults")

LIVES = by_form(1, 3, 20)
SIZE = by_form(3_000, 3_000, 10_000)


def groups(service: str) -> list[tuple[str, ...]]:
    """All points of a service in one run, or a run for each."""
    points = POINTS_OF[service]
    return [points] if FORM == "short" else [(point,) for point in points]


async def run_with_deaths(
    laboratory: Laboratory, service: str, points: tuple[str, ...], seed: int, *, alone: bool
) -> Figures:
    # Later passages for the later points of one run, so that each finds something to interrupt.
    passages = {point: 2 + number for number, point in enumerate(points)}

    async def give_lives(rig: Rig, _rng: object, _figures: Figures) -> None:
        await rig.until_told(0.02)
        with ExitStack() as stack:
            for point in points:
                stack.enter_context(lives(rig.folder / "lives", point, LIVES))
            await rig.until_told()

    return await laboratory.run(
        f"{service} dies {points[0] if len(points) == 1 else 'at its named points'}",
        give_lives,
        seed=seed,
        size=SIZE,
        poison_every=1000,
        plans={service: {"deaths": passages}},
        alone=alone,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("points", groups("worker"), ids="-".join)
async def test_a_worker_dies_and_the_pipeline_alone_loses_nothing(
    laboratory: Laboratory, points: tuple[str, ...], seed: int
) -> None:
    figures = await run_with_deaths(laboratory, "worker", points, seed, alone=True)
    assert figures.kills >= LIVES * len(points) * 0.5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("points", groups("broker"), ids="-".join)
async def test_the_link_dies_and_the_broker_tells_again(
    laboratory: Laboratory, points: tuple[str, ...], seed: int
) -> None:
    figures = await run_with_deaths(laboratory, "broker", points, seed, alone=False)
    if not set(points) <= {"before_fsync", "after_fsync"}:
        assert figures.kills
