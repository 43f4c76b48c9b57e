"""Of several who want to be the first user, one is."""

import asyncio

from core.clock import utc_now
from models.session import Database
from models.stores.users import create_first_user
from tests.databases import waiting_for_locks
from tests.waiting import eventually


async def first(database: Database, name: str) -> int | None:
    async with database.write() as writer:
        return await create_first_user(writer, name=name, password_hash="", now=utc_now())


async def test_whoever_comes_at_the_same_time_waits_and_is_not_the_first(database: Database) -> None:
    async with database.write() as writer:
        assert await create_first_user(writer, name="anna", password_hash="", now=utc_now())
        other = asyncio.create_task(first(database, "bert"))
        await eventually(lambda: waiting_for_locks(database), lambda count: count == 1)
    assert await other is None
    assert await first(database, "carl") is None
