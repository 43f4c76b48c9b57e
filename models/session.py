"""Connections: reading and writing are different types; a commit happens at the edge only.

``Reader`` connections are in autocommit and read-only; ``Writer`` connections live inside one transaction
that commits when its ``async with`` block ends well.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NewType

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from core.tasks import heeding_cancellation

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


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's own code for the error; empty where it is none of PostgreSQL's."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")


class Database:
    """Pools of PostgreSQL connections, handed out as readers and writers; each connects when first used."""

    def __init__(self, url: str, *, application: str, pool_size: int = 5) -> None:
        self._writing = _engine(url, application, pool_size)
        # PostgreSQL itself refuses a write on these.
        self._reading = _engine(
            url, application, pool_size, default_transaction_read_only="on"
        ).execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """A connection to read with."""
        with heeding_cancellation():
            async with self._reading.connect() as connection:
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

    async def close(self) -> None:
        """Close every connection."""
        await self._writing.dispose()
        await self._reading.dispose()


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


def _engine(url: str, application: str, pool_size: int, **server_settings: str) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            # In this order: what waits for a lock is told from what is slow, and both from no answer at all.
            "command_timeout": 65,
            "server_settings": {
                "application_name": f"lotkeeper-{application}",
                "timezone": "UTC",
                "lock_timeout": "50000",
                "statement_timeout": "60000",
                "idle_in_transaction_session_timeout": "60000",
                **server_settings,
            },
        },
    )
