"""PostgreSQL and Redis go away, forget, fill their disks: what they were told stays told."""

import pytest

from tests.faults.disturbances import (
    postgres_disk_full,
    postgres_killed,
    postgres_stopped_at_once,
    redis_disk_full,
    redis_flushed,
    redis_killed,
    together,
)
from tests.faults.figures import FORM, SEEDS, by_form
from tests.faults.programs import Disturb, Laboratory

pytestmark = pytest.mark.xdist_group("faults")

SIZE = by_form(3_000, 6_000, 20_000)
AWAY = by_form(3, 20, 60)

# The pipeline alone must carry these: nothing that was acknowledged is forgotten.
KEPT: dict[str, Disturb] = {
    "Redis is killed, its log synced each second, and comes back": redis_killed(AWAY),
    "Redis is killed, its log synced at each write": redis_killed(1, settings={"appendfsync": "always"}),
    "Redis cannot write its log": redis_disk_full(by_form(1.5, 10, 60)),
    "PostgreSQL is killed": postgres_killed(0),
    "PostgreSQL stops at once": postgres_stopped_at_once(0),
    "PostgreSQL is away": postgres_killed(AWAY),
    "PostgreSQL's files cannot grow": postgres_disk_full(by_form(2, 10, 60)),
}

# Here Redis forgets what it had taken: only the broker can tell it again.
FORGOTTEN: dict[str, Disturb] = {
    "Redis is flushed": redis_flushed(by_form(1, 3, 20)),
    "Redis without a log is killed": redis_killed(0.5, settings={"appendonly": "no"}),
    "the tail of Redis's log is lost": redis_killed(0.5, tail_bytes=40_000),
}


def programs(table: dict[str, Disturb]) -> list[tuple[str, Disturb]]:
    """Each for itself, or in the short form as many as one run can bear."""
    if FORM != "short":
        return list(table.items())
    return [("the stores go away", together(*(table[name] for name in SHORT)))]


SHORT = ("PostgreSQL stops at once", "Redis cannot write its log", "PostgreSQL is killed")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("program", "disturb"), programs(KEPT), ids=lambda value: value if isinstance(value, str) else ""
)
async def test_the_pipeline_alone_loses_nothing(
    laboratory: Laboratory, program: str, disturb: Disturb, seed: int
) -> None:
    await laboratory.run(program, disturb, seed=seed, size=SIZE, poison_every=1000, alone=True, patience=60)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("program", FORGOTTEN if FORM != "short" else ["Redis is flushed"])
async def test_what_redis_forgets_the_broker_tells_again(
    laboratory: Laboratory, program: str, seed: int
) -> None:
    await laboratory.run(program, FORGOTTEN[program], seed=seed, size=SIZE, poison_every=1000, patience=20)
