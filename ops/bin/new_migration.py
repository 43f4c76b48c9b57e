#!/usr/bin/env python3
"""Write a new migration: what the tables in ``models.tables`` have and the newest schema does not.

``python ops/bin/new_migration.py "add lots"``. Read the result: a machine cannot tell a rename from a drop.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

import migrations
from models.migrate import LOCK_TIMEOUT_SECONDS, migrate
from services.stack import PostgresServer


def write_revision(connection: Connection, name: str) -> None:
    """Compare and write the file."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    config.attributes["lock_timeout_seconds"] = LOCK_TIMEOUT_SECONDS
    command.revision(config, message=name, autogenerate=True)


async def compare(url: str, name: str) -> None:
    """Bring an empty database to the newest schema, then compare it with the tables."""
    url = url.replace("postgresql://", "postgresql+asyncpg://")
    await migrate(url, "main")
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(write_revision, name)
    await engine.dispose()


def main() -> None:
    """Run it on a throw-away server."""
    if len(sys.argv) != 2 or not sys.argv[1].strip():  # noqa: PLR2004 - the program and its one argument
        sys.exit('Name the migration: make migration name="add lots"')
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgresServer(Path(folder) / "postgres", durable=False) as server,
    ):
        asyncio.run(compare(server.url, sys.argv[1]))


if __name__ == "__main__":
    main()
