"""A fact that takes the worker with it each time is found and set aside, and no other is."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import DatabaseUnavailableError
from core.settings import Settings
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync import relay as relay_module
from services.position_sync.intake import Item
from services.position_sync.relay import GROUP, Relay
from services.position_sync.trials import DEATHS, DIED, MOST_DEATHS, SUSPICIOUS_DEATHS, Course
from tests.services.position_sync.conftest import Another, OurCode, Rows, retried
from tests.services.position_sync.facts import Link, execution
from tests.services.position_sync.ledger_rows import count
from tests.waiting import eventually

DEADLY = "deadly"
DEAD = "SELECT category, reason, epoch, seq, payload FROM dead_facts ORDER BY seq"
PROGRAM = Path(__file__).parent / "dying.py"
ROOT = Path(__file__).parents[3]


class KilledError(BaseException):
    """A worker is gone, as by a kill, and says nothing any more."""


class Deaths:
    """Workers that die on a fact."""

    async def __call__(self) -> None:
        raise KilledError

    async def of(self, worker: Relay, entry: Entry) -> bool:
        """Whether ``worker`` died on ``entry``."""
        try:
            await worker.handle([entry])
        except KilledError:
            return True
        return False


async def test_a_fact_that_each_worker_dies_on_is_found_and_set_aside_and_so_is_the_next(
    another: Another, database: Database, rows: Rows, our_code: OurCode
) -> None:
    deaths = Deaths()
    our_code[DEADLY] = deaths
    good = [execution(f"{n:02}.01", "1", seconds=n) for n in range(12)]
    killers = [execution(f"{DEADLY}{n}.01", "1", seconds=n) for n in range(2)]
    entry = Link().entry(*good[:7], killers[0], *good[7:9], killers[1], *good[9:])
    died = 0
    while await deaths.of(another(), entry._replace(deliveries=5 + died)):
        died += 1
        assert died < 20
        assert await count(database, "executions") == 0
    # As a whole; then in steps, until it is alone often enough: one death proves nothing.
    assert died == 4 + 3 + 4
    assert await count(database, "executions") == 12
    dead = await rows(DEAD)
    assert [(row["category"], row["reason"], row["seq"]) for row in dead] == [
        ("database", DIED, 7),
        ("database", DIED, 10),
    ]
    assert await count(database, "inbox_trials") == 0
    our_code.clear()
    assert set((await retried(another(), database)).values()) == {""}
    assert await rows("SELECT quantity FROM positions") == [{"quantity": 14}]


async def test_workers_that_are_killed_from_outside_cost_no_fact(
    another: Another, database: Database, our_code: OurCode
) -> None:
    deaths = Deaths()
    entry = Link().entry(*(execution(f"{n}.01", "1", seconds=n) for n in range(6)))
    for number, victim in enumerate((0, 3, 3, 1, 0, 3, 3, 1, 5, 5, 2, 3, 4, 4, 0)):
        our_code.clear()
        our_code[f"{victim}."] = deaths
        assert await deaths.of(another(), entry._replace(deliveries=5 + number))
    our_code.clear()
    await another().handle([entry._replace(deliveries=20)])
    assert await count(database, "executions") == 6
    assert await count(database, "dead_facts") == 0


async def test_workers_that_are_stopped_while_they_try_cost_no_fact(
    another: Another, database: Database, our_code: OurCode
) -> None:
    reached = asyncio.Event()

    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()

    entry = Link().entry(execution("a.01", "1"))._replace(deliveries=5)
    our_code["a"] = wait
    for _ in range(4):
        reached.clear()
        task = asyncio.create_task(another().handle([entry]))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await count(database, "inbox_trials", "deaths = 0 AND holder = ''") == 1
    our_code.clear()
    await another().handle([entry])
    assert await count(database, "executions") == 1
    assert await count(database, "dead_facts") == 0


async def test_an_outage_in_the_middle_is_no_death_and_what_was_found_is_not_forgotten(
    another: Another, database: Database, our_code: OurCode
) -> None:
    deaths = Deaths()

    async def away() -> None:
        raise ConnectionResetError

    entry = Link().entry(execution(f"{DEADLY}.01", "1"), execution("z.01", "1", seconds=1))
    entry = entry._replace(deliveries=5)
    our_code[DEADLY] = deaths
    for _ in range(SUSPICIOUS_DEATHS + DEATHS):
        assert await deaths.of(another(), entry)
    our_code["z"] = away
    for _ in range(5):
        with pytest.raises(DatabaseUnavailableError):
            await another().handle([entry])
    del our_code["z"]
    await another().handle([entry])
    assert await count(database, "executions") == 1
    assert await count(database, "dead_facts") == 1


async def test_an_entry_that_kills_whoever_reads_it_is_set_aside_whole(
    another: Another, database: Database, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Link().entry(execution("a.01", "1"))._replace(deliveries=5)
    with monkeypatch.context() as patched:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(relay_module, "decode_entry", die)
        for _ in range(SUSPICIOUS_DEATHS + DEATHS):
            with pytest.raises(KeyboardInterrupt):
                await another().handle([entry])
        await another().handle([entry])
    (dead,) = await rows(DEAD)
    assert (dead["category"], dead["reason"], dead["payload"]) == ("database", DIED, entry.data.decode())
    assert set((await retried(another(), database)).values()) == {""}
    assert await count(database, "executions") == 1


async def test_who_dies_before_the_facts_are_tried_again_forgets_nothing_of_what_was_found(
    another: Another, database: Database, rows: Rows, our_code: OurCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = Deaths()
    our_code[DEADLY] = deaths
    good = [execution(f"{n:02}.01", "1", seconds=n) for n in range(12)]
    entry = Link().entry(*good[:7], execution(f"{DEADLY}.01", "1"), *good[7:])._replace(deliveries=5)
    # As a whole, then the search for it, and each time another worker that dies before it has read the entry.
    for _ in range(SUSPICIOUS_DEATHS):
        assert await deaths.of(another(), entry)

    def die(*_: object) -> None:
        raise KilledError

    for _ in range(DEATHS):
        assert await deaths.of(another(), entry)
        with monkeypatch.context() as patched:
            patched.setattr(relay_module, "decode_entry", die)
            assert await deaths.of(another(), entry)
    await another().handle([entry])
    assert await count(database, "executions") == 12
    assert [(row["reason"], row["seq"]) for row in await rows(DEAD)] == [(DIED, 7)]


async def test_an_entry_on_which_workers_die_ever_elsewhere_is_set_aside_whole(
    another: Another, rows: Rows, our_code: OurCode
) -> None:
    # Now on the one and now on the other, so that neither is what they die of.
    entry = Link().entry(*(execution(f"{n}.01", "1", seconds=n) for n in range(6)))._replace(deliveries=5)
    died = 0
    while True:
        our_code.clear()
        our_code[f"{(0, 5)[died % 2]}."] = Deaths()
        if not await Deaths().of(another(), entry):
            break
        died += 1
        assert died <= MOST_DEATHS
    assert died == MOST_DEATHS
    (dead,) = await rows(DEAD)
    assert (dead["reason"], dead["payload"]) == (DIED, entry.data.decode())


async def test_two_workers_never_try_the_same_entry_at_once(
    another: Another, database: Database, our_code: OurCode
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        reached.set()
        await go_on.wait()

    our_code["slow"] = pause
    entry = Link().entry(execution("slow.01", "1"))._replace(deliveries=5)
    first = asyncio.create_task(another().handle([entry]))
    await reached.wait()
    second = asyncio.create_task(another().handle([entry]))
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    async def waits() -> Any:
        async with database.read() as reader:
            return (await reader.execute(text(waiting))).scalar_one()

    await eventually(waits)
    go_on.set()
    await asyncio.gather(first, second)
    assert await count(database, "executions") == 1
    assert await count(database, "dead_facts") == 0


async def test_a_fact_that_kills_the_worker_process_each_time_is_found_and_set_aside(
    streams: RedisStreams, settings: Settings, database: Database, rows: Rows
) -> None:
    link = Link()
    good = [execution(f"{n:02}.01", "1", seconds=n) for n in range(12)]
    entries = [
        link.entry(*good[:4]),
        link.entry(*good[4:6], execution(f"{DEADLY}.01", "1"), *good[6:8]),
        link.entry(*good[8:]),
    ]
    await streams.append(settings.facts_stream, [entry.data for entry in entries])
    await streams.ensure_group(settings.facts_stream, GROUP)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        settings.require_database_url().replace("postgresql+asyncpg://", "postgresql://"),
        settings.require_redis_url(),
        settings.stream_prefix,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await asyncio.wait_for(process.communicate(), 60)
    # Four in company, four alone, one in a step, three times on the fact itself; then one that sets it aside.
    ended = [int(line) for line in told.splitlines() if line.lstrip(b"-").isdigit()]
    assert ended == [-signal.SIGKILL] * 12 + [0]
    assert await count(database, "executions") == 12
    (dead,) = await rows(DEAD)
    assert (dead["category"], dead["reason"], dead["epoch"], dead["seq"]) == ("database", DIED, link.epoch, 6)


@pytest.mark.parametrize("deadly", [0, 1, 6, 7, 100, 255])
def test_steps_close_in_on_what_somebody_dies_of(deadly: int) -> None:
    items = [Item(1, seq, execution(f"{seq}.01", "1")) for seq in range(256)]
    course = Course("")
    deaths = 0
    while True:
        steps = list(course.steps(items))
        assert [item for step in steps for item in step] == items
        step = next(step for step in steps if items[deadly] in step)
        deaths += 1
        if len(step) == 1:
            break
        course.died = {step[0].seq: 1}
    assert deaths <= 9
