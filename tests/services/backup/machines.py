"""A machine with an embedded server of its own, of which WAL is put away."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.settings import Settings, load_settings
from models.migrate import migrate
from models.session import Database
from services.backup.continuous import Recovery
from services.backup.manifest import TableState
from services.backup.moment import tables_of
from services.backup.receiving import Incoming, facts_of, wal_folder
from services.backup.recovering import reachable
from services.position_sync.rebuild import rebuild
from services.stack import PostgresServer
from tests.databases import run_sql
from tests.services.backup.conftest import EXECUTIONS, some_portfolio


@dataclass
class Machine:
    """Settings as they are while its server is stopped, and what was noted of it."""

    settings: Settings
    moment: datetime
    then: dict[str, TableState]
    later: dict[str, TableState]

    @property
    def folder(self) -> Path:
        return self.settings.data_dir / "postgres"

    def copied(self, into: Path) -> "Machine":
        # Whose a file is has to be the same.
        subprocess.run(["cp", "-a", self.settings.home, into], check=True)  # noqa: S607 - of the system
        return Machine(load_settings(home=into), self.moment, self.then, self.later)


def server_of(settings: Settings) -> PostgresServer:
    return PostgresServer(settings.data_dir / "postgres", durable=False)


def with_url(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(url)})


@contextmanager
def running(settings: Settings) -> Iterator[Settings]:
    with server_of(settings) as server:
        yield with_url(settings, server.url)


def counted(settings: Settings) -> dict[str, TableState]:
    with running(settings) as at:
        return asyncio.run(tables_of(at.require_database_url()))


def sql(settings: Settings, *statements: str) -> list[dict[str, Any]]:
    url = settings.require_database_url().replace("+asyncpg", "")
    return asyncio.run(run_sql(url, *statements))


async def looked(recovery: Recovery) -> None:
    """Have it look, and take the base backup that it finds due."""
    await recovery.look()
    await recovery.at_rest()


async def looks(recovery: Recovery, settings: Settings, *, segments: int = 0) -> None:
    """Have it look until all that was written before is received, and so many segments more are put away."""
    url = settings.require_database_url().replace("+asyncpg", "")
    database = recovery._database
    for _ in range(segments):
        await run_sql(url, "CREATE TABLE IF NOT EXISTS public.filler()", "DROP TABLE public.filler")
        await run_sql(url, "SELECT pg_switch_wal()")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        await looked(recovery)
        async with database.read() as reader:
            facts = await facts_of(reader)
        incoming = Incoming(wal_folder(settings) / facts.system)
        names = [piece.name for piece in incoming.pieces()]
        if not list(incoming.whole()) and facts.segment in names:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nothing came in")


def make(home: Path) -> Machine:
    """One that lost a table, and of which a moment before is known."""
    settings = load_settings(home=home, profile="main")
    settings.data_dir.mkdir(mode=0o711, parents=True)

    async def live(at: Settings) -> Machine:
        url = at.require_database_url()
        await migrate(url, "main")
        database = Database(url, application="test")
        await some_portfolio(database)
        await rebuild(database, None, at)
        recovery = Recovery(database, at)
        try:
            await looks(recovery, at)
            (window,) = reachable(at)
            plain = url.replace("+asyncpg", "")
            await run_sql(plain, EXECUTIONS.format(501, 600))
            await rebuild(database, None, at)
            # Its end is told late, by up to a second.
            await run_sql(plain, f"SELECT pg_sleep_until('{window.since.isoformat()}')")
            ((now,),) = [row.values() for row in await run_sql(plain, "SELECT clock_timestamp()")]
            then = await tables_of(url)
            # What was put away is told to end early, by up to a second.
            whole = now + timedelta(seconds=1)
            await run_sql(plain, f"SELECT pg_sleep_until('{whole.isoformat()}')")
            await run_sql(plain, EXECUTIONS.format(601, 700))
            await looks(recovery, at, segments=2)
            await run_sql(plain, "DROP TABLE marks CASCADE")
            later = await tables_of(url)
        finally:
            await recovery.close()
            await database.close()
        return Machine(settings, now, then, later)

    with running(settings) as at:
        return asyncio.run(live(at))
