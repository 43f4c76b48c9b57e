"""What becomes of a connection, written into its row in PostgreSQL without holding the link up."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from core.clock import Clock
from core.events.facts import LinkChanged
from models.session import Database, Writer
from models.stores.broker_sessions import (
    end_broker_session,
    mark_broker_session_connected,
    record_session_state,
)
from models.stores.sync import append_log, link_entry
from services.broker.lease import DATABASE_AWAY

_RETRY_FIRST_SECONDS = 0.1
_RETRY_MOST_SECONDS = 2.0


Action = Callable[[Writer], Awaitable[None]]


class Register:
    """Writes rows of ``broker_sessions``. The lease, which opens them, tells when PostgreSQL is away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._actions: deque[Action] = deque()
        self._writing: asyncio.Task[None] | None = None

    def connected(self, epoch: int, server_version: int, time_zone: str) -> None:
        """Note that the connection is ready."""
        now = self._clock()
        self._begin(
            lambda writer: mark_broker_session_connected(
                writer, epoch=epoch, now=now, server_version=server_version, time_zone=time_zone
            )
        )

    def fenced(self, epoch: int, change: LinkChanged) -> None:
        """Note that the link was fenced. As a fact of its epoch it would be refused."""

        async def write(writer: Writer) -> None:
            if epoch:
                await record_session_state(
                    writer, epoch=epoch, state=change.state, at=change.since, reason=change.reason
                )
            await append_log(writer, [link_entry(change, epoch or None)])

        self._begin(write)

    async def end(self, epoch: int, reason: str, seconds: float) -> None:
        """Note the end, if that takes no longer than ``seconds``; the next session notes it otherwise."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=seconds)
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if epoch:
            with suppress(*DATABASE_AWAY):
                async with asyncio.timeout(seconds), self._database.write() as writer:
                    await end_broker_session(writer, epoch=epoch, now=self._clock(), reason=reason)

    def _begin(self, action: Action) -> None:
        self._actions.append(action)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="register")

    async def _write(self) -> None:
        while self._actions:
            await self._insist(self._actions[0])
            self._actions.popleft()

    async def _insist(self, action: Action) -> None:
        retry_seconds = _RETRY_FIRST_SECONDS
        while True:
            try:
                async with self._database.write() as writer:
                    await action(writer)
            except DATABASE_AWAY as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from error  # swallowed below us
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _RETRY_MOST_SECONDS)
            else:
                return
