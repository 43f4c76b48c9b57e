"""Upgrade a long history of an old schema to the newest, beside the same migrations of an empty database.

The old schema is the first there was, with facts in it; the ledger is folded after an upgrade, by
the worker. The floor is what the migrations cost anyhow: the rest is what they do to rows.
``python -m bench.upgrade [EXECUTIONS [BOOKS]]``
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench.report import figure
from bench.seed import connect, seed
from core.settings import Settings, load_settings
from models.migrate import head_revision, migrate
from services.stack import PostgresServer

OLD = "0001"


async def _made(server: PostgresServer, name: str, home: Path) -> Settings:
    default = load_settings(home=home, database_url=server.url)
    connection = await connect(default)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    settings = load_settings(home=home, database_url=server.url_of(name))
    await migrate(settings.require_database_url(), settings.profile, let_in=False, to=OLD)
    return settings


async def _upgraded(settings: Settings) -> float:
    started = time.perf_counter()
    await migrate(settings.require_database_url(), settings.profile)
    return time.perf_counter() - started


async def main(server: PostgresServer, home: Path) -> None:
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    books = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    grown, empty = await _made(server, "grown", home), await _made(server, "empty", home)
    await seed(grown, executions, books)
    floor = await _upgraded(empty)
    seconds = await _upgraded(grown)
    connection = await connect(grown)
    kept = await connection.fetchval("SELECT count(*) FROM executions")
    await connection.close()
    if kept != executions:
        raise SystemExit(f"Of {executions:,} executions {kept:,} are left.")
    what = f"{executions:,} executions from schema {OLD} to {head_revision()}"
    figure(f"upgrade of {what}", seconds, floor, "s")


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory(prefix="lotkeeper-bench-") as folder,
        PostgresServer(Path(folder) / "postgres" / "server") as started,
    ):
        asyncio.run(main(started, Path(folder)))
