"""Accounts are compared with their statements again where the ledger changed, and once a night."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.cost_methods import set_cost_method
from models.stores.imports import one_at_a_time
from models.stores.statement_differences import hold_comparison
from services.position_sync import jobs
from services.position_sync import upkeep as upkeep_module
from services.position_sync.importing.history import last_night
from services.position_sync.rebuild import rebuild
from services.position_sync.relay import Relay
from services.position_sync.upkeep import Upkeep
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACCOUNT, Link, execution
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import period, trade
from tests.services.position_sync.test_repetitions import waiting_for
from tests.waiting import eventually

WISHES = "SELECT account, done, wanted FROM coalesced_jobs WHERE kind = 'statements'"
FOUND = "SELECT kind, ours, stated FROM statement_differences ORDER BY kind"
DAY = 86400


@pytest.fixture
async def upkeep(database: Database, streams: RedisStreams, settings: Settings) -> AsyncIterator[Upkeep]:
    redis = jobs.connect(settings)
    yield Upkeep(database, streams, settings, jobs.ComparisonQueue(redis, settings))
    await jobs.close(redis)


async def change(database: Database, statement: str) -> None:
    async with database.write() as connection:
        await connection.execute(text(statement))


async def make_due(database: Database) -> None:
    await change(database, "UPDATE coalesced_jobs SET due_at = now() - interval '1 s'")


async def be_compared_now(database: Database) -> None:
    """So that no night has passed since."""
    await change(database, "UPDATE statement_comparisons SET compared_at = now()")


async def stated(bring: Import, database: Database) -> None:
    await bring(
        period(1),
        trade("a.01.01", "10", "10", "0", seconds=1, realized_pnl="0", opens=True),
        trade("b.01.01", "10", "12", "0", seconds=2, realized_pnl="0", opens=True),
        trade("c.01.01", "-10", "15", "0", seconds=3, realized_pnl="50", closes=True),
    )
    await be_compared_now(database)


async def test_a_correction_of_what_statements_tell_of_has_them_compared(
    bring: Import, relay: Relay, upkeep: Upkeep, database: Database, rows: Rows
) -> None:
    await stated(bring, database)
    link = Link()
    told = [execution("a.01.02", "10", "11", seconds=1), execution("d.01.01", "1", seconds=4)]
    await relay.handle([link.entry(*told)])
    await relay.handle([link.entry(execution("a.01.03", "10", "9", seconds=1))])
    assert await rows(WISHES) == [{"account": ACCOUNT, "done": 0, "wanted": 2}]
    assert await rows(FOUND) == []
    await upkeep.compare_with_statements()
    assert await rows(FOUND) == [], "it is waited until things have settled"
    await make_due(database)
    await upkeep.compare_with_statements()
    assert await rows(FOUND) == [{"kind": "realized", "ours": 60, "stated": 50}]
    assert await rows(WISHES) == [{"account": ACCOUNT, "done": 2, "wanted": 2}]


async def test_what_happens_after_all_that_statements_tell_of_asks_for_nothing(
    bring: Import, relay: Relay, database: Database, rows: Rows
) -> None:
    await stated(bring, database)
    link = Link()
    await relay.handle([link.entry(execution("d.01.01", "5", seconds=2 * DAY))])
    await relay.handle([link.entry(execution("d.01.02", "6", seconds=2 * DAY))])
    await relay.handle([link.entry(execution("x.01.01", "5", seconds=5, account="DU2"))])
    await relay.handle([link.entry(execution("x.01.02", "6", seconds=5, account="DU2"))])
    assert await rows(WISHES) == []


async def test_another_cost_method_and_a_rebuild_have_them_compared(
    bring: Import,
    upkeep: Upkeep,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    rows: Rows,
) -> None:
    await stated(bring, database)
    async with database.write() as connection:
        await set_cost_method(connection, ACCOUNT, "lifo")
    await rebuild(database, streams, settings, account=ACCOUNT)
    await make_due(database)
    await upkeep.compare_with_statements()
    assert await rows(FOUND) == [{"kind": "realized", "ours": 30, "stated": 50}]


async def test_they_are_compared_once_a_night(
    bring: Import, upkeep: Upkeep, database: Database, rows: Rows
) -> None:
    await stated(bring, database)
    await upkeep.compare_with_statements()
    assert await rows(WISHES) == []
    await change(database, "UPDATE statement_comparisons SET compared_at = now() - interval '2 days'")
    await upkeep.compare_with_statements()
    assert await rows(WISHES) == [{"account": ACCOUNT, "done": 1, "wanted": 1}]
    [told] = await rows(
        "SELECT compared_at > now() - interval '1 minute' AS is_new FROM statement_comparisons"
    )
    assert told["is_new"]


async def test_while_an_import_compares_an_account_it_is_left_to_that(
    bring: Import, upkeep: Upkeep, database: Database, rows: Rows
) -> None:
    await stated(bring, database)
    await change(database, "UPDATE statement_comparisons SET compared_at = now() - interval '2 days'")
    async with database.write() as connection:
        await hold_comparison(connection, ACCOUNT)
        await upkeep.compare_with_statements()
    waiting = "SELECT account FROM coalesced_jobs WHERE kind = 'statements' AND done < wanted"
    assert await rows(f"{waiting} AND due_at > now()")
    await be_compared_now(database)
    await make_due(database)
    await upkeep.compare_with_statements()
    [wish] = await rows(WISHES)
    assert wish["done"] == wish["wanted"]


async def test_an_import_waits_for_the_comparison_of_its_own_accounts_and_of_no_other(
    bring: Import, database: Database, rows: Rows
) -> None:
    await stated(bring, database)
    async with database.write() as connection:
        await hold_comparison(connection, ACCOUNT)
        await bring(trade("x.01.01", "1", account="DU2"), name="other.xml")
        own = asyncio.create_task(bring(trade("d.01.01", "1", seconds=4), name="own.xml"))
        await eventually(waiting_for(database, "pg_advisory_xact_lock"))
        assert not own.done()
    await own
    assert [one["name"] for one in await rows("SELECT name FROM imports ORDER BY id")] == [
        *("a.xml", "other.xml", "own.xml")
    ]


async def test_an_account_is_compared_while_an_import_is_under_way_that_has_not_come_to_it(
    bring: Import, upkeep: Upkeep, database: Database, rows: Rows
) -> None:
    await stated(bring, database)
    await change(database, "UPDATE statement_comparisons SET compared_at = now() - interval '2 days'")
    async with database.write() as connection:
        await one_at_a_time(connection)
        await upkeep.compare_with_statements()
    [wish] = await rows(WISHES)
    assert wish["done"] == wish["wanted"]


def test_a_night_ends_at_four_in_new_york() -> None:
    noon = datetime(2026, 11, 20, 17, tzinfo=UTC)
    assert last_night(noon) == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert last_night(noon - timedelta(hours=9)) == datetime(2026, 11, 19, 9, tzinfo=UTC)


async def test_a_comparison_that_fails_is_not_tried_again_at_once(
    bring: Import, database: Database, upkeep: Upkeep, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stated(bring, database)
    await change(database, "UPDATE statement_comparisons SET compared_at = now() - interval '2 days'")
    tries: list[str] = []

    async def fail(_database: Database, account: str, _now: datetime) -> float | None:
        tries.append(account)
        raise RuntimeError

    monkeypatch.setattr(upkeep_module, "compare_again", fail)
    await upkeep.compare_with_statements()
    await upkeep.compare_with_statements()
    assert tries == [ACCOUNT]
    (wish,) = await rows("SELECT due_at > now() AS waits FROM coalesced_jobs WHERE kind = 'statements'")
    assert wish["waits"]
