"""Connections: reading and writing are different types; a commit happens at the edge only.

``Reader`` connections are in autocommit and read-only; ``Writer`` connections live inside one transaction
that commits when its ``async with`` block ends well.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NewType

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

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
        async with self._reading.connect() as connection:
            yield Reader(connection)

    @asynccontextmanager
    async def read_one_moment(self) -> AsyncIterator[Reader]:
        """A connection on which every query sees the same moment, however much is written meanwhile."""
        async with self._reading.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield Reader(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writer]:
        """A transaction: commits when the block ends, rolls back when it raises."""
        async with self._writing.begin() as connection:
            yield Writer(connection)

    async def close(self) -> None:
        """Close every connection."""
        await self._writing.dispose()
        await self._reading.dispose()


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
            "command_timeout": 60,
            "server_settings": {
                "application_name": f"lotkeeper-{application}",
                "timezone": "UTC",
                "statement_timeout": "60000",
                "idle_in_transaction_session_timeout": "60000",
                **server_settings,
            },
        },
    )
