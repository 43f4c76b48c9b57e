"""What trades become refers to what is there: triggers see to it, once a statement instead of once a row."""

import asyncio
import uuid
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.session import Database, sqlstate
from models.stores.accounts import ensure_accounts
from models.stores.bulk import copy_line, copy_lines_into
from tests.databases import waiting_for_locks
from tests.models.holding import hold
from tests.waiting import eventually

NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
REFUSED = "23503"
ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)

INSTRUMENT = (
    "INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, exchange, "
    "trading_class, expiry, option_right, updated_at) "
    "VALUES ({0}, 'S', 'S', 'STK', 'USD', 1, '', '', '', '', now())"
)
EXECUTIONS = (
    "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, quantity, "
    "price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, zone_assumed, source, "
    "received_at, epoch) SELECT 'x' || n || a || c, 'x' || n || a || c, 1, a, c, now(), 'BOT', 1, 1, 0, 0, "
    "0, '', '', 0, '', false, 'live', now(), 0 FROM (VALUES {0}) AS v(n, a, c)"
)
EVENT = (
    "INSERT INTO position_events (position_id, seq, type, executed_at, quantity, position_after) "
    "SELECT p, n, 'increased', now(), 1, 1 FROM (VALUES {0}) AS v(p, n)"
)
LOT = (
    "INSERT INTO lots (position_id, seq, opened_at, quantity, remaining, commission, remaining_commission) "
    "SELECT p, n, now(), 1, 1, 0, 0 FROM (VALUES {0}) AS v(p, n)"
)
DISPOSAL = (
    "INSERT INTO lot_disposals (position_id, lot_seq, seq, opened_at, closed_at, quantity, open_commission, "
    "close_commission, provisional) SELECT p, 1, n, now(), now(), 1, 0, 0, false FROM (VALUES {0}) AS v(p, n)"
)
FOLDED = {"position_events": EVENT, "lots": LOT, "lot_disposals": DISPOSAL}
HERE, NOWHERE = f"(uuid '{ONE}', {{0}})", f"(uuid '{OTHER}', {{0}})"


@pytest.fixture
async def held(database: Database) -> Database:
    """One account, one instrument, one position with an event, a lot and a disposal, one execution."""
    async with database.write() as writer:
        await ensure_accounts(writer, {"A": NOW})
        await writer.execute(text(INSTRUMENT.format(7)))
    number = await hold(database, "A", 7, 5, opened_at=NOW)
    await run(database, "DELETE FROM position_events", "DELETE FROM lots")
    await run(database, f"UPDATE positions SET id = '{ONE}' WHERE id = '{number}'")  # noqa: S608 - as below
    await run(database, *(one.format(HERE.format(50)) for one in FOLDED.values()))
    await run(database, EXECUTIONS.format("(1, 'A', 7)"))
    return database


async def run(database: Database, *statements: str) -> None:
    async with database.write() as writer:
        for one in statements:
            await writer.execute(text(one))


async def refused(database: Database, *statements: str) -> bool:
    """Whether they are refused as a foreign key refuses, for one that names what they break."""
    try:
        await run(database, *statements)
    except DBAPIError as error:
        return sqlstate(error) == REFUSED
    return False


async def rows(database: Database, table: str) -> int:
    async with database.read() as reader:
        return int((await reader.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608 - the test's own words


async def test_an_execution_of_an_unknown_account_or_instrument_is_refused(held: Database) -> None:
    # One of many is enough, and nothing of the statement stays.
    assert await refused(held, EXECUTIONS.format("(2, 'A', 7), (3, 'B', 7), (4, 'A', 7)"))
    assert await refused(held, EXECUTIONS.format("(2, 'A', 7), (3, 'A', 8), (4, 'A', 7)"))
    assert await rows(held, "executions") == 1
    await run(held, EXECUTIONS.format("(2, 'A', 7), (3, 'A', 7)"))
    assert await rows(held, "executions") == 3


async def test_an_execution_cannot_be_moved_to_an_unknown_account_or_instrument(held: Database) -> None:
    assert await refused(held, "UPDATE executions SET account = 'B'")
    assert await refused(held, "UPDATE executions SET conid = 8")
    await run(held, INSTRUMENT.format(8), "UPDATE executions SET conid = 8")


@pytest.mark.parametrize("table", FOLDED)
async def test_what_a_position_consists_of_is_refused_without_it(held: Database, table: str) -> None:
    many = ", ".join((HERE.format(51), NOWHERE.format(51), HERE.format(52)))
    assert await refused(held, FOLDED[table].format(many))
    assert await refused(held, f"UPDATE {table} SET position_id = '{OTHER}'")  # noqa: S608 - the test's own words
    assert await rows(held, table) == 1


async def test_what_is_copied_in_is_held_to_it_too(held: Database) -> None:
    columns = (
        "position_id",
        "seq",
        "opened_at",
        "quantity",
        "remaining",
        "commission",
        "remaining_commission",
    )
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with held.write() as writer:
            await writer.execute(text("SELECT 1"))
            lines = [copy_line((one, 60, NOW, 1, 1, 0, 0)) for one in (ONE, OTHER)]
            await copy_lines_into(writer, "lots", columns, lines)
    assert await rows(held, "lots") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM broker_accounts",
        "UPDATE broker_accounts SET account = 'B'",
        "DELETE FROM instruments",
        "UPDATE instruments SET conid = 8",
    ],
)
async def test_what_executions_are_of_stays(held: Database, statement: str) -> None:
    # The ledger's own foreign keys would refuse it as well.
    await run(held, "DELETE FROM positions")
    assert await refused(held, statement)
    await run(held, "DELETE FROM executions", statement)


@pytest.mark.parametrize("table", FOLDED)
async def test_a_position_keeps_its_id_while_anything_is_of_it(held: Database, table: str) -> None:
    for other in FOLDED:
        if other != table:
            await run(held, f"DELETE FROM {other}")  # noqa: S608 - the test's own words
    renamed = f"UPDATE positions SET id = '{OTHER}'"  # noqa: S608 - the same
    assert await refused(held, renamed)
    await run(held, f"DELETE FROM {table}", renamed)  # noqa: S608 - the same


async def test_what_a_position_consists_of_goes_with_it_and_nothing_else(held: Database) -> None:
    await run(held, INSTRUMENT.format(8))
    other = await hold(held, "A", 8, 5, opened_at=NOW, closed_at=NOW)
    await run(held, DISPOSAL.format(f"(uuid '{other}', 1)"))
    before = {table: await rows(held, table) for table in FOLDED}
    await run(held, f"DELETE FROM positions WHERE id = '{ONE}'")  # noqa: S608 - the test's own words
    assert {table: await rows(held, table) for table in FOLDED} == {one: n - 1 for one, n in before.items()}
    await run(held, "DELETE FROM positions")
    assert {await rows(held, table) for table in FOLDED} == {0}


@pytest.mark.parametrize("table", ["broker_accounts", "instruments"])
async def test_what_executions_are_of_is_not_emptied_under_them(held: Database, table: str) -> None:
    assert await refused(held, f"TRUNCATE {table} CASCADE")
    await run(held, f"TRUNCATE {table}, executions, positions, position_events, lots, lot_disposals CASCADE")


async def test_positions_are_not_emptied_under_what_they_consist_of(held: Database) -> None:
    assert await refused(held, "TRUNCATE positions")
    await run(held, "TRUNCATE positions, position_events, lots, lot_disposals")


async def test_who_deletes_waits_for_who_refers_to_it_and_is_then_refused(held: Database) -> None:
    await run(held, "DELETE FROM positions", "DELETE FROM executions")
    async with held.write() as writer:
        await writer.execute(text(EXECUTIONS.format("(9, 'A', 7)")))
        deleting = asyncio.ensure_future(refused(held, "DELETE FROM instruments"))
        await eventually(lambda: waiting_for_locks(held))
    assert await deleting


async def test_who_refers_to_it_waits_for_who_deletes_it_and_is_then_refused(held: Database) -> None:
    async with held.write() as writer:
        await writer.execute(text("DELETE FROM positions"))
        adding = asyncio.ensure_future(refused(held, LOT.format(HERE.format(70))))
        await eventually(lambda: waiting_for_locks(held))
    assert await adding


@pytest.mark.parametrize("table", ["broker_accounts", "instruments", "positions"])
async def test_nothing_is_deleted_by_who_would_not_see_what_refers_to_it(held: Database, table: str) -> None:
    if table != "positions":
        await run(held, "DELETE FROM positions")
    with pytest.raises(DBAPIError) as raised:
        await run(
            held,
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            f"DELETE FROM {table}",  # noqa: S608 - the test's own words
        )
    assert sqlstate(raised.value) == "25000"
