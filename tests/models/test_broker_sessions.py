"""An epoch names what a connection told, so none is ever given out again."""

import asyncio

from sqlalchemy import text

from core.clock import utc_now
from models.session import Database
from models.stores.broker_sessions import open_broker_session
from tests.waiting import eventually


async def opened(database: Database, login: str = "one") -> int:
    async with database.write() as writer:
        session = await open_broker_session(
            writer,
            login=login,
            client_id=71,
            holder="here:1",
            now=utc_now(),
            earlier=0,
            earlier_ended="cut_off",
            earlier_ended_at=utc_now(),
        )
    return session.epoch


async def test_a_database_restored_from_a_backup_gives_out_no_epoch_again(database: Database) -> None:
    newest = max([await opened(database), await opened(database)])

    async def is_past() -> bool:
        async with database.read() as reader:
            later = text("SELECT extract(epoch FROM clock_timestamp()) >= :newest + 1")
            return bool((await reader.execute(later, {"newest": newest})).scalar_one())

    async with database.write() as writer:
        await writer.execute(text("TRUNCATE broker_sessions RESTART IDENTITY CASCADE"))
    await eventually(is_past)
    assert await opened(database) > newest


async def test_connections_that_begin_at_once_each_have_an_epoch_of_their_own(database: Database) -> None:
    epochs = await asyncio.gather(*(opened(database, f"login-{number}") for number in range(8)))
    assert len(set(epochs)) == 8


async def test_a_clock_that_was_set_back_takes_no_epoch_back(database: Database) -> None:
    ahead = 2_000_000_000_000
    async with database.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO broker_sessions (epoch, login, started_at) OVERRIDING SYSTEM VALUE "
                "VALUES (:ahead, 'one', now())"
            ),
            {"ahead": ahead},
        )
    assert [await opened(database), await opened(database)] == [ahead + 1, ahead + 2]
