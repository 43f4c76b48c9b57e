"""Behind a real PgBouncer that gives each transaction whichever of its two connections is free."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.settings import Settings
from models.session import Database
from models.stores.turns import take_turn
from services.api.app import create_app
from services.api.context import Context
from tests.pooling import pooler_before

pytestmark = [pytest.mark.pgbouncer, pytest.mark.xdist_group("e2e")]

_settled = text(
    "SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement, "
    "current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('TimeZone') AS zone, "
    "current_setting('transaction_isolation') AS isolation, current_setting('transaction_read_only') AS reads"
)
_backend = text("SELECT pg_backend_pid()")


@pytest.fixture
async def pooled(settings: Settings) -> AsyncIterator[Settings]:
    """Settings of a service whose PostgreSQL is behind a pooler."""
    direct = settings.require_database_url().replace("+asyncpg", "")
    async with pooler_before(direct, connections=2) as url:
        yield settings.model_copy(
            update={"database_url": SecretStr(url), "database_direct_url": SecretStr(direct)}
        )


@pytest.fixture
async def through(pooled: Settings) -> AsyncIterator[Database]:
    database = Database(
        pooled.require_database_url(), application="test", pool_size=4, has_pooler=pooled.has_pooler()
    )
    yield database
    await database.close()


async def test_each_transaction_is_held_to_what_is_asked_for_and_leaves_nothing(
    through: Database, pooled: Settings
) -> None:
    async with through.write() as writer:
        told = (await writer.execute(_settled)).one()
        assert told == ("50s", "1min", "1min", "UTC", "read committed", "off")
    async with through.read() as reader:
        assert (await reader.execute(_settled)).one() == (
            "50s",
            "1min",
            "1min",
            "UTC",
            "read committed",
            "on",
        )
    async with through.read_one_moment() as reader:
        told = (await reader.execute(_settled)).one()
        assert (told.isolation, told.reads) == ("repeatable read", "on")
    with pytest.raises(DBAPIError, match="read-only"):
        async with through.read() as reader:
            await reader.execute(text("DELETE FROM broker_accounts"))
    # Whoever comes without asking for anything finds the server's own settings.
    url = pooled.require_database_url().replace("+asyncpg", "")
    bare = await asyncpg.connect(url, statement_cache_size=0)
    try:
        left = await bare.fetchrow(f"{_settled.text}, current_user = session_user AS ourselves")
    finally:
        await bare.close()
    assert left is not None
    assert (left["lock"], left["statement"], left["reads"], left["ourselves"]) == ("0", "0", "off", True)


async def test_without_the_direct_address_the_pooler_refuses_what_sessions_are_told(pooled: Settings) -> None:
    database = Database(pooled.require_database_url(), application="test")
    try:
        with pytest.raises(DBAPIError, match="startup parameter"):
            async with database.read() as reader:
                await reader.execute(text("SELECT 1"))
    finally:
        await database.close()


async def test_many_at_once_share_two_connections(through: Database) -> None:
    served: set[int] = set()

    async def ask(number: int) -> int:
        async with through.read() as reader:
            # Statements of different shapes: one that was prepared for another would answer for it.
            asked = text(f"SELECT CAST(:given AS int) AS a{number % 7}, CAST(:named AS text)")
            row = (await reader.execute(asked, {"given": number, "named": str(number)})).one()
            served.add((await reader.execute(_backend)).scalar_one())
            assert row[1] == str(number)
            return int(row[0])

    async def note(number: int) -> int:
        async with through.write() as writer:
            await writer.execute(text("CREATE TEMPORARY TABLE noted (number int) ON COMMIT DROP"))
            await writer.execute(text("INSERT INTO noted VALUES (:number)"), {"number": number})
            served.add((await writer.execute(_backend)).scalar_one())
            return int((await writer.execute(text("SELECT number FROM noted"))).scalar_one())

    for _ in range(5):
        told = await asyncio.gather(*(work(n) for n in range(20) for work in (ask, note)))
        assert told == [n for n in range(20) for _ in range(2)]
    assert len(served) == 2


async def test_a_turn_lasts_as_long_as_its_transaction(
    through: Database,
) -> None:
    async with through.write() as first:
        await take_turn(first, "facts", wait_seconds=1, silence_seconds=10)
        with pytest.raises(DBAPIError, match="lock timeout"):
            async with through.write() as second:
                await take_turn(second, "facts", wait_seconds=0.05, silence_seconds=10)
    async with through.write() as second:
        await take_turn(second, "facts", wait_seconds=0.05, silence_seconds=10)


async def test_who_may_see_some_accounts_is_read_for_past_the_pooler(
    through: Database, pooled: Settings
) -> None:
    async with through.write() as writer:
        for account in ("U1", "U2"):
            await writer.execute(
                text(
                    "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) "
                    "VALUES (:account, false, now(), now())"
                ),
                {"account": account},
            )

    async def seen(database: Database) -> list[str]:
        async with database.read() as reader:
            rows = await reader.execute(text("SELECT account FROM broker_accounts ORDER BY account"))
            return list(rows.scalars())

    context: Context = create_app(pooled).state.context
    one, other = context.restricted.of(["U1"]), context.restricted.of(["U2"])
    try:
        told = await asyncio.gather(*(seen(those) for those in (one, context.database, other) * 4))
        assert told == [["U1"], ["U1", "U2"], ["U2"]] * 4
    finally:
        await context.restricted.close()
        await context.database.close()
