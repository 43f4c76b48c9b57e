"""A process is stopped and goes on later, as if nothing had happened: it may do no harm."""

import pytest

from tests.faults.disturbances import stopped, together
from tests.faults.figures import FORM, SEEDS, by_form
from tests.faults.programs import Disturb, Laboratory

pytestmark = pytest.mark.xdist_group("faults")

SIZE = by_form(3_000, 6_000, 20_000)
SECONDS = by_form((2,), (1, 7, 20), (1, 7, 20, 60))

PROGRAMS: dict[str, Disturb] = {
    f"{name} stops for {seconds} s": stopped(name, seconds)
    for name in ("worker-1", "broker", "simulator")
    for seconds in SECONDS
}
if FORM == "short":
    PROGRAMS = {"worker, then link, stop for 2 s": together(stopped("worker-1", 2), stopped("broker", 2))}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_stopped_process_goes_on(laboratory: Laboratory, program: str, seed: int) -> None:
    await laboratory.run(program, PROGRAMS[program], seed=seed, size=SIZE, poison_every=1000)
