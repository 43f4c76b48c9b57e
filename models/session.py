"""Connections: reading and writing are different types; a commit happens at the edge only.

``Reader`` connections are in autocommit and read-only; ``Writer`` connections live inside one transaction
that commits when its ``async with`` block ends well.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NewType
from weakref import WeakSet

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, QueuePool

from core.metrics.machine import PoolUse
from core.tasks import heeding_cancellation
from models.pooler import WITHOUT_SESSION, hold_transactions_to

POOL_SECONDS = 10.0
READ_SECONDS = 60.0

CONNECT_SECONDS = 5.0
"""How long a server may take to let a pool's connection in."""

_OVERFLOW = 1
"""How many times the size of a pool it may have besides."""

Reader = NewType("Reader", AsyncConnection)
Writer = NewType("Writer", AsyncConnection)

DISCONNECTS = (
    OSError,
    OperationalError,
    InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
)
"""What a lost or refused PostgreSQL connection looks like from here."""


def is_disconnect(error: BaseException) -> bool:
    """Whether ``error`` means that PostgreSQL went away (try again) and not that the statement was wrong."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(
            error.orig.__cause__ if error.orig is not None else None, DISCONNECTS
        )
    return isinstance(error, DISCONNECTS)


_PASSING_STATES = ("08", "40", "53", "55", "57", "58")
"""SQLSTATE classes that say nothing against the statement: connection, deadlock, disk full, shutdown."""

_TOO_SLOW = "57014"
"""What PostgreSQL calls a statement that it stopped because it took too long. Locks are waited for less long
than that, so it is the statement that is slow, and may be so each time for what it is given."""


def is_passing(error: BaseException) -> bool:
    """Whether trying again later can help: PostgreSQL is away, or was not able just then."""
    if is_disconnect(error) or isinstance(error, PoolTimeoutError):
        return True
    state = sqlstate(error)
    return state.startswith(_PASSING_STATES) and state != _TOO_SLOW


def is_too_slow(error: BaseException) -> bool:
    """Whether PostgreSQL stopped a statement that took too long."""
    return sqlstate(error) == _TOO_SLOW


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's own code for the error; empty where it is none of PostgreSQL's."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")


class Database:
    """Pools of PostgreSQL connections, handed out as readers and writers; each connects when first used.

    Each has up to twice ``pool_size``; whoever gets none within ``pool_seconds`` has a ``PoolTimeoutError``.
    A query of a reader may take ``read_seconds``. Behind a pooler reading is done in transactions, too: see
    ``engine_for``.
    """

    def __init__(
        self,
        url: str,
        *,
        application: str,
        pool_size: int = 5,
        pool_seconds: float = POOL_SECONDS,
        read_seconds: float = READ_SECONDS,
        has_pooler: bool = False,
    ) -> None:
        self.has_pooler = has_pooler
        self._application = application
        self._most = pool_size * (1 + _OVERFLOW)
        self._writing = engine_for(url, application, pool_size, pool_seconds, has_pooler=has_pooler)
        self._reading = engine_for(
            url,
            application,
            pool_size,
            pool_seconds,
            has_pooler=has_pooler,
            **reading_settings(read_seconds),
        )
        if not has_pooler:
            self._reading = self._reading.execution_options(isolation_level="AUTOCOMMIT")
        _OPEN.add(self)

    def pools(self) -> list[PoolUse]:
        """How many connections are in use for reading and for writing."""
        engines = {"read": self._reading, "write": self._writing}
        return [
            PoolUse(f"{self._application}-{name}", engine.pool.checkedout(), self._most)
            for name, engine in engines.items()
            if isinstance(engine.pool, QueuePool)
        ]

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """A connection to read with."""
        with heeding_cancellation():
            async with self._reading.connect() as connection:
                if not self.has_pooler:
                    yield Reader(connection)
                else:
                    async with connection.begin():
                        yield Reader(connection)

    @asynccontextmanager
    async def read_one_moment(self) -> AsyncIterator[Reader]:
        """A connection on which every query sees the same moment, however much is written meanwhile."""
        with heeding_cancellation():
            async with self._reading.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ")
                async with connection.begin():
                    yield Reader(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writer]:
        """A transaction: commits when the block ends, rolls back when it raises."""
        with heeding_cancellation():
            async with self._writing.begin() as connection:
                yield Writer(connection)

    @asynccontextmanager
    async def write_of(self, account: str | None) -> AsyncIterator[Writer]:  # noqa: ARG002 - see models/restricted.py
        """The same, for what concerns this account alone; ``None``: none, or all of them."""
        async with self.write() as writer:
            yield writer

    async def close(self) -> None:
        """Close every connection."""
        _OPEN.discard(self)
        await self._writing.dispose()
        await self._reading.dispose()


_OPEN: WeakSet[Database] = WeakSet()


def pools_in_use() -> list[PoolUse]:
    """The pools of this process; those of one name are counted together."""
    in_use: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for database in list(_OPEN):
        for pool in database.pools():
            in_use[pool.name] += pool.in_use
            most[pool.name] += pool.most
    return [PoolUse(name, in_use[name], most[name]) for name in sorted(most)]


async def execute_slowly(writer: Writer, statement: str, seconds: float) -> None:
    """Execute what may take longer than PostgreSQL and the connection otherwise allow a statement."""
    raw = (await writer.get_raw_connection()).driver_connection
    if raw is None:
        raise RuntimeError("the connection is closed")
    await writer.execute(text(f"SET LOCAL statement_timeout = {round(seconds * 1000)}"))
    await raw.execute(statement, timeout=seconds + 5)


class OwnConnection:
    """One server connection of our own, for what lives exactly as long as it does: session locks.

    Connects when first used, and anew after a failure: whatever it held is gone then. The server itself ends
    it when it was idle for ``idle_seconds``, so what it holds does not outlive a process that stands still.
    """

    def __init__(self, url: str, *, application: str, answer_seconds: float, idle_seconds: float) -> None:
        idle_ms = str(int(idle_seconds * 1000))
        self._engine = create_async_engine(
            url,
            poolclass=NullPool,
            hide_parameters=True,
            connect_args={
                "timeout": 5,
                "command_timeout": answer_seconds,
                "server_settings": {
                    "application_name": f"lotkeeper-{application}",
                    "timezone": "UTC",
                    "idle_session_timeout": idle_ms,
                    "idle_in_transaction_session_timeout": idle_ms,
                },
            },
        )
        self._connection: AsyncConnection | None = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writer]:
        """A transaction, as of ``Database.write``. When it fails the connection is closed."""
        with heeding_cancellation():
            if self._connection is None:
                self._connection = await self._engine.connect()
            try:
                async with self._connection.begin():
                    yield Writer(self._connection)
            except BaseException:
                connection, self._connection = self._connection, None
                with suppress(*DISCONNECTS, DBAPIError):
                    await connection.invalidate()
                    await connection.close()
                raise

    async def close(self) -> None:
        """Close the connection, and with it let go of what it holds."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*DISCONNECTS, DBAPIError):
                await connection.close()


def reading_settings(read_seconds: float) -> dict[str, str]:
    """What PostgreSQL itself holds a connection to that is for reading."""
    return {
        "default_transaction_read_only": "on",
        "statement_timeout": str(int(read_seconds * 1000)),
    }


def engine_for(
    url: str,
    application: str,
    pool_size: int,
    pool_seconds: float,
    *,
    has_pooler: bool = False,
    **server_settings: str,
) -> AsyncEngine:
    """A pool of connections with these settings of the server; each connects when first used.

    Where there is a pooler between us and PostgreSQL the settings are those of each transaction, for the next
    one may be of another connection; and no statement is prepared for longer than it is executed. All that is
    done has to be in a transaction then.
    """
    held_to = {
        "timezone": "UTC",
        # In this order: what waits for a lock is told from what is slow, and both from no answer at all.
        "lock_timeout": "50000",
        "statement_timeout": "60000",
        "idle_in_transaction_session_timeout": "60000",
        **server_settings,
    }
    about = {"application_name": f"lotkeeper-{application}"}
    engine = create_async_engine(
        url,
        # Whatever the server's own default is: who waited for another sees what that wrote.
        isolation_level="READ COMMITTED",
        pool_size=pool_size,
        max_overflow=pool_size * _OVERFLOW,
        pool_pre_ping=True,
        pool_timeout=pool_seconds,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": 65,
            **(WITHOUT_SESSION if has_pooler else {}),
            "server_settings": about if has_pooler else about | held_to,
        },
    )
    if has_pooler:
        hold_transactions_to(engine, held_to)
    return engine
