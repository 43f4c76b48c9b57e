"""The clock of a machine jumps: broker facts keep the broker's time, and nothing waits for the old one."""

import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.figures import SEEDS, Figures, by_form
from tests.faults.nursery import Nursery
from tests.faults.programs import Laboratory
from tests.faults.rig import Rig

pytestmark = [
    pytest.mark.xdist_group("faults"),
    pytest.mark.skipif(
        importlib.util.find_spec("libfaketime") is None, reason="needs the package libfaketime"
    ),
]

SIZE = by_form(3_000, 6_000, 20_000)


def faked(file: Path) -> dict[str, str]:
    """Variables that give a process the clock in ``file``; its steady clock stays as it is."""
    found = importlib.util.find_spec("libfaketime")
    assert found is not None
    assert found.origin is not None
    library = next(Path(found.origin).parent.glob("**/libfaketime.so.1"))
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file that says how far off the clock is."""
    file = tmp_path / "clock"
    file.write_text("+0\n")
    return file


@pytest.fixture
def elsewhen(clock: Path, tmp_path: Path) -> Iterator[Nursery]:
    """A nursery of processes that go by ``clock``."""
    clock.write_text("-2h\n")
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env={**os.environ, **faked(clock)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if abs(float(told) - (clock.stat().st_mtime - 7200)) > 60:
        pytest.skip("the libfaketime installed does not work on this machine")
    clock.write_text("+0\n")
    with Nursery(tmp_path / "nursery.log", faked(clock)) as nursery:
        yield nursery


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("jump", ["-2h", "+1d"])
@pytest.mark.parametrize("service", ["broker", "worker"])
async def test_a_clock_that_jumps(
    laboratory: Laboratory, elsewhen: Nursery, clock: Path, service: str, jump: str, seed: int
) -> None:
    async def jumps(rig: Rig, _rng: random.Random, _figures: Figures) -> None:
        await rig.until_told(0.3)
        clock.write_text(f"{jump}\n")

    await laboratory.run(
        f"the {service}'s clock jumps by {jump}",
        jumps,
        seed=seed,
        size=SIZE,
        poison_every=1000,
        nurseries={service: elsewhen},
    )
