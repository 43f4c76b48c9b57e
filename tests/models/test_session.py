import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.settings import Settings
from models.session import Database, OwnConnection, is_disconnect

LOG = text("INSERT INTO sync_log (at, kind, message) VALUES (now(), 'test', :message)")


@pytest.fixture
async def unreachable(unused_port: int) -> AsyncIterator[Database]:
    database = Database(f"postgresql+asyncpg://x@127.0.0.1:{unused_port}/x", application="test")
    yield database
    await database.close()


async def test_a_writer_commits_when_its_block_ends_well(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(LOG, {"message": "kept"})
    with pytest.raises(RuntimeError):
        async with database.write() as connection:
            await connection.execute(LOG, {"message": "dropped"})
            raise RuntimeError
    async with database.read() as connection:
        kept = (await connection.execute(text("SELECT message FROM sync_log"))).scalars().all()
    assert kept == ["kept"]


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError, match="read-only") as caught:
        async with database.read() as connection:
            await connection.execute(text("DELETE FROM sync_log"))
    assert not is_disconnect(caught.value)


async def test_an_absent_server_is_a_disconnect(unreachable: Database) -> None:
    with pytest.raises(ConnectionRefusedError) as caught:
        async with unreachable.read():
            pass
    assert is_disconnect(caught.value)


async def test_a_connection_cut_by_the_server_is_a_disconnect(settings: Settings, database: Database) -> None:
    assert settings.database_url is not None
    other = await asyncpg.connect(settings.database_url.get_secret_value())
    with pytest.raises(DBAPIError) as caught:
        async with database.write() as connection:
            pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
            await connection.execute(text("SELECT 1"))
    await other.close()
    assert is_disconnect(caught.value)


def test_an_error_of_ours_is_no_disconnect() -> None:
    assert not is_disconnect(ValueError("no"))


async def test_an_errors_text_carries_no_values(database: Database) -> None:
    number = {"number": 7654321}
    with pytest.raises(DBAPIError, match="division by zero") as caught:
        async with database.write() as connection:
            await connection.execute(text("SELECT 1 / (CAST(:number AS integer) - 7654321)"), number)
    assert "[parameters" not in str(caught.value)
    assert "hidden" in str(caught.value)


@pytest.mark.parametrize("how", ["read", "read_one_moment", "write", "own"])
async def test_a_cancellation_ends_the_block_whatever_becomes_of_it_inside(
    settings: Settings, database: Database, how: str
) -> None:
    own = OwnConnection(
        settings.require_database_url(), application="test", answer_seconds=5, idle_seconds=20
    )
    begin = own.write if how == "own" else getattr(database, how)
    inside = asyncio.Event()

    async def work() -> None:
        async with begin() as connection:
            await connection.execute(text("SELECT 1"))
            with suppress(asyncio.CancelledError):
                inside.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await own.close()
