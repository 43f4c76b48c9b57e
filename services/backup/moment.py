"""One moment of a database: what is dumped and what is counted agree, whatever is written meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.migrate import current_revision, sentence_for_disconnects
from models.queries.state_hash import stored_tables, table_states, write_rows_plainly
from models.session import OwnConnection
from services.backup.errors import BackupFailedError, BackupLockedError
from services.backup.manifest import TableState

MOST_SECONDS: Final = 6 * 3600.0
"""That a backup, or a restore, may take."""

_alone = text("SELECT pg_try_advisory_xact_lock(hashtext('lotkeeper backup'), 0)")
_facts = text(
    "SELECT pg_export_snapshot() AS snapshot, transaction_timestamp() AS taken_at, "
    "current_setting('server_version_num')::int / 10000 AS major, "
    "(SELECT to_regclass('installation') IS NOT NULL) AS is_ours"
)


@dataclass(frozen=True)
class Moment:
    """What a connection sees for as long as it is held, and others under the name of the snapshot."""

    snapshot: str
    taken_at: datetime
    server_major: int
    schema: str
    profile: str
    connection: AsyncConnection

    async def tables(self) -> dict[str, TableState]:
        """Rows and hashes of all tables. Reads all there is."""
        await write_rows_plainly(self.connection)
        found = await table_states(self.connection, await stored_tables(self.connection))
        return {name: TableState(rows, hashed) for name, (rows, hashed) in found.items()}


@asynccontextmanager
async def moment_of(url: str) -> AsyncIterator[Moment]:
    """Hold the present moment of a database of ours.

    Raises:
        BackupLockedError: another backup of it is under way.
        BackupFailedError: it was never migrated.
        DatabaseUnavailableError: it cannot be reached.
    """
    async with connected_to(url) as connection:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        if not (await connection.execute(_alone)).scalar_one():
            raise BackupLockedError("Another backup of this database is under way. Wait for its end.")
        facts = (await connection.execute(_facts)).one()
        revision = await current_revision(connection)
        if not facts.is_ours or revision is None:
            raise BackupFailedError("The database was never migrated: there is nothing to back up.")
        profile = (await connection.execute(text("SELECT profile FROM installation"))).scalar_one()
        yield Moment(facts.snapshot, facts.taken_at, facts.major, revision, profile, connection)


@asynccontextmanager
async def connected_to(url: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that may take as long as a backup.

    Raises:
        DatabaseUnavailableError: it cannot be reached.
    """
    own = OwnConnection(url, application="backup", answer_seconds=MOST_SECONDS, idle_seconds=MOST_SECONDS)
    try:
        with sentence_for_disconnects():
            async with own.write() as connection:
                yield connection
    finally:
        await own.close()


async def tables_of(url: str) -> dict[str, TableState]:
    """Rows and hashes of all tables of a database as it is now."""
    async with connected_to(url) as connection:
        await write_rows_plainly(connection)
        found = await table_states(connection, await stored_tables(connection))
    return {name: TableState(rows, hashed) for name, (rows, hashed) in found.items()}
