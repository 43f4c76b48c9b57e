"""What proves guarantees must catch what breaks them: bugs are planted, and each turns its run red."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.disturbances import killed, redis_killed
from tests.faults.figures import FORM, Figures
from tests.faults.oracle import Verdict
from tests.faults.points import BUGS, BUGS_OF, lives
from tests.faults.programs import Disturb, Laboratory, nothing
from tests.faults.rig import NotExactError, Rig
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("faults")

SIZE, PACE, POISON_EVERY = 3000, 1500, 1000
AT_ONCE = 3
"""Runs beside each other: the server has connections for so many."""


BEHIND = 10
"""Entries that wait while the worker stands still (about 90 with time to spare)."""


async def all_waits(rig: Rig, _rng: object, _figures: Figures) -> None:
    """The worker stands still while everything is told: nobody's speed decides what waits."""
    async with rig.workers_paused():
        await rig.until_told()
        await eventually(rig.unhandled, lambda entries: entries >= BEHIND)


async def dying_with_executions(rig: Rig, rng: object, figures: Figures) -> None:
    """Twice: what the worker has in hand when it is stopped may be nothing that anybody misses."""
    folder = rig.folder / "lives"
    with lives(folder, "before_commit", 2):
        await all_waits(rig, rng, figures)
        await died(folder)


async def died(folder: Path) -> None:
    """Wait until all lives are used up."""

    async def left() -> int:
        return len(list(folder.iterdir()))

    await eventually(left, lambda lives: not lives)


def dying_with_what_the_link_says(times: int) -> Disturb:
    """What it says of itself is written down once a fact, with no key of the broker's to it."""

    async def disturb(rig: Rig, _rng: object, _figures: Figures) -> None:
        await rig.until_told()
        folder = rig.folder / "lives"
        for _ in range(times):
            # With nothing else in hand: what a worker died of comes first when it comes back.
            await eventually(rig.waiting, lambda waiting: waiting == (0, 0))
            with lives(folder, "after_commit", 1):
                async with rig.workers_paused():
                    for said, word in enumerate(("connectivity_lost", "connectivity_restored"), start=1):
                        await rig.tell_simulator(word)
                        # It waits, or was given to the worker that stands still.
                        await eventually(rig.unhandled, lambda entries, said=said: entries >= said)
                await died(folder)

    return disturb


class Trial(NamedTuple):
    """The run that catches a bug, and that a build without the bug comes through."""

    disturb: Disturb
    alone: bool = True
    journal: bool = False
    deaths: dict[str, int] | None = None
    exclusive: bool = False
    """It takes a server down: no other run beside it."""
    tells: str = "lost"
    """What of its facts must give it away; anything else would be another bug."""


TRIALS = {
    "ack_before_commit": Trial(dying_with_executions, deaths={"before_commit": 1}),
    "skip_the_inbox": Trial(
        dying_with_what_the_link_says(2),
        alone=False,
        journal=True,
        deaths={"after_commit": 1},
        tells="doubled",
    ),
    "trim_by_length": Trial(all_waits),
    "drop_while_redis_is_down": Trial(redis_killed(1.0), exclusive=True),
    "skip_the_replay": Trial(killed("broker", 2), alone=False),
    "events_instead_of_hooks": Trial(nothing),
}


async def tried(laboratory: Laboratory, bug: str, *, planted: bool) -> Verdict | None:
    """What the run of a bug comes to where it does not end as it should."""
    trial = TRIALS[bug]
    service = next(name for name, bugs in BUGS_OF.items() if bug in bugs)
    plans: dict[str, dict[str, Any]] = {}
    if trial.deaths:
        plans["worker"] = {"deaths": trial.deaths}
    if planted:
        plans[service] = {**plans.get(service, {}), "bugs": [bug]}
    try:
        await laboratory.run(
            f"{bug}{' planted' if planted else ': the run without it'}",
            trial.disturb,
            size=SIZE,
            pace=PACE,
            # Poison is told once: whoever does not hear it while IBKR is away never does.
            poison_every=POISON_EVERY if trial.alone else 0,
            alone=trial.alone,
            journal=trial.journal,
            plans=plans,
            workers=1,
            patience=3 if planted else 40,
        )
    except NotExactError as error:
        return error.verdict
    return None


async def test_each_planted_bug_turns_its_run_red_and_each_run_is_green_without(
    laboratory: Laboratory,
) -> None:
    assert TRIALS.keys() == BUGS.keys()
    reference = await laboratory.reference(1, SIZE, pace=PACE, poison_every=POISON_EVERY)
    caught = await all_tried(laboratory, planted=True, inbox=reference.inbox)
    assert [bug for bug, told in caught.items() if told is None] == []
    assert {bug: told for bug, told in caught.items() if not getattr(told, TRIALS[bug].tells)} == {}
    if FORM == "short":
        return  # the other programs are such runs
    without = await all_tried(laboratory, planted=False, inbox=reference.inbox)
    assert {bug: told for bug, told in without.items() if told is not None} == {}


async def all_tried(laboratory: Laboratory, *, planted: bool, inbox: bool) -> dict[str, Verdict | None]:
    room = asyncio.Semaphore(AT_ONCE)
    # What was delivered twice can only be told from the journal where there is an inbox to skip.
    bugs = [bug for bug in TRIALS if inbox or bug != "skip_the_inbox"]

    async def one(bug: str) -> Verdict | None:
        async with room:
            return await tried(laboratory, bug, planted=planted)

    beside = [bug for bug in bugs if not TRIALS[bug].exclusive]
    results = dict(zip(beside, await asyncio.gather(*map(one, beside)), strict=True))
    for bug in bugs:
        if TRIALS[bug].exclusive:
            results[bug] = await one(bug)
    return results
