"""One bad fact among a thousand: it alone is set aside, whatever it does, and nothing is for an outage."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from core.errors import DatabaseUnavailableError
from core.events.facts import Fact, ResyncFenced
from core.settings import Settings
from core.streams.consumer import Consumer
from core.streams.memory import MemoryStreams
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.queries.dead_facts import list_dead_facts
from models.session import Database
from services.position_sync import relay as relay_module
from services.position_sync.dead import retry
from services.position_sync.relay import GROUP, Relay
from services.position_sync.trials import DIED
from services.stack import PostgresServer
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACME, GOLD, Link, at, commission, execution, position
from tests.services.position_sync.ledger_rows import clear, count, every_row, ledger_rows
from tests.waiting import eventually

DEAD = "SELECT category, reason, account, epoch, seq, payload FROM dead_facts ORDER BY seq"
DEADLY = "deadly"
PROGRAM = Path(__file__).parent / "dying.py"
ROOT = Path(__file__).parents[3]
_store = relay_module.store

Another = Callable[[], Relay]


@pytest.fixture
def another(database: Database, streams: RedisStreams, settings: Settings, clock: Hand) -> Another:
    """One more worker."""

    async def nobody(_account: str, _trigger: str) -> None: ...

    return lambda: Relay(database, streams, settings, ask_for_comparison=nobody, clock=clock)


@pytest.fixture
def our_code(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Callable[[], Awaitable[None]]]]:
    """What our code does when it meets an execution whose id begins with the key."""
    does: dict[str, Callable[[], Awaitable[None]]] = {}

    async def store(connection: Any, intake: Any, *rest: Any) -> Any:
        for exec_id in intake.executions:
            for beginning, act in does.items():
                if exec_id.startswith(beginning):
                    await act()
        return await _store(connection, intake, *rest)

    monkeypatch.setattr(relay_module, "store", store)
    return does  # type: ignore[return-value]  # it has nothing to tear down


async def fail() -> None:
    raise ArithmeticError("our own fault")


async def consumed(relay: Relay, entries: Sequence[Entry]) -> None:
    """Have the consumer loop deal with ``entries`` to the end."""
    streams = MemoryStreams()
    await streams.append("facts", [entry.data for entry in entries])
    consumer = Consumer(streams, stream="facts", group=GROUP, consumer="c", handle=relay.handle)
    task = asyncio.create_task(consumer.run())
    await eventually(
        lambda: streams.info("facts"),
        lambda info: info.groups and not info.groups[0].pending_entries and not info.groups[0].lag_entries,
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def retried(relay: Relay, database: Database) -> dict[int, str]:
    async def nothing(_row: Any) -> Sequence[Fact]:
        raise AssertionError("no frame was set aside")

    async with database.read() as reader:
        rows = await list_dead_facts(reader)
    return {row.id: (await retry(relay, database, row, nothing)).reason for row in rows}


TRAPS = (
    "ALTER TABLE executions ADD CONSTRAINT trap CHECK (exec_id NOT LIKE 'check%')",
    "ALTER TABLE commission_reports ADD CONSTRAINT trap CHECK (commission <> 666)",
    "ALTER TABLE position_statements ADD CONSTRAINT trap CHECK (1 / (quantity - 666) <> 7)",
)


def thousand() -> tuple[list[Fact], int]:
    """A thousand facts and, among them, bad ones of four kinds."""
    facts: list[Fact] = []
    for number in range(334):
        instrument = GOLD if number % 3 else ACME
        name = f"{number:04}.01"
        facts.append(
            execution(
                name, "2" if number % 4 else "-5", str(10 + number % 7), seconds=number, instrument=instrument
            )
        )
        if number != 100:
            facts.append(commission(name, "0.35", seconds=number))
        facts.append(position(str(number), "11", seconds=number, instrument=instrument))
    bad: dict[int, Fact] = {
        17: execution("check.01", "1", seconds=17),
        431: commission("0100.01", "666"),
        702: position("666", seconds=702, account="DU2"),
        998: execution("code.01", "3", seconds=998),
    }
    for place, fact in bad.items():
        facts.insert(place, fact)
    return facts, len(bad)


async def test_of_a_thousand_facts_exactly_the_bad_ones_are_set_aside_and_once_mended_nothing_is_missing(
    relay: Relay,
    database: Database,
    rows: Rows,
    our_code: dict[str, Callable[[], Awaitable[None]]],
) -> None:
    facts, bad = thousand()
    link = Link()
    entries = [link.entry(*facts[start : start + 25]) for start in range(0, len(facts), 25)]
    await relay.handle(entries)
    undisturbed = await ledger_rows(database)
    assert await count(database, "dead_facts") == 0

    await clear(database)
    async with database.write() as connection:
        for trap in TRAPS:
            await connection.execute(text(trap))
    our_code["code"] = fail
    await consumed(relay, entries)
    dead = await rows(DEAD)
    assert len(dead) == bad
    assert [(row["category"], row["epoch"], row["seq"]) for row in dead] == [
        ("database", link.epoch, 17),
        ("database", link.epoch, 431),
        ("database", link.epoch, 702),
        ("validation", link.epoch, 998),
    ]
    assert dead[3]["reason"] == "our own fault"
    assert await count(database, "executions") == 334
    assert await count(database, "inbox") == len(entries)
    assert set((await retried(relay, database)).values()) != {""}, "nothing was mended yet"
    assert await count(database, "dead_facts", "status = 'open' AND retries = 1") == bad

    async with database.write() as connection:
        for table in ("executions", "commission_reports", "position_statements"):
            await connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT trap"))
    our_code.clear()
    assert set((await retried(relay, database)).values()) == {""}
    assert await count(database, "dead_facts", "status = 'retried' AND resolved_at IS NOT NULL") == bad
    assert await ledger_rows(database) == undisturbed


async def test_what_our_own_code_trips_over_is_tried_five_times_before_it_is_set_aside(
    relay: Relay, database: Database, our_code: dict[str, Callable[[], Awaitable[None]]]
) -> None:
    our_code["code"] = fail
    link = Link()
    entry = link.entry(execution("a.01", "1"), execution("code.01", "1"))
    for deliveries in range(1, 5):
        with pytest.raises(ArithmeticError):
            await relay.handle([entry._replace(deliveries=deliveries), link.entry(execution("b.01", "1"))])
    assert await count(database, "executions") == 0
    await relay.handle([entry._replace(deliveries=5)])
    assert await count(database, "executions", "exec_id = 'a.01'") == 1
    assert await count(database, "dead_facts") == 1
    assert await count(database, "inbox_trials") == 0


async def test_a_fault_of_ours_beside_one_of_the_data_is_not_taken_for_one(
    relay: Relay, database: Database, our_code: dict[str, Callable[[], Awaitable[None]]]
) -> None:
    calls = 0

    async def fail_from_the_second_time_on() -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            await fail()

    our_code["code"] = fail_from_the_second_time_on
    entry = Link().entry(execution("p.01", "1", account="DU\x00"), execution("code.01", "1"))
    with pytest.raises(ArithmeticError):
        await relay.handle([entry])
    assert calls > 1, "the data's fault came first"
    assert await count(database, "dead_facts") == 0
    our_code.clear()
    await relay.handle([entry])
    assert await count(database, "executions") == 1
    assert await count(database, "dead_facts") == 1


async def test_an_entry_narrowed_down_leaves_what_one_without_its_bad_fact_leaves(
    relay: Relay, database: Database
) -> None:
    fence = ResyncFenced(received_at=at(3), trigger="connect", started_at=at(0), ok=True)
    good = [execution(f"{n}.01", "1", seconds=n) for n in range(9)]
    poison = execution("p.01", "1", account="DU\x00")
    await relay.handle([Link(1).entry(*good, fence)])
    ours = ("inbox", "dead_facts", "outbox", "sync_log", "broker_accounts")
    expected = await every_row(database, *ours)
    logged = await count(database, "sync_log")
    await clear(database)
    narrowed = Link(1).entry(*good[:5], poison, *good[5:], fence)
    await relay.handle([narrowed])
    await relay.handle([narrowed])
    assert await ledger_rows(database)
    found = await every_row(database, *ours)
    assert {name: len(rows) for name, rows in found.items()} == {
        name: len(rows) for name, rows in expected.items()
    }
    assert await count(database, "sync_log") == logged
    assert await count(database, "dead_facts", "occurrences = 1") == 1


# What passes, and what is no fact's fault.


@pytest.mark.parametrize("deliveries", [1, 5, 50])
async def test_nothing_is_set_aside_because_the_connection_broke_in_the_middle(
    deliveries: int,
    relay: Relay,
    database: Database,
    settings: Settings,
    postgres_server: PostgresServer,
    our_code: dict[str, Callable[[], Awaitable[None]]],
) -> None:
    name = settings.require_database_url().rsplit("/", 1)[1].split("?", 1)[0]

    async def cut() -> None:
        admin = await asyncpg.connect(postgres_server.url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = $1 AND state LIKE 'idle in%'",
            name,
        )
        await admin.close()

    link = Link()
    poison = execution("p.01", "1", account="DU\x00")
    entry = link.entry(execution("a.01", "1"), poison, execution("cut.01", "1"))._replace(
        deliveries=deliveries
    )
    our_code["cut"] = cut
    for _ in range(7):
        with pytest.raises(DatabaseUnavailableError):
            await relay.handle([entry])
    for table in ("executions", "dead_facts", "inbox"):
        assert await count(database, table) == 0
    our_code.clear()
    await relay.handle([entry])
    assert await count(database, "executions") == 2
    assert await count(database, "dead_facts") == 1


async def test_nothing_is_set_aside_because_the_schema_is_not_what_it_should_be(
    relay: Relay, database: Database
) -> None:
    entry = Link().entry(execution("a.01", "1"), execution("b.01", "1", seconds=1))
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE lots RENAME TO lots_gone"))
    for deliveries in (1, 5, 6, 50):
        with pytest.raises(Exception, match="lots"):
            await relay.handle([entry._replace(deliveries=deliveries)])
    assert await count(database, "dead_facts") == 0
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE lots_gone RENAME TO lots"))
    await relay.handle([entry._replace(deliveries=51)])
    assert await count(database, "executions") == 2


async def test_a_lock_that_is_held_for_long_is_waited_out(
    relay: Relay, database: Database, our_code: dict[str, Callable[[], Awaitable[None]]]
) -> None:
    async def time_out() -> None:
        async with database.write() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 1"))
            await connection.execute(text("SELECT pg_sleep(10)"))

    our_code["slow"] = time_out
    entry = Link().entry(execution("slow.01", "1"))
    for deliveries in (1, 5, 9):
        with pytest.raises(DatabaseUnavailableError):
            await relay.handle([entry._replace(deliveries=deliveries)])
    assert await count(database, "dead_facts") == 0


# What kills the worker.


class Deaths:
    """Workers that die on a fact: they are cut off there, as by a kill, and say nothing any more."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await asyncio.Event().wait()

    async def of(self, worker: Relay, entry: Entry) -> bool:
        """Whether ``worker`` died on ``entry``."""
        self.reached.clear()
        task = asyncio.create_task(worker.handle([entry]))
        death = asyncio.create_task(self.reached.wait())
        await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        if task.done():
            await task
            return False
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return True


async def test_a_fact_that_each_worker_dies_on_is_found_and_set_aside_and_so_is_the_next(
    another: Another, database: Database, rows: Rows, our_code: dict[str, Callable[[], Awaitable[None]]]
) -> None:
    deaths = Deaths()
    our_code[DEADLY] = deaths
    good = [execution(f"{n:02}.01", "1", seconds=n) for n in range(12)]
    killers = [execution(f"{DEADLY}{n}.01", "1", seconds=n) for n in range(2)]
    entry = Link().entry(*good[:7], killers[0], *good[7:9], killers[1], *good[9:])
    died = 0
    while await deaths.of(another(), entry._replace(deliveries=5 + died)):
        died += 1
        assert died < 12
        assert await count(database, "executions") == 0
    # Once as a whole; then three times on each fact: one death proves nothing.
    assert died == 1 + 3 + 3
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
    another: Another, database: Database, our_code: dict[str, Callable[[], Awaitable[None]]]
) -> None:
    deaths = Deaths()
    entry = Link().entry(*(execution(f"{n}.01", "1", seconds=n) for n in range(6)))
    for number, victim in enumerate((0, 3, 3, 1, 5, 5, 2, 3, 4, 4, 0)):
        our_code.clear()
        our_code[f"{victim}."] = deaths
        assert await deaths.of(another(), entry._replace(deliveries=5 + number))
    our_code.clear()
    await another().handle([entry._replace(deliveries=20)])
    assert await count(database, "executions") == 6
    assert await count(database, "dead_facts") == 0


async def test_an_outage_in_the_middle_is_no_death_and_what_was_found_is_not_forgotten(
    another: Another, database: Database, our_code: dict[str, Callable[[], Awaitable[None]]]
) -> None:
    deaths = Deaths()

    async def away() -> None:
        raise ConnectionResetError

    entry = Link().entry(execution(f"{DEADLY}.01", "1"), execution("z.01", "1", seconds=1))
    entry = entry._replace(deliveries=5)
    our_code[DEADLY] = deaths
    for _ in range(4):
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
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                await another().handle([entry])
        await another().handle([entry])
    (dead,) = await rows(DEAD)
    assert (dead["category"], dead["reason"], dead["payload"]) == ("database", DIED, entry.data.decode())
    assert set((await retried(another(), database)).values()) == {""}
    assert await count(database, "executions") == 1


async def test_two_workers_never_try_the_same_entry_at_once(
    another: Another, database: Database, our_code: dict[str, Callable[[], Awaitable[None]]]
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
    # Four in company, once alone, three times on the fact itself; then one that sets it aside.
    ended = [int(line) for line in told.splitlines() if line.lstrip(b"-").isdigit()]
    assert ended == [-signal.SIGKILL] * 8 + [0]
    assert await count(database, "executions") == 12
    (dead,) = await rows(DEAD)
    assert (dead["category"], dead["reason"], dead["epoch"], dead["seq"]) == ("database", DIED, link.epoch, 6)
