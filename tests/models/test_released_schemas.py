"""Every schema that was released is upgraded with data in it, in time, and nothing in it is lost or changed.

A release is one dump in ``tests/data/schemas``, ``VERSION.dump``, with what was in it in ``VERSION.json``.
``KEEP_SCHEMA=1`` writes that of the present version (``make schema``): once, when it is released.
"""

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from bench.seed import seed as history
from core.settings import Settings, load_settings
from core.version import installed_version
from models.migrate import head_revision, migrate, require_current
from models.session import Database
from services.backup.manifest import state_of
from services.backup.moment import tables_of
from services.backup.programs import choose, clients_for, libpq_environment, restore
from services.position_sync.rebuild import rebuild
from services.position_sync.validate import validate_ledger
from services.stack import PostgresServer
from services.stack.binaries import find_postgres
from tests.databases import create_database, drop_database, run_sql
from tests.services.backup.conftest import some_portfolio

FOLDER = Path(__file__).parents[1] / "data" / "schemas"
RELEASES = sorted(path.stem for path in FOLDER.glob("*.dump"))
SECONDS = 30.0
"""That an upgrade may take."""
DROPPED = {("broker_links", "id")}
"""What a later version drops, or derives anew: it was 1."""
COLUMNS = (
    "SELECT table_name AS name, array_agg(column_name::text ORDER BY column_name) AS columns "
    "FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) "
    "WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version' "
    "GROUP BY table_name"
)


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    url = asyncio.run(create_database(postgres_server, "template1"))
    yield url
    asyncio.run(drop_database(postgres_server, url))


def settings_of(url: str, home: Path) -> Settings:
    return load_settings(home=home, database_url=url, profile="main")


def run_program(command: list[str], url: str) -> None:
    subprocess.run(command, env=libpq_environment(url), check=True, capture_output=True)


async def columns_of(url: str) -> dict[str, list[str]]:
    return {row["name"]: row["columns"] for row in await run_sql(url, COLUMNS)}


async def content(url: str, columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """All rows of these tables, in these columns, as text."""
    found = {}
    for table, names in columns.items():
        row = ", ".join(f'"{name}"' for name in names)
        rows = await run_sql(url, f"SELECT ROW({row})::text AS row FROM {table} ORDER BY 1")  # noqa: S608
        found[table] = [one["row"] for one in rows]
    return found


@pytest.mark.skipif(not os.environ.get("KEEP_SCHEMA"), reason="it is written at a release, by make schema")
def test_the_schema_of_this_release_is_kept(url: str, tmp_path: Path) -> None:
    settings = settings_of(url, tmp_path)

    async def fill() -> dict[str, Any]:
        plain = settings.require_database_url()
        await migrate(plain, "main")
        database = Database(plain, application="test")
        await some_portfolio(database)
        await history(settings, 400, 12)
        await rebuild(database, None, settings)
        await database.close()
        tables = await tables_of(plain)
        return {
            "version": installed_version(),
            "schema": head_revision(),
            "state": state_of(tables),
            "rows": {name: table.rows for name, table in tables.items() if table.rows},
        }

    told = asyncio.run(fill())
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{told['version']}.dump"
    clients = clients_for(url, find_postgres().major, None)
    run_program(
        [
            *(clients.dump, "--format=custom", "--compress=9", "--no-owner", "--no-privileges"),
            *("--exclude-schema=lotkeeper_restricted", f"--file={file}"),
        ],
        url,
    )
    file.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


@pytest.mark.parametrize("release", RELEASES)
def test_a_released_schema_with_data_is_upgraded_in_time_and_keeps_every_value(
    release: str, url: str, tmp_path: Path
) -> None:
    told = json.loads((FOLDER / f"{release}.json").read_text(encoding="utf-8"))
    settings = settings_of(url, tmp_path)
    plain = settings.require_database_url()
    clients = clients_for(url, find_postgres().major, None)
    file = Path(shutil.copy(FOLDER / f"{release}.dump", tmp_path))
    # As a restore does: who may see what is made anew by the migration.
    restore(clients, make_url(url), file, choose(clients, make_url(url), file), 1).end()

    async def upgraded() -> None:
        before = await tables_of(plain)
        assert state_of(before) == told["state"], "the dump is what was kept"
        assert {table: found.rows for table, found in before.items() if found.rows} == told["rows"]
        old = {
            table: [name for name in names if (table, name) not in DROPPED]
            for table, names in (await columns_of(url)).items()
        }
        saved = await content(url, old)
        began = time.monotonic()
        await migrate(plain, "main")
        assert time.monotonic() - began < SECONDS
        await require_current(plain, "main")
        new = await columns_of(url)
        kept = {table: [one for one in names if one in new[table]] for table, names in old.items()}
        assert kept == old
        assert await content(url, old) == saved
        database = Database(plain, application="test")
        await rebuild(database, None, settings)
        found = await validate_ledger(database)
        await database.close()
        assert (found.differing, found.waiting) == (set(), [])
        assert found.executions > 500

    asyncio.run(upgraded())


def test_the_first_schema_with_facts_in_it_is_upgraded_in_time_and_folds(url: str, tmp_path: Path) -> None:
    """Of before the first release: what was received by then is booked by the version of now."""
    settings = settings_of(url, tmp_path)
    plain = settings.require_database_url()

    async def upgraded() -> None:
        await migrate(plain, "main", let_in=False, to="0001")
        await history(settings, 2_000, 20)
        facts = {
            table: columns
            for table, columns in (await columns_of(url)).items()
            if table in {"executions", "commission_reports", "instruments"}
        }
        saved = await content(url, facts)
        began = time.monotonic()
        await migrate(plain, "main")
        assert time.monotonic() - began < SECONDS
        assert await content(url, facts) == saved
        database = Database(plain, application="test")
        await rebuild(database, None, settings)
        found = await validate_ledger(database)
        await database.close()
        assert (found.executions, found.books, found.differing) == (2_000, 20, set())

    asyncio.run(upgraded())
