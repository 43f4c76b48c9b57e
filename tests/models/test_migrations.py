"""The migrations build what the tables say, and tie a database to its portfolio."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import make_url, text

from core.errors import DatabaseUnavailableError, ProfileMismatchError
from core.settings import Settings
from models import tables
from models.migrate import current_revision, head_revision, migrate
from models.session import Database


async def test_the_migrated_database_is_what_the_tables_say(database: Database) -> None:
    async with database.write() as connection:
        drift = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True}), tables.metadata
            )
        )
    assert drift == []


async def test_a_migrated_database_is_at_the_newest_revision(database: Database) -> None:
    async with database.read() as connection:
        assert await current_revision(connection) == head_revision()


async def test_migrating_twice_and_at_once_changes_nothing(settings: Settings) -> None:
    url = settings.require_database_url()
    await asyncio.gather(*(migrate(url, "main") for _ in range(3)))


async def test_a_database_is_not_shared_by_two_portfolios(settings: Settings) -> None:
    with pytest.raises(ProfileMismatchError, match="keeps the main portfolio, and it was asked for as demo"):
        await migrate(settings.require_database_url(), "demo")


async def test_an_absent_server_is_a_sentence(unused_port: int) -> None:
    url = f"postgresql+asyncpg://lotkeeper@127.0.0.1:{unused_port}/lotkeeper"
    with pytest.raises(DatabaseUnavailableError, match="LOTKEEPER_DATABASE_URL"):
        await migrate(url, "main")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"database": "nowhere"}, '"nowhere" does not exist'),
    ],
)
async def test_a_refused_connection_is_a_sentence(
    settings: Settings, change: dict[str, str], reason: str
) -> None:
    url = make_url(settings.require_database_url()).set(**change)  # type: ignore[arg-type] - texts all
    with pytest.raises(DatabaseUnavailableError, match=f"{reason}.*LOTKEEPER_DATABASE_URL"):
        await migrate(url.render_as_string(hide_password=False), "main")


async def test_every_table_has_its_columns_checked_or_explained(database: Database) -> None:
    """An enumerated column carries a CHECK: the database refuses what the code does not know."""
    enumerated = {("positions", "status"), ("positions", "side"), ("executions", "side"), ("jobs", "status")}
    async with database.read() as connection:
        rows = await connection.execute(
            text(
                "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) "
                "FROM pg_constraint WHERE contype = 'c'"
            )
        )
        checks = [(table, definition) for table, definition in rows]
    for table, column in enumerated:
        assert any(name == table and f"({column} = ANY" in text_ for name, text_ in checks), (table, column)
