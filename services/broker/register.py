"""The register of connections in PostgreSQL: it gives each its epoch."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.clock import Clock
from core.settings import Settings
from models.session import DISCONNECTS, Database, Writer
from models.stores.broker_sessions import (
    end_broker_session,
    mark_broker_session_connected,
    open_broker_session,
)

log = logs.get_logger(__name__)

Result = TypeVar("Result")

_AWAY = (*DISCONNECTS, SQLAlchemyError, TimeoutError)
"""PostgreSQL is away, starting, or not migrated yet: all of it passes."""

_RETRY_FIRST_SECONDS = 0.1
_RETRY_MOST_SECONDS = 2.0


class Register:
    """Opens and ends rows of ``broker_sessions``. Waits for PostgreSQL, with one line when it is away."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._login = f"{settings.ib_host}:{settings.ib_port}/{settings.ib_client_id}"
        self._clock = clock
        self._connected: asyncio.Task[None] | None = None

    async def open(self, earlier_ended: str) -> int:
        """Begin a session: its epoch. The earlier one of this login ended with the reason given."""
        await self._stop_marking()
        return await self._insist(
            lambda writer: open_broker_session(
                writer, login=self._login, now=self._clock(), earlier_ended=earlier_ended
            )
        )

    def connected(self, epoch: int, server_version: int, time_zone: str) -> None:
        """Note that the connection is ready, without holding it up."""
        now = self._clock()
        self._connected = asyncio.create_task(
            self._insist(
                lambda writer: mark_broker_session_connected(
                    writer, epoch=epoch, now=now, server_version=server_version, time_zone=time_zone
                )
            ),
            name="register-connected",
        )

    async def end(self, epoch: int, reason: str, seconds: float) -> None:
        """Note the end, if that takes no longer than ``seconds``; the next session notes it otherwise."""
        await self._stop_marking()
        with suppress(*_AWAY):
            async with asyncio.timeout(seconds), self._database.write() as writer:
                await end_broker_session(writer, epoch=epoch, now=self._clock(), reason=reason)

    async def _stop_marking(self) -> None:
        task, self._connected = self._connected, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _insist(self, action: Callable[[Writer], Awaitable[Result]]) -> Result:
        retry_seconds = _RETRY_FIRST_SECONDS
        away = False
        while True:
            try:
                async with self._database.write() as writer:
                    result = await action(writer)
            except _AWAY as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from error  # swallowed below us
                if not away:
                    away = True
                    log.warning(
                        "database_away",
                        error=error.__class__.__name__,
                        explanation="waiting for PostgreSQL; check LOTKEEPER_DATABASE_URL and its migrations",
                    )
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _RETRY_MOST_SECONDS)
            else:
                if away:
                    log.info("database_back")
                return result
