"""The one way in which a program is run: a script, told while something disturbs, compared at the end."""

import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.faults.figures import Figures, record
from tests.faults.nursery import Nursery
from tests.faults.oracle import Verdict
from tests.faults.points import Plan
from tests.faults.rig import NotExactError, Reference, Rig
from tests.faults.script import Script, write_script
from tests.faults.servers import Servers

Disturb = Callable[[Rig, random.Random, Figures], Awaitable[None]]
"""Does something to a run while its script is told; may fill in figures. What it broke it mends."""

PIPELINE_ALONE: Mapping[str, Plan] = {"broker": {"bugs": ["skip_the_replay"]}}
"""The broker tells nothing twice: what gets lost on the way stays lost."""


async def nothing(_rig: Rig, _rng: random.Random, _figures: Figures) -> None:
    """Disturb nothing."""


class Laboratory:
    """Runs programs, and remembers how the undisturbed ones ended."""

    def __init__(self, nursery: Nursery, servers: Servers, folder: Path) -> None:
        self.nursery = nursery
        self.servers = servers
        self._folder = folder
        self._runs = 0
        self._references: dict[tuple[int, int, int, int], Reference] = {}

    def rig(self, script: Script, **options: Any) -> Rig:
        """A rig of this laboratory."""
        self._runs += 1
        return Rig(self.nursery, self.servers, self._folder / f"run-{self._runs}", script, **options)

    async def reference(self, seed: int, size: int, *, pace: int, poison_every: int = 0) -> Reference:
        """How an undisturbed run of this script ends; it is run once."""
        known = self._references.get((seed, size, pace, poison_every))
        if known is not None:
            return known
        script = write_script(seed, size, pace, poison_every)
        async with self.rig(script) as rig:
            rig.begin()
            await rig.until_told()
            await rig.settle(patience=20)
            inbox = bool(await rig.value("SELECT count(*) FROM inbox"))
            reference = Reference(*await rig.hashes(), rig.database, rig.origin, inbox=inbox)
        self._references[seed, size, pace, poison_every] = reference
        return reference

    async def run(
        self,
        program: str,
        disturb: Disturb = nothing,
        *,
        seed: int = 1,
        size: int,
        pace: int = 1500,
        poison_every: int = 0,
        alone: bool = False,
        journal: bool = False,
        plans: Mapping[str, Plan] | None = None,
        patience: float = 30,
        floored: bool = False,
        **options: Any,
    ) -> Figures:
        """Run a script under ``disturb`` and compare it with the oracle and with an undisturbed run.

        ``alone`` switches the broker's replay off; ``journal`` compares what is written once a fact, too.
        ``floored`` notes how long a client that does nothing else needs to hear all executions once more: a
        link that lost something cannot know it sooner.

        Raises:
            NotExactError: it does not end as the undisturbed run did.
        """
        reference = await self.reference(seed, size, pace=pace, poison_every=poison_every)
        script = write_script(seed, size, pace, poison_every)
        figures = Figures(program, seed)
        merged = _merged(PIPELINE_ALONE if alone else {}, plans or {})
        async with self.rig(script, plans=merged, **options) as rig:
            rig.begin()
            rng = random.Random(f"{program} {seed}")  # noqa: S311 - moments, not secrets
            verdict = Verdict()
            await disturb(rig, rng, figures)
            await rig.until_told()
            try:
                figures.settle_seconds = await rig.settle(reference, patience=patience, journal=journal)
                verdict = await rig.verdict()
                if floored:
                    floor = await rig.hear_all_again()
                    figures.note = f"settled in {figures.settle_seconds / floor:.2f} of floor {floor:.1f} s"
            except NotExactError as error:
                verdict = error.verdict
                raise
            finally:
                figures.kills += sum(rig.deaths.values())
                figures.executions = verdict.executions
                figures.lost, figures.doubled = verdict.lost, verdict.doubled
                figures.wrong_positions, figures.cents_off = verdict.wrong_positions, verdict.cents_off
                record(figures)
        await self.servers.drop_database(rig.database)
        return figures


def _merged(*plans: Mapping[str, Plan]) -> dict[str, Plan]:
    """The bugs and deaths of several plans."""
    merged: dict[str, Plan] = {}
    for plan in plans:
        for service, wanted in plan.items():
            known = merged.setdefault(service, {})
            bugs = [*known.get("bugs", ()), *wanted.get("bugs", ())]
            merged[service] = {**known, **wanted, "bugs": list(dict.fromkeys(bugs))}
    return merged
