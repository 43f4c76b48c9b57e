"""The migrations build what the tables say, tie a database to its portfolio, and are done whole or not."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import make_url, text

from core.errors import DatabaseUnavailableError, ProfileMismatchError
from core.settings import Settings
from models import migrate as migrating
from models import tables
from models.migrate import current_revision, head_revision, migrate
from models.session import Database
from services.stack import PostgresServer

ROOT = Path(__file__).parents[2]
POINTS = 6
"""So many statements are tried, spread evenly; with FULL=1 every one."""

MakeDatabase = Callable[[], Awaitable[str]]


@pytest.fixture
async def new_database(postgres_server: PostgresServer) -> AsyncIterator[MakeDatabase]:
    """Makes databases without anything in them; their addresses."""
    admin = await asyncpg.connect(postgres_server.url)
    names: list[str] = []

    async def make() -> str:
        names.append(f"test_{uuid.uuid4().hex}")
        await admin.execute(f"CREATE DATABASE {names[-1]}")
        return postgres_server.url_of(names[-1]).replace("postgresql://", "postgresql+asyncpg://")

    yield make
    for name in names:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def drift(database: Database) -> list[Any]:
    """How the database differs from what the tables say."""
    async with database.write() as connection:
        return await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True}), tables.metadata
            )
        )


async def names_in(database: Database) -> set[str]:
    """Everything that migrations make."""
    async with database.read() as reader:
        rows = await reader.execute(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        )
        return {row.relname for row in rows}


def launch(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("killed_migration.py")), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def launched(*arguments: str) -> str:
    process = launch(*arguments)
    out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, err
    return out


async def test_the_migrated_database_is_what_the_tables_say(database: Database) -> None:
    assert await drift(database) == []


async def test_a_migration_that_is_killed_leaves_nothing_behind_and_is_done_whole_the_next_time(
    new_database: MakeDatabase,
) -> None:
    statements = int(await launched(await new_database(), "before:0"))
    every = "FULL" in os.environ
    numbers = range(1, statements + 1)
    chosen = (
        [*(f"before:{number}" for number in numbers), f"after:{statements}"]
        if every
        else [
            f"{'before' if point % 2 else 'after'}:{1 + point * (statements - 1) // (POINTS - 1)}"
            for point in range(POINTS)
        ]
    )
    for start in range(0, len(chosen), POINTS):
        await _kill_and_repeat(chosen[start : start + POINTS], statements, new_database)


async def _kill_and_repeat(points: list[str], statements: int, new_database: MakeDatabase) -> None:
    urls = [await new_database() for _ in points]
    said = await launched(*(word for pair in zip(urls, points, strict=True) for word in pair))
    assert said == "", "each of them was killed"
    for url, point in zip(urls, points, strict=True):
        database = Database(url, application="test")
        # What comes after the commit is only letting go of the lock.
        is_committed = point.endswith(f":{statements}")
        assert bool(await names_in(database)) == is_committed, point
        await asyncio.wait_for(migrate(url, "main"), 240)
        assert await drift(database) == [], point
        await database.close()


async def test_a_migration_whose_connections_are_ended_says_so_and_can_be_repeated(
    new_database: MakeDatabase, postgres_server: PostgresServer
) -> None:
    url = await new_database()
    with launch(url, "pause:30") as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "paused\n"
        admin = await asyncpg.connect(postgres_server.url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
            make_url(url).database,
        )
        await admin.close()
        _, err = await asyncio.to_thread(process.communicate, "\n")
    assert process.returncode == DatabaseUnavailableError.exit_code
    assert err.startswith("PostgreSQL cannot be reached")
    assert len(err.splitlines()) == 1
    database = Database(url, application="test")
    assert await names_in(database) == set()
    await migrate(url, "main")
    assert await drift(database) == []
    await database.close()


async def test_a_migration_that_others_keep_from_a_table_gives_up_and_says_what_to_do(
    new_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT_SECONDS", 0.2)
    url = await new_database()
    database = Database(url, application="test")
    async with database.write() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrating._config(sync), "0003"))
    before = await names_in(database)
    async with database.write() as worker:
        await worker.execute(text("SELECT count(*) FROM broker_sessions"))
        with pytest.raises(DatabaseUnavailableError, match=r"in use.*Nothing was changed.*lotkeeper migrate"):
            await migrate(url, "main")
        assert await names_in(database) == before
        async with database.read() as reader:
            assert await current_revision(reader) == "0003"
    await migrate(url, "main")
    assert await drift(database) == []
    await database.close()


async def test_what_somebody_knew_of_is_told_by_currency_and_measured_anew_since_0031(
    new_database: MakeDatabase,
) -> None:
    url = await new_database()
    database = Database(url, application="test")
    async with database.write() as writer:
        await writer.run_sync(lambda sync: command.upgrade(migrating._config(sync), "0030"))
        await writer.execute(
            text(
                "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) "
                "VALUES ('U1', false, now(), now()), ('U2', false, now(), now())"
            )
        )
        await writer.execute(
            text(
                "INSERT INTO statement_differences (id, account, day, kind, cause, currency, reference, "
                "stated, import_id, line, found_at) SELECT gen_random_uuid(), account, date '2026-01-02', "
                "kind, cause, currency, '', 1, 1, 1, now() FROM (VALUES "
                "('U1', 'cash', 'unexplained', 'USD'), ('U1', 'cash', 'unexplained', 'USD'), "
                "('U1', 'realized', 'unexplained', 'USD'), "
                "('U1', 'realized', 'unexplained', 'EUR'), ('U1', 'quantity', 'unexplained', ''), "
                "('U2', 'cash', 'unexplained', 'CHF')) d (account, kind, cause, currency)"
            )
        )
        await writer.execute(
            text(
                "INSERT INTO issues (rule, severity, account, subject, summary, details, first_seen, "
                "opened_at, last_seen, magnitude, acknowledged_at, acknowledged_by, acknowledged_magnitude) "
                "SELECT rule, 'warning', account, subject, '', CAST('{}' AS jsonb), now(), now(), now(), 2, "
                "now(), 'me', 3 "
                "FROM (VALUES ('statement-difference', 'U1', 'cash/unexplained'), "
                "('statement-difference', 'U1', 'realized/unexplained'), "
                "('statement-difference', 'U1', 'quantity/unexplained'), "
                "('statement-difference', 'U2', 'cash/unexplained'), "
                "('account-value', 'U1', 'x'), ('snapshot-gap', 'U1', 'cash/unexplained')) "
                "i (rule, account, subject)"
            )
        )
        await writer.execute(
            text(
                "INSERT INTO issue_acknowledgements (issue_id, acknowledged_at, acknowledged_by, magnitude, "
                "ended_at, ended) SELECT id, now(), 'me', 1, now(), 'worse' FROM issues"
            )
        )
    await migrate(url, "main")
    async with database.read() as reader:
        found = await reader.execute(
            text(
                "SELECT i.rule, i.account, i.subject, i.magnitude, i.acknowledged_magnitude, a.magnitude "
                "FROM issues i JOIN issue_acknowledgements a ON a.issue_id = i.id ORDER BY 1, 2, 3"
            )
        )
        assert [tuple(row) for row in found] == [
            ("account-value", "U1", "x", None, None, None),
            # Those of another rule are what they were.
            ("snapshot-gap", "U1", "cash/unexplained", 2, 3, 1),
            ("statement-difference", "U1", "cash/unexplained/USD", None, None, None),
            ("statement-difference", "U1", "quantity/unexplained", None, None, None),
            # Of two currencies nobody knows which one was meant.
            ("statement-difference", "U1", "realized/unexplained", None, None, None),
            ("statement-difference", "U2", "cash/unexplained/CHF", None, None, None),
        ]
    await database.close()


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
