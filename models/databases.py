"""Whole databases of a server: made beside the one in use, put in its place, dropped."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal

import asyncpg
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from models.access import SCHEMA, VIEWS
from models.session import is_disconnect, sqlstate
from models.tables import metadata

MAINTENANCE: Final = ("postgres", "template1")
"""Databases to be connected to while another is renamed."""

Purpose = Literal["restore", "drill", "replaced"]

HOLDS: Final = ("broker_accounts", "executions", "imports", "users")
"""A database with a row in one of these tables is somebody's; what a first start writes is nobody's."""

_NO_SUCH_DATABASE: Final = "3D000"
_NOT_PERMITTED: Final = "42501"
_IN_USE: Final = "55006"
_SECONDS: Final = 6 * 3600.0
_lock = text("SELECT pg_try_advisory_lock(hashtext('lotkeeper restore'), hashtext(:database))")
_there = text("SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)")
_connected = text(
    "SELECT DISTINCT coalesce(nullif(application_name, ''), usename, 'unknown') AS name "
    "FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend' AND application_name <> 'lotkeeper-backup' ORDER BY 1"
)
_strange = text(
    "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition "
    "AND n.nspname NOT IN ('information_schema', CAST(:restricted AS text)) AND n.nspname NOT LIKE 'pg\\_%' "
    "AND c.relname <> ALL (CAST(:ours AS text[])) "
    # What an extension brought belongs to nobody.
    "AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid "
    "AND d.deptype = 'e'))"
)
_left = text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)")


class MayNotMakeDatabasesError(Exception):
    """The role is not allowed to."""


class InUseError(Exception):
    """Somebody is connected to a database that was to be renamed."""


def direct_engine_url(url: str, database: str) -> URL:
    """The same server and role, another database."""
    return make_url(url).set(database=database)


def database_of(url: str) -> str:
    """The name of the database of a URL."""
    made = make_url(url)
    return made.database or made.username or ""


class Server:
    """A connection to the server besides the database in question, alone with that while it lasts."""

    def __init__(self, connection: AsyncConnection, target: str) -> None:
        self._connection = connection
        self.target = target

    def beside(self, purpose: Purpose) -> str:
        """A new name for a database beside the target."""
        return f"{self._prefix(purpose)}{secrets.token_hex(4)}"

    def _prefix(self, purpose: Purpose) -> str:
        whose = hashlib.sha256(self.target.encode()).hexdigest()[:8]
        return f"lotkeeper_{purpose}_{whose}_"

    async def major(self) -> int:
        """PostgreSQL's major version."""
        shown = await self._connection.execute(text("SELECT current_setting('server_version_num')::int"))
        return int(shown.scalar_one()) // 10_000

    async def has(self, name: str) -> bool:
        """Whether there is a database of that name."""
        return bool((await self._connection.execute(_there, {"name": name})).scalar_one())

    async def connected(self, name: str) -> Sequence[str]:
        """What is connected to a database, as it calls itself."""
        return list((await self._connection.execute(_connected, {"name": name})).scalars())

    async def create(self, name: str) -> None:
        """Make an empty database.

        Raises:
            MayNotMakeDatabasesError: the role has not the right to.
        """
        try:
            await self._connection.execute(
                text(f"CREATE DATABASE {_quoted(name)} TEMPLATE template0 ENCODING 'UTF8'")
            )
        except DBAPIError as error:
            if sqlstate(error) == _NOT_PERMITTED:
                raise MayNotMakeDatabasesError from None
            raise

    async def drop(self, name: str) -> None:
        """Drop it, whoever is connected."""
        await self._connection.execute(text(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)"))

    async def keep(self, name: str) -> str:
        """Give it a name under which nobody drops it; returns that."""
        kept = f"lotkeeper_kept_{secrets.token_hex(4)}"
        await self._connection.execute(text(f"ALTER DATABASE {_quoted(name)} RENAME TO {_quoted(kept)}"))
        return kept

    async def left(self, purpose: Purpose) -> Sequence[str]:
        """What somebody left who was killed: we are alone, so nobody is at it."""
        return list((await self._connection.execute(_left, {"prefix": self._prefix(purpose)})).scalars())

    async def put_in_place(self, name: str) -> str | None:
        """Give the target's name to ``name``; returns what the old target is called now, if there was one.

        In one transaction: the name is never gone, whenever this ends.

        Raises:
            InUseError: somebody is connected to one of them.
        """
        old = self.beside("replaced") if await self.has(self.target) else None
        renamed = [] if old is None else [f"ALTER DATABASE {_quoted(self.target)} RENAME TO {_quoted(old)}"]
        renamed.append(f"ALTER DATABASE {_quoted(name)} RENAME TO {_quoted(self.target)}")
        await self._connection.execute(text("BEGIN"))
        try:
            for statement in renamed:
                await self._connection.execute(text(statement))
        except BaseException as error:
            await self._connection.execute(text("ROLLBACK"))
            if sqlstate(error) == _IN_USE:
                raise InUseError from None
            raise
        await self._connection.execute(text("COMMIT"))
        return old


@asynccontextmanager
async def alone_with(url: str) -> AsyncIterator[Server | None]:
    """The server of a database that need not be there; ``None``: somebody else restores it just now.

    Raises:
        DBAPIError: it cannot be reached.
    """
    target = database_of(url)
    last: Exception | None = None
    for maintenance in MAINTENANCE:
        if maintenance == target:
            continue
        engine = create_async_engine(
            direct_engine_url(url, maintenance),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={
                "timeout": 5,
                "command_timeout": _SECONDS,
                "server_settings": {"application_name": "lotkeeper-backup", "idle_session_timeout": "0"},
            },
        )
        try:
            connection = await engine.connect()
        except (DBAPIError, asyncpg.PostgresError, OSError) as error:
            await engine.dispose()
            if is_disconnect(error) and sqlstate(error) != _NO_SUCH_DATABASE:
                raise
            last = error
            continue
        try:
            is_ours = (await connection.execute(_lock, {"database": target})).scalar_one()
            yield Server(connection, target) if is_ours else None
        finally:
            await connection.close()
            await engine.dispose()
        return
    raise last or ValueError(f"{target} is a database of the server's own")


async def holds_data(connection: AsyncConnection) -> bool:
    """Whether a database is somebody's: see ``HOLDS``."""
    for table in HOLDS:
        found = text("SELECT to_regclass(:name) IS NOT NULL")
        if not (await connection.execute(found, {"name": table})).scalar_one():
            continue
        if (await connection.execute(text(f"SELECT EXISTS (SELECT FROM {table})"))).scalar_one():  # noqa: S608 - words of this program's own
            return True
    return False


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def is_strange(connection: AsyncConnection) -> bool:
    """Whether a database has tables or views that are none of ours, whatever else it has."""
    ours = [*metadata.tables, *VIEWS, "alembic_version"]
    asked = {"ours": ours, "restricted": SCHEMA}
    return bool((await connection.execute(_strange, asked)).scalar_one())


async def analyse(connection: AsyncConnection) -> None:
    """Have the planner know what is there: of what was restored it knows nothing."""
    await connection.execute(text("ANALYZE"))
