"""One bad fact among a thousand: it alone is set aside, and nothing is for an outage."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.errors import DatabaseContendedError, DatabaseUnavailableError
from core.events.facts import Fact, ResyncFenced, decode_facts, encode
from core.settings import Settings
from core.streams.consumer import Consumer
from core.streams.memory import MemoryStreams
from core.streams.port import Entry
from models.session import Database, Writer
from services.position_sync import relay as relay_module
from services.position_sync.intake import Intake
from services.position_sync.relay import GROUP, Relay
from services.stack import PostgresServer
from tests.databases import waiting_for_locks
from tests.services.position_sync.conftest import STORE, Another, OurCode, Rows, retried
from tests.services.position_sync.facts import ACME, GOLD, Link, at, commission, execution, position
from tests.services.position_sync.ledger_rows import clear, count, every_row, ledger_rows
from tests.waiting import eventually

DEAD = "SELECT category, reason, account, epoch, seq, payload FROM dead_facts ORDER BY seq"


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
    our_code: OurCode,
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
    relay: Relay, database: Database, our_code: OurCode
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


async def test_what_makes_postgresql_slow_each_time_is_set_aside_like_what_it_refuses(
    relay: Relay, database: Database, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow_store(connection: Writer, intake: Intake, *rest: Any) -> Any:
        if "slow.01" in intake.executions:
            await connection.execute(text("SET LOCAL statement_timeout = '20ms'"))
            await connection.execute(text("SELECT pg_sleep(5)"))
        return await STORE(connection, intake, *rest)

    monkeypatch.setattr(relay_module, "store", slow_store)
    entry = Link().entry(execution("a.01", "1"), execution("slow.01", "1"), execution("b.01", "1"))
    for deliveries in range(1, 5):
        with pytest.raises(DBAPIError, match="statement timeout"):
            await relay.handle([entry._replace(deliveries=deliveries)])
    await relay.handle([entry._replace(deliveries=5)])
    assert await count(database, "executions", "exec_id IN ('a.01', 'b.01')") == 2
    assert [(row["category"], row["seq"]) for row in await rows(DEAD)] == [("database", 1)]


@pytest.mark.parametrize(
    ("epoch", "first_seq"), [(2**63, 0), (10**30, 0), (5, 2**63), (5, 2**63 - 1), (-1, 0), (5, -1)]
)
async def test_an_entry_under_a_name_that_no_link_gives_is_kept_aside_whole(
    epoch: int, first_seq: int, relay: Relay, database: Database, rows: Rows
) -> None:
    link = Link(epoch)
    entry = link.entry(execution("foreign.01", "1"), execution("foreign.02", "1"))
    batch = decode_facts(entry.data)
    foreign = entry._replace(data=encode(replace(batch, first_seq=first_seq)))
    await relay.handle(
        [Link(1).entry(execution("a.01", "1")), foreign, Link(2).entry(execution("b.01", "1"))]
    )
    assert await rows("SELECT exec_id FROM executions ORDER BY 1") == [
        {"exec_id": "a.01"},
        {"exec_id": "b.01"},
    ]
    (dead,) = await rows(DEAD)
    assert (dead["category"], dead["epoch"], dead["payload"]) == ("parsing", None, foreign.data.decode())
    assert await count(database, "inbox") == 3


@pytest.mark.parametrize("deliveries", [1, 5])
async def test_an_entry_at_a_place_that_cannot_be_noted_is_kept_aside_whole(
    deliveries: int, relay: Relay, database: Database, rows: Rows
) -> None:
    link = Link()
    misplaced = Link(9).entry(execution("m.01", "1"))._replace(id=f"{2**64 - 1}-0", deliveries=deliveries)
    await relay.handle([link.entry(execution("a.01", "1")), misplaced, link.entry(execution("b.01", "1"))])
    assert await count(database, "executions", "exec_id IN ('a.01', 'b.01')") == 2
    (dead,) = await rows(DEAD)
    assert (dead["category"], dead["payload"]) == ("database", misplaced.data.decode())


async def test_a_fault_of_ours_beside_one_of_the_data_is_not_taken_for_one(
    relay: Relay, database: Database, our_code: OurCode
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


async def test_taking_an_entry_apart_locks_nothing_in_another_order_than_everybody_does(
    relay: Relay, another: Another, database: Database, our_code: OurCode
) -> None:
    low, high = sorted((ACME, GOLD), key=lambda one: one.conid)
    link, other = Link(), Link(2)
    await relay.handle([link.entry(execution("0.01", "1", instrument=low))])
    await relay.handle([link.entry(execution("1.01", "1", instrument=high))])
    beside: list[asyncio.Task[None]] = []

    async def meanwhile() -> None:
        amount = str(1 + len(beside))
        facts = [commission(name, amount, seconds=float(amount)) for name in ("0.01", "1.01")]
        task = asyncio.create_task(another().handle([other.entry(*facts)]))
        beside.append(task)
        await eventually(lambda: waiting_for_locks(database), lambda found: bool(found) or task.done())

    our_code["hold"] = meanwhile
    poison = execution("p.01", "1", account="DU\x00")
    first = execution("a.01", "1", instrument=high)
    await relay.handle([link.entry(first, poison, execution("hold.01", "1", instrument=low))])
    await asyncio.gather(*beside)
    assert await count(database, "executions") == 4
    assert await count(database, "commission_reports", f"commission = {len(beside)}") == 2
    assert await count(database, "dead_facts") == 1


async def test_where_the_notes_of_what_is_set_aside_are_refused_the_error_says_why(
    relay: Relay, database: Database
) -> None:
    async with database.write() as connection:
        await connection.execute(
            text("ALTER TABLE dead_facts ADD CONSTRAINT trap CHECK (category <> 'database')")
        )
    poison = Link().entry(execution("a.01", "1"), execution("p.01", "1", account="DU\x00"))
    with pytest.raises(DBAPIError, match="trap"):
        await relay.handle([poison])
    assert await count(database, "executions") == 0


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
async def test_what_others_transactions_are_in_the_way_of_is_tried_again_and_called_no_outage(
    state: str, relay: Relay, database: Database, our_code: OurCode
) -> None:
    async def undone() -> None:
        async with database.write() as connection:
            await connection.execute(
                text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
            )

    our_code["a."] = undone
    entry = Link().entry(execution("a.01", "1"))
    for deliveries in (1, 5, 9):
        with pytest.raises(DatabaseContendedError, match=f"SQLSTATE {state}"):
            await relay.handle([entry._replace(deliveries=deliveries)])
    assert await count(database, "dead_facts") == 0
    our_code.clear()
    await relay.handle([entry])
    assert await count(database, "executions") == 1


# What passes, and what is no fact's fault.


@pytest.mark.parametrize("deliveries", [1, 5, 50])
async def test_nothing_is_set_aside_because_the_connection_broke_in_the_middle(
    deliveries: int,
    relay: Relay,
    database: Database,
    settings: Settings,
    postgres_server: PostgresServer,
    our_code: OurCode,
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
    relay: Relay, database: Database, our_code: OurCode
) -> None:
    lock = text("SELECT pg_advisory_xact_lock(1)")

    async def time_out() -> None:
        async with database.write() as holder, database.write() as connection:
            await holder.execute(lock)
            await connection.execute(text("SET LOCAL lock_timeout = 1"))
            await connection.execute(lock)

    our_code["slow"] = time_out
    entry = Link().entry(execution("slow.01", "1"))
    for deliveries in (1, 5, 9):
        with pytest.raises(DatabaseUnavailableError):
            await relay.handle([entry._replace(deliveries=deliveries)])
    assert await count(database, "dead_facts") == 0
