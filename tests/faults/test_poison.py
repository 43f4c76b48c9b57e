"""One fact in a thousand cannot be booked: it is kept aside, and booked once what ailed it is mended."""

import asyncio
import json
import random
import sys

import pytest

from tests.faults.figures import SEEDS, Figures, by_form
from tests.faults.programs import Laboratory
from tests.faults.rig import Rig
from tests.faults.script import Script
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("faults")

SIZE, EVERY = by_form(3_000, 10_000, 20_000), 1_000

_REFUSE = """
CREATE TABLE poison AS SELECT unnest($1::text[]) AS exec_id;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $refuse$ BEGIN
    IF EXISTS (SELECT 1 FROM poison WHERE exec_id = NEW.exec_id) THEN
        RAISE EXCEPTION 'poison' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $refuse$;
CREATE TRIGGER refuse BEFORE INSERT ON executions FOR EACH ROW EXECUTE FUNCTION refuse();
"""
_MENDED = "DROP TRIGGER refuse ON executions; DROP FUNCTION refuse; DROP TABLE poison;"
_OPEN = "SELECT count(*) FROM dead_facts WHERE status = 'open'"


def chosen(script: Script) -> list[str]:
    """One fill in a thousand, of those that are never corrected."""
    corrected = {one.corrects for one in script.bookings}
    plain = [one.exec_id for one in script.bookings if not one.corrects and one.exec_id not in corrected]
    return plain[EVERY // 2 :: EVERY]


async def poisoned(rig: Rig, _rng: random.Random, figures: Figures) -> None:
    """Refuse some fills until all is told; then mend that, and retry what was kept aside."""
    poison = chosen(rig.script)
    async with rig.reading() as connection:
        for statement in _REFUSE.replace("$1", f"ARRAY{poison}").split(";\nCREATE"):
            await connection.execute(statement if "TABLE poison" in statement else f"CREATE{statement}")
    await rig.until_told()

    async def dead() -> int:
        return await rig.value(_OPEN) if await rig.waiting() == (0, 0) else -1

    await eventually(dead, lambda count: count == len(poison), seconds=300)
    kept = await rig.value("SELECT count(*) FROM executions WHERE exec_id = ANY($1)", poison)
    assert kept == 0
    async with rig.reading() as connection:
        await connection.execute(_MENDED)
    outcomes = await retry_all(rig)
    assert [one["status"] for one in outcomes] == ["retried"] * len(poison)
    assert await rig.value(_OPEN) == 0
    figures.note = f"{len(poison)} kept aside and booked after all"


async def retry_all(rig: Rig) -> list[dict[str, object]]:
    """``lotkeeper dead retry --all``."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "dead", "retry", "--all", "--json"),
        env=rig.settings.variables(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    outcomes: list[dict[str, object]] = json.loads(told)["outcomes"]
    return outcomes


@pytest.mark.parametrize("seed", SEEDS)
async def test_one_fact_in_a_thousand_is_poison_and_retried_when_it_can_be_booked(
    laboratory: Laboratory, seed: int
) -> None:
    """With the broker's replay off: nobody but the retry brings it."""
    await laboratory.run("poison, one in a thousand", poisoned, seed=seed, size=SIZE, alone=True)
