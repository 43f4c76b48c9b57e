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
ON_DISK = {"before_fsync", "after_fsync"}


def groups(service: str) -> list[tuple[str, ...]]:
    """All points of a service in one run, those on the disk in another; or a run for each."""
    points = POINTS_OF[service]
    if FORM != "short":
        return [(point,) for point in points]
    parts = [tuple(point for point in points if (point in ON_DISK) is on_disk) for on_disk in (False, True)]
    return [part for part in parts if part]


def assert_died(figures: Figures, points: tuple[str, ...]) -> None:
    """Most lives were taken; on a machine that does much besides, a short run is over before all are."""
    assert figures.kills >= (1 if FORM == "short" else LIVES * len(points) * 0.7)


async def run_with_deaths(
    laboratory: Laboratory, service: str, points: tuple[str, ...], seed: int, *, alone: bool
) -> Figures:
    # A worker not at its first passage: then there is more to be interrupted.
    passages = dict.fromkeys(points, 2 if service == "worker" else 1)

    async def give_lives(rig: Rig, _rng: object, _figures: Figures) -> None:
        await rig.until_told(0.02)
        with ExitStack() as stack:
            for point in points:
                stack.enter_context(lives(rig.folder / "lives", point, LIVES))
            if service == "broker" and all("other_commit" in point for point in points):
                # A link commits when its state changes, which nothing else makes it do here.
                await rig.tell_simulator("drop_connections")
            if ON_DISK & set(points):
                # Only while Redis is away does anything go to the disk.
                await rig.servers.kill_redis(1.5)
            await rig.until_told()

    return await laboratory.run(
        f"{service} dies {points[0] if len(points) == 1 else 'at its named points'}",
        give_lives,
        seed=seed,
        size=SIZE,
        # Slow enough for every process to come past all its points while it is told.
        pace=500,
        poison_every=1000,
        plans={service: {"deaths": passages}},
        alone=alone,
        # Whatever is written once a fact must be so, too; a link that dies says more than one that lives.
        journal=service == "worker",
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("points", groups("worker"), ids="-".join)
async def test_a_worker_dies_and_the_pipeline_alone_loses_nothing(
    laboratory: Laboratory, points: tuple[str, ...], seed: int
) -> None:
    figures = await run_with_deaths(laboratory, "worker", points, seed, alone=True)
    assert_died(figures, points)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("points", groups("broker"), ids="-".join)
async def test_the_link_dies_and_the_broker_tells_again(
    laboratory: Laboratory, points: tuple[str, ...], seed: int
) -> None:
    figures = await run_with_deaths(laboratory, "broker", points, seed, alone=False)
    assert_died(figures, points)
