"""A rebuild mends whatever was done to the rows, writes nothing else, and may be stopped at any moment."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from sqlalchemy import text

from core.domain.lots import CostMethod
from core.events.changes import PositionChanged, decode
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.cost_methods import set_cost_method
from services.position_sync.examine import RowDifference
from services.position_sync.rebuild import rebuild, rehearse
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    GOLD,
    Link,
    commission,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.ledger_rows import count, ledger_rows
from tests.services.position_sync.test_replay import script

ROOT = Path(__file__).parents[3]
Execute = Callable[..., Awaitable[None]]
FEW = 10
"""Executions a batch, so that there are several."""

BOOKED = pytest.mark.usefixtures("booked")
ONE_EVENT = "(SELECT ctid FROM position_events WHERE realized_pnl IS NOT NULL ORDER BY exec_id LIMIT 1)"
EXTRA = (
    "INSERT INTO positions (id, account, conid, ordinal, status, side, quantity, max_quantity, cost_basis, "
    "realized_pnl, commission, opened_at, closed_at, provisional, missing_commissions, estimated, "
    "event_count, lot_count, version, updated_at) SELECT gen_random_uuid(), account, conid, 99, 'closed', "
    "side, 0, 1, 0, 5, 0, opened_at, opened_at, false, 0, false, 0, 0, 1, opened_at FROM positions LIMIT 1"
)
DAMAGE = {
    "a lot's remainder": ("UPDATE lots SET remaining = remaining + 1 WHERE seq = 1", "lots", "remaining"),
    "an event's realized figure": (
        f"UPDATE position_events SET realized_pnl = realized_pnl + 0.01 WHERE ctid = {ONE_EVENT}",  # noqa: S608 - the test's own words
        "position_events",
        "realized_pnl",
    ),
    "a missing disposal": (
        "DELETE FROM lot_disposals WHERE ctid = (SELECT min(ctid) FROM lot_disposals)",
        "lot_disposals",
        None,
    ),
    "a missing event": (
        f"DELETE FROM position_events WHERE ctid = {ONE_EVENT}",  # noqa: S608 - the same
        "position_events",
        None,
    ),
    "an extra position": (
        EXTRA,
        "positions",
        None,
    ),
    "a missing position": (
        "DELETE FROM positions WHERE ctid = (SELECT max(ctid) FROM positions)",
        "positions",
        None,
    ),
    "all positions missing": ("DELETE FROM positions", "positions", None),
    "a position's cost, by the finest step": (
        "UPDATE positions SET cost_basis = coalesce(cost_basis, 0) + 1e-10",
        "positions",
        "cost_basis",
    ),
    "a number that is spelled otherwise": (
        "UPDATE lots SET price = price + 0.000 WHERE price IS NOT NULL",
        "lots",
        "price",
    ),
    "a wrong correction": (
        "UPDATE executions SET corrected_by = 'nobody' WHERE corrected_by IS NULL",
        "executions",
        "corrected_by",
    ),
    "a forgotten correction": (
        "UPDATE executions SET corrected_by = NULL",
        "executions",
        "corrected_by",
    ),
    "an execution nowhere": ("UPDATE executions SET position_id = NULL", "executions", "position_id"),
    "an execution's realized figure": (
        "UPDATE executions SET realized_pnl = 1 WHERE realized_pnl IS NOT NULL",
        "executions",
        "realized_pnl",
    ),
    "a book's quantity": ("UPDATE ledger_books SET quantity = 77", "ledger_books", "quantity"),
    "a book's checkpoint": (
        "UPDATE ledger_books SET last_executed_at = last_executed_at - interval '1 second'",
        "ledger_books",
        "last_executed_at",
    ),
    "a book's anchor": (
        "UPDATE ledger_books SET last_anchor_at = NULL",
        "ledger_books",
        "last_anchor_at",
    ),
    "another cost method than the account's": (
        "UPDATE ledger_books SET cost_method = 'lifo'",
        "ledger_books",
        "cost_method",
    ),
}


@pytest.fixture
def execute(database: Database) -> Execute:
    async def run(statement: str, **parameters: Any) -> None:
        async with database.write() as connection:
            await connection.execute(text(statement), parameters)

    return run


@pytest.fixture
async def booked(relay: Relay, database: Database) -> dict[str, list[tuple[str, ...]]]:
    """A day of fills in two books, one of which began before; returns its rows."""
    link = Link()
    facts = script(random.Random(5))  # noqa: S311 - a repeatable script, not a secret
    await relay.handle([link.entry(position("7", "950.5", instrument=GOLD, sweep="s", seconds=15))])
    await relay.handle([link.entry(positions_completed("s", 1, seconds=15))])
    await relay.handle([link.entry(*facts)])
    rows = await ledger_rows(database)
    assert all(rows.values())
    assert (await validate_ledger(database)).waiting == []
    return rows


async def found_by(database: Database) -> list[RowDifference]:
    found: list[RowDifference] = []
    await validate_ledger(database, found.append, executions_at_once=FEW)
    return found


@BOOKED
async def test_a_ledger_that_is_right_is_found_right_and_not_written(
    database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    everything = (
        "SELECT tableoid, xmin::text, ctid::text FROM positions UNION ALL SELECT tableoid, xmin::text, "
        "ctid::text FROM executions UNION ALL SELECT tableoid, xmin::text, ctid::text FROM ledger_books "
        "ORDER BY 1, 3"
    )
    before = await rows(everything)
    assert await found_by(database) == []
    rebuilt = await rebuild(database, streams, settings, executions_at_once=FEW)
    assert (rebuilt.books, rebuilt.changed_books, rebuilt.written.total()) == (2, 0, 0)
    assert rebuilt.executions == await count(database, "executions")
    assert await rows(everything) == before


@pytest.mark.parametrize("what", DAMAGE)
async def test_what_was_tampered_with_is_found_told_and_mended(
    what: str,
    booked: dict[str, list[tuple[str, ...]]],
    execute: Execute,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
) -> None:
    statement, table, field = DAMAGE[what]
    await execute(statement)
    damaged = await ledger_rows(database)
    found = await found_by(database)
    assert (table, field) in {(one.table, one.field) for one in found}
    told: list[RowDifference] = []
    rehearsed = await rehearse(database, told.append, executions_at_once=FEW)
    # In which order the rows of a book are read is the server's.
    assert sorted(told, key=str) == sorted(found, key=str)
    assert await ledger_rows(database) == damaged
    rebuilt = await rebuild(database, streams, settings, executions_at_once=FEW)
    assert (rebuilt.changed_books, rebuilt.written) == (rehearsed.changed_books, rehearsed.written)
    assert await ledger_rows(database) == booked
    assert await found_by(database) == []
    again = await rebuild(database, streams, settings)
    assert again.changed_books == 0


@BOOKED
async def test_a_difference_in_any_table_is_json(execute: Execute, database: Database) -> None:
    await execute("UPDATE positions SET commission = commission + 1 WHERE commission IS NOT NULL")
    await execute("UPDATE position_events SET realized_pnl = 7 WHERE realized_pnl IS NOT NULL")
    await execute("UPDATE lots SET remaining = remaining + 1")
    await execute("UPDATE lot_disposals SET close_price = close_price + 1")
    found = await found_by(database)
    assert {one.table for one in found} == {"positions", "position_events", "lots", "lot_disposals"}
    told = msgspec.json.decode(msgspec.json.encode([one._asdict() for one in found]))
    assert told == [one._asdict() for one in found]


@BOOKED
async def test_what_a_difference_is_stands_field_by_field(
    execute: Execute, database: Database, rows: Rows
) -> None:
    (event,) = await rows(
        "SELECT p.account, p.conid, e.position_id::text AS id, e.seq, e.realized_pnl FROM position_events e "
        "JOIN positions p ON p.id = e.position_id WHERE e.realized_pnl IS NOT NULL ORDER BY e.exec_id LIMIT 1"
    )
    await execute(f"UPDATE position_events SET realized_pnl = NULL WHERE ctid = {ONE_EVENT}")  # noqa: S608 - the same
    assert await found_by(database) == [
        RowDifference(
            event["account"],
            event["conid"],
            "position_events",
            f"{event['id']} {event['seq']}",
            "realized_pnl",
            None,
            f"{event['realized_pnl']:f}",
        )
    ]


async def test_books_without_their_rows_get_them(
    booked: dict[str, list[tuple[str, ...]]],
    execute: Execute,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
) -> None:
    await execute("DELETE FROM positions")
    await execute("DELETE FROM ledger_books")
    assert ("ledger_books", "absent", "present") in {
        (one.table, one.stored, one.fresh) for one in await found_by(database)
    }
    await rebuild(database, streams, settings, executions_at_once=FEW)
    assert await ledger_rows(database) == booked


@BOOKED
async def test_realized_figures_before_and_after_are_told_by_currency(
    execute: Execute, database: Database, rows: Rows
) -> None:
    (right,) = await rows(
        "SELECT sum(realized_pnl) AS known, count(*) FILTER (WHERE realized_pnl IS NULL) AS unknown "
        "FROM positions"
    )
    await execute("UPDATE positions SET realized_pnl = 3")
    positions = await count(database, "positions")
    rebuilt = await rehearse(database, lambda _: None)
    ((currency, before, after),) = rebuilt.by_currency()
    assert (currency, before.known, before.unknown) == ("USD", 3 * positions, 0)
    assert (after.known, after.unknown) == (right["known"], right["unknown"])


@BOOKED
async def test_only_the_account_that_was_asked_for_is_rebuilt(
    relay: Relay,
    execute: Execute,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
) -> None:
    await relay.handle([Link(2).entry(execution("other.01", "3", account="DU2"))])
    await execute("UPDATE ledger_books SET quantity = 77")
    rebuilt = await rebuild(database, streams, settings, account="DU2")
    assert (rebuilt.books, rebuilt.changed_books) == (1, 1)
    assert {one.account for one in await found_by(database)} == {ACCOUNT}


@BOOKED
async def test_what_changed_is_announced_and_nothing_else(
    execute: Execute,
    rows: Rows,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
) -> None:
    after = await streams.last_id(settings.changes_stream)
    await execute(EXTRA)
    (wrong,) = await rows("SELECT id::text FROM positions WHERE ordinal = 99")
    (other,) = await rows("SELECT id::text FROM positions ORDER BY opened_at, ordinal LIMIT 1")
    await execute("UPDATE positions SET quantity = quantity, realized_pnl = 9 WHERE id = :id", id=other["id"])
    await rebuild(database, streams, settings)
    entries = await streams.tail(settings.changes_stream, after, count=100, block_ms=10)
    changes = [change for entry in entries for change in decode(entry.data).changes]
    told = {one.id: one.removed for one in changes if isinstance(one, PositionChanged)}
    assert told == {wrong["id"]: True, other["id"]: False}
    assert len(changes) == 2
    assert await count(database, "outbox") == 0


@BOOKED
async def test_without_redis_what_changed_waits_in_the_outbox(
    execute: Execute, database: Database, settings: Settings
) -> None:
    await execute("UPDATE positions SET realized_pnl = 9")
    await rebuild(database, None, settings)
    assert await count(database, "outbox") > 0


@BOOKED
@pytest.mark.parametrize("method", get_args(CostMethod))
async def test_another_cost_method_gives_the_rows_that_a_worker_folds_with_it(
    method: CostMethod, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    async with database.write() as connection:
        changed = await set_cost_method(connection, ACCOUNT, method)
    assert changed == (0 if method == "fifo" else 2)
    rebuilt = await rebuild(database, streams, settings, executions_at_once=FEW)
    assert rebuilt.changed_books == changed
    mine = await ledger_rows(database)
    assert await found_by(database) == []
    async with database.write() as connection:
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await Sweep(database, streams, settings).run()
    assert await ledger_rows(database) == mine
    assert await count(database, "ledger_books", f"cost_method <> '{method}'") == 0


async def test_killed_in_the_middle_it_is_run_again(
    booked: dict[str, list[tuple[str, ...]]],
    execute: Execute,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
) -> None:
    await execute("DELETE FROM positions")
    await execute("UPDATE ledger_books SET quantity = 0, episodes = 0")
    program = (
        "import asyncio, os, signal, sys\n"
        "from core.settings import load_settings\n"
        "from models.session import Database\n"
        "from services.position_sync import rebuild\n"
        "rebuild._BATCHES_AT_ONCE = 1\n"
        "settings = load_settings(database_url=sys.argv[1])\n"
        "database = Database(settings.require_database_url(), application='test')\n"
        "die = lambda done, total: os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(rebuild.rebuild(database, None, settings, progress=die, executions_at_once=1))\n"
    )
    arguments = (sys.executable, "-c", program, settings.require_database_url())
    killed = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, env={**os.environ})
    assert await killed.wait() == -signal.SIGKILL
    # The first book is right, the second is not.
    assert len({(one.account, one.conid) for one in await found_by(database)}) == 1
    rebuilt = await rebuild(database, streams, settings)
    assert rebuilt.changed_books == 1
    assert await ledger_rows(database) == booked


async def test_workers_go_on_while_it_is_rebuilt_and_nothing_is_lost(
    relay: Relay, execute: Execute, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    facts = script(random.Random(8))  # noqa: S311 - a repeatable script, not a secret
    link = Link()
    await relay.handle([link.entry(*facts[:30])])
    await execute("DELETE FROM positions")
    await execute("UPDATE ledger_books SET dirty = true")
    working = True

    async def work() -> None:
        nonlocal working
        for fact in facts[30:]:
            await relay.handle([link.entry(fact)])
        working = False

    async def disturb() -> int:
        rounds = 0
        while working:
            await rebuild(database, streams, settings, executions_at_once=FEW)
            # What a worker has committed is never a false alarm.
            assert await found_by(database) == []
            rounds += 1
        return rounds

    _, rounds = await asyncio.gather(work(), disturb())
    assert rounds > 1
    await rebuild(database, streams, settings)
    assert await found_by(database) == []
    carried = await ledger_rows(database)
    async with database.write() as connection:
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await Sweep(database, streams, settings).run()
    assert await ledger_rows(database) == carried


async def test_names_with_any_character_are_compared_and_written_as_they_are(
    relay: Relay, execute: Execute, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    odd = "a\\N\tb\nc\r\b\f\v\\.é"
    link = Link()
    await relay.handle(
        [
            link.entry(
                execution(f"{odd}1.01", "5", account=odd),
                execution(f"{odd}1.02", "4", account=odd),
                execution(f"{odd}2.01", "-2", seconds=1, account=odd),
                commission(f"{odd}2.01"),
            )
        ]
    )
    right = await ledger_rows(database)
    assert await found_by(database) == []
    await execute("DELETE FROM positions")
    await execute("UPDATE executions SET corrected_by = NULL")
    await rebuild(database, streams, settings)
    assert await ledger_rows(database) == right
