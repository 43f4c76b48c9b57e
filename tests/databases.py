"""Databases of tests on the server that they share."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
from sqlalchemy import text

from models.migrate import migrate
from models.session import Database
from services.stack import PostgresServer
from tests.models.grown import GROWN, statements

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND application_name LIKE :application"
)


def _spoken_by_asyncpg(url: str) -> str:
    return url.replace("postgresql://", "postgresql+asyncpg://")


async def run_sql(url: str, *statements: str) -> list[dict[str, Any]]:
    """Run statements one after the other; returns the rows of the last."""
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return [dict(row) for row in rows]
    finally:
        await connection.close()


async def create_database(server: PostgresServer, template: str) -> str:
    """Make a copy of ``template``; returns its URL."""
    name = f"test_{uuid.uuid4().hex}"
    # Copied as files it takes half as long as through the WAL, where nothing waits for a disk.
    await run_sql(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return server.url_of(name)


class Templates:
    """Databases of which tests have copies: whatever many of them start from is written once."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._names: dict[object, str] = {}

    def migrated(self) -> str:
        """The name of a database at the newest schema, profile ``main``."""

        async def write(url: str) -> None:
            await migrate(_spoken_by_asyncpg(url), "main")

        return self._made("migrated", "template1", write)

    def grown(self, further: str = "") -> str:
        """One in which much has happened for five years; and ``further`` statements."""

        async def write(url: str) -> None:
            await run_sql(url, *statements(further or GROWN))

        return self._made(("grown", further), self.grown() if further else self.migrated(), write)

    def seeded(self, seed: Callable[[Database], Awaitable[None]]) -> str:
        """One that a function has written into."""

        async def write(url: str) -> None:
            database = Database(_spoken_by_asyncpg(url), application="test")
            await seed(database)
            await database.close()

        return self._made(seed, self.migrated(), write)

    def _made(self, what: object, base: str, write: Callable[[str], Awaitable[None]]) -> str:
        if what not in self._names:

            async def make() -> str:
                url = await create_database(self._server, base)
                await write(url)
                return url.rpartition("/")[2]

            # A thread of its own: an async test may be the first to ask, and its loop is running already.
            with ThreadPoolExecutor(1) as executor:
                self._names[what] = executor.submit(asyncio.run, make()).result()
        return self._names[what]


async def drop_database(server: PostgresServer, url: str) -> None:
    """Drop it, whoever is still connected."""
    await run_sql(server.url, f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


async def waiting_for_locks(database: Database, application: str = "%") -> int:
    """How many connections, of an application, wait for what another holds."""
    async with database.read() as reader:
        return int((await reader.execute(_WAITING, {"application": application})).scalar_one())
