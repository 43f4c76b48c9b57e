"""Reading for somebody who may see some accounts only: PostgreSQL leaves out the rows of all others.

The connections are of a pool of their own, and of the role that ``models.access`` speaks of from their first
moment on: none of them ever sees more, whoever had it before and however that ended. Which accounts count is
said at the beginning of each transaction, and forgotten by PostgreSQL at its end; where it was not said,
nothing can be read.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Literal, NoReturn

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.errors import AllAccountsNeededError, RestrictionUnavailableError
from core.tasks import heeding_cancellation
from models.access import MAY_BE, SCHEMA, SETTING, Access, access_of, remedy
from models.session import (
    POOL_SECONDS,
    READ_SECONDS,
    Database,
    Reader,
    Writer,
    engine_for,
    reading_settings,
    sqlstate,
)

_NOT_PERMITTED = "42501"
_see = text(
    "SELECT set_config(:setting, CAST(CAST(:accounts AS text[]) AS text), true), "
    "current_user = :role AS bound"
)


class RestrictedPool:
    """Connections that see no more than the accounts that their transaction names.

    They are as many, and wait and read as long, as those of a ``Database``. ``url`` is PostgreSQL's own: what
    a pooler hands from one to the other has no role that it keeps.
    """

    def __init__(
        self,
        url: str,
        whole: Database,
        *,
        application: str,
        pool_size: int = 5,
        pool_seconds: float = POOL_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.whole = whole
        self._url = url
        self._application = application
        self._pool_size = pool_size
        self._pool_seconds = pool_seconds
        self._read_seconds = read_seconds
        self._bound: tuple[str, AsyncEngine] | None = None
        self._binding = asyncio.Lock()

    def of(self, accounts: Collection[str]) -> "RestrictedDatabase":
        """The database as somebody sees it who may see these accounts."""
        return RestrictedDatabase(self, accounts)

    @asynccontextmanager
    async def read(
        self, accounts: Collection[str], isolation: Literal["READ COMMITTED", "REPEATABLE READ"]
    ) -> AsyncIterator[Reader]:
        """A transaction that sees these accounts.

        Raises:
            AllAccountsNeededError: it asks for what is nobody's.
            RestrictionUnavailableError: the database has no such role, or we may not use it.
        """
        with heeding_cancellation():
            role, engine = await self._engine()
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level=isolation)
                async with connection.begin():
                    await _bind(connection, role, accounts)
                    try:
                        yield Reader(connection)
                    except DBAPIError as error:
                        if sqlstate(error) == _NOT_PERMITTED:
                            raise AllAccountsNeededError from error
                        raise

    async def _engine(self) -> tuple[str, AsyncEngine]:
        async with self._binding:
            if self._bound is None:
                async with self.whole.read() as reader:
                    access = await access_of(reader)
                    if access.role is None:
                        _refuse(access)
                    if not (await reader.execute(MAY_BE, {"role": access.role})).scalar_one():
                        _refuse(access)
                    path = (await reader.execute(text("SELECT current_setting('search_path')"))).scalar_one()
                engine = engine_for(
                    self._url,
                    self._application,
                    self._pool_size,
                    self._pool_seconds,
                    has_pooler=False,
                    **reading_settings(self._read_seconds),
                    role=access.role,
                    # The views there heed the role.
                    search_path=f"{SCHEMA}, {path}",
                )
                self._bound = access.role, engine
            return self._bound

    async def close(self) -> None:
        """Close every connection."""
        bound, self._bound = self._bound, None
        if bound is not None:
            await bound[1].dispose()


class RestrictedDatabase(Database):
    """What of the database somebody sees who may see some accounts; there is no way from here to more."""

    def __init__(self, pool: RestrictedPool, accounts: Collection[str]) -> None:
        self._pool = pool
        self._accounts = frozenset(accounts)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """A connection to read with."""
        async with self._pool.read(self._accounts, "READ COMMITTED") as reader:
            yield reader

    @asynccontextmanager
    async def read_one_moment(self) -> AsyncIterator[Reader]:
        """A connection on which every query sees the same moment, however much is written meanwhile."""
        async with self._pool.read(self._accounts, "REPEATABLE READ") as reader:
            yield reader

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Writer]:
        """Refused: it could be about any account.

        Raises:
            AllAccountsNeededError: always.
        """
        async with self.write_of(None) as writer:
            yield writer

    @asynccontextmanager
    async def write_of(self, account: str | None) -> AsyncIterator[Writer]:
        """A transaction about one of the accounts.

        Raises:
            AllAccountsNeededError: it is about another, or about all.
        """
        if account is None or account not in self._accounts:
            raise AllAccountsNeededError
        async with self._pool.whole.write() as writer:
            yield writer

    async def close(self) -> None:
        """Nothing is its own."""


async def _bind(connection: AsyncConnection, role: str, accounts: Collection[str]) -> None:
    asked = {"setting": SETTING, "accounts": sorted(accounts), "role": role}
    row = (await connection.execute(_see, asked)).one()
    if not row.bound:  # something between us and PostgreSQL dropped what we asked for when we connected
        raise RestrictionUnavailableError(
            f'PostgreSQL was not reached as the role "{role}". A proxy before it must let the start-up '
            "parameters `role` and `search_path` through."
        )


def _refuse(access: Access) -> NoReturn:
    raise RestrictionUnavailableError(
        "This database is not prepared for people with access to some accounts only. A database "
        f"administrator has to run: {remedy(access)} Then run: lotkeeper migrate"
    )
