"""Databases with something in them, an empty one beside, and keys."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core.settings import Settings, load_settings
from models.session import Database
from services.backup.creating import Created, create
from services.stack import PostgresServer
from tests.databases import Templates, create_database, drop_database, run_sql
from tests.services.snapshot.world import FIRST, HOUR, SECOND, seed

EXECUTIONS = (
    "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, quantity, "
    "price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, zone_assumed, source, "
    "received_at, epoch) SELECT 'c' || n, 'c' || n, 0, 'DU1000001', 265598, now(), 'BOT', 3, 11 + n / 7.0, "
    "0, 0, 0, '', '', 0, '', false, 'live', now(), 1 FROM generate_series({0}, {1}) n"
)


async def some_portfolio(database: Database) -> None:
    """Two accounts with what they hold, and five hundred fills."""
    await seed(database, FIRST, SECOND, at=HOUR)
    async with database.write() as writer:
        await writer.execute(text(EXECUTIONS.format(1, 500)))


@pytest.fixture
def template(request: pytest.FixtureRequest, templates: Templates) -> str:
    """One with something in it; see the marker ``grown`` for more."""
    if request.node.get_closest_marker("grown") is not None:
        return templates.grown()
    return templates.seeded(some_portfolio)


@pytest.fixture
def portfolio(postgres_url: str, tmp_path: Path) -> Settings:
    """Settings of a portfolio whose home is this test's."""
    return load_settings(home=tmp_path / "home", database_url=postgres_url)


@pytest.fixture
async def empty(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings of another machine: another home, and a database with nothing in it."""
    url = await create_database(postgres_server, "template1")
    yield load_settings(home=tmp_path / "elsewhere", database_url=url)
    await drop_database(postgres_server, url)


@pytest.fixture
async def archive(portfolio: Settings) -> Created:
    """A backup of the portfolio."""
    return await create(portfolio, "cli")


def left_in(folder: Path) -> list[str]:
    """What is in a folder of archives and is not finished."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".unfinished-"))


def url_of(settings: Settings) -> str:
    """As the driver alone understands it."""
    return settings.require_database_url().replace("+asyncpg", "")


async def databases_beside(settings: Settings) -> list[str]:
    """What is left on the server of databases that restores made."""
    return await databases_named(settings, "restore|drill|replaced")


async def databases_named(settings: Settings, purposes: str) -> list[str]:
    found = f"SELECT datname FROM pg_database WHERE datname ~ '^lotkeeper_({purposes})_'"  # noqa: S608 - of ours
    return [row["datname"] for row in await run_sql(url_of(settings), found)]
