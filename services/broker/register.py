"""What becomes of a connection, written into its row in PostgreSQL without holding the link up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core import logs
from core.clock import Clock
from core.events.facts import LinkChanged
from models.session import Database, Writer, is_disconnect
from models.stores.broker_sessions import (
    LAST_WORD,
    end_broker_session,
    mark_broker_session_connected,
    record_session_state,
)
from models.stores.sync import append_log, link_entry
from services.broker import metrics
from services.broker.lease import DATABASE_AWAY

log = logs.get_logger(__name__)

_RETRY_FIRST_SECONDS = 0.1
_RETRY_MOST_SECONDS = 2.0


Action = Callable[[Writer], Awaitable[None]]


class Register:
    """Writes rows of ``broker_sessions``. The lease, which opens them, tells when PostgreSQL is away.

    Of what waits for PostgreSQL the newest of each epoch and kind is kept. While it is away there are no new
    epochs, so these are few.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._actions: dict[tuple[int, str], Action] = {}
        self._writing: asyncio.Task[None] | None = None

    def connected(self, epoch: int, server_version: int, time_zone: str) -> None:
        """Note that the connection is ready."""
        now = self._clock()
        self._begin(
            epoch,
            "connected",
            lambda writer: mark_broker_session_connected(
                writer, epoch=epoch, now=now, server_version=server_version, time_zone=time_zone
            ),
        )

    def fenced(self, epoch: int, change: LinkChanged) -> None:
        """Note that the link was fenced. As a fact of its epoch it would be refused."""

        async def write(writer: Writer) -> None:
            if epoch:
                await record_session_state(
                    writer,
                    epoch=epoch,
                    seq=LAST_WORD,
                    state=change.state,
                    at=change.since,
                    reason=change.reason,
                )
            await append_log(writer, [link_entry(change, epoch or None)])

        self._begin(epoch, "fenced", write)

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

    def _begin(self, epoch: int, kind: str, action: Action) -> None:
        self._actions.pop((epoch, kind), None)
        self._actions[epoch, kind] = action
        metrics.REGISTER_WAITING.set(len(self._actions))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="register")

    async def _write(self) -> None:
        retry_seconds = _RETRY_FIRST_SECONDS
        while self._actions:
            key, action = next(iter(self._actions.items()))
            if not await self._try(key[1], action):
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _RETRY_MOST_SECONDS)
                continue
            retry_seconds = _RETRY_FIRST_SECONDS
            if self._actions.get(key) is action:  # else a newer one has come meanwhile
                del self._actions[key]
            metrics.REGISTER_WAITING.set(len(self._actions))

    async def _try(self, kind: str, action: Action) -> bool:
        """Whether this is done with: written, or refused by a PostgreSQL that is there."""
        try:
            async with self._database.write() as writer:
                await action(writer)
        except DATABASE_AWAY as error:
            if is_disconnect(error) or isinstance(error, TimeoutError | PoolTimeoutError):
                return False
            log.error("session_not_noted", what=kind, error=error.__class__.__name__)  # noqa: TRY400 - the row's
        return True
