"""One live link a login: a lock in PostgreSQL that ends when this process stands still, and its epochs.

The lock belongs to a server connection that is asked something every quarter of ``lease_seconds`` and that
the server ends when it hears nothing for that long. So a process that was stopped, or whose machine is gone,
is replaced by PostgreSQL's own clock. Epochs are drawn over the same connection: without the lock there is
none.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.clock import Clock
from core.settings import Settings
from models.session import DISCONNECTS, OwnConnection, Writer
from models.stores.broker_sessions import holder_of_link, newest_epoch, open_broker_session
from models.stores.leases import (
    Backend,
    end_former_backend,
    others_hold_locks,
    own_backend,
    take_locks,
)
from services.broker import metrics

log = logs.get_logger(__name__)

DATABASE_AWAY = (*DISCONNECTS, SQLAlchemyError, TimeoutError)
"""PostgreSQL is away, starting, or not migrated yet: all of it passes."""

_PINGS_A_LEASE = 4
_RETRY_SECONDS = 1.0


class Claim(Enum):
    """What came of asking for the login."""

    AWAY = "PostgreSQL does not answer, so nobody knows"
    HELD = "the login is ours"
    TAKEN = "another link has the login, or one of its accounts"


def login_of(settings: Settings) -> str:
    """What names a login. Another client id is the same login."""
    return f"{settings.ib_host.lower()}:{settings.ib_port}"


class Lease:
    """The lock on a login and its accounts. ``run`` takes it, keeps it, and takes it again after an outage.

    ``on_change`` is called when ``claim`` changes; ``changed`` is set with it. ``replaced`` is true when the
    lock was got back after somebody else had it long enough to draw an epoch.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.login = login_of(settings)
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self.claim = Claim.AWAY
        self.epoch = 0
        self.replaced = False
        self.changed = asyncio.Event()
        self.on_change: Callable[[], None] = lambda: None
        self._clock = clock
        self._client_id = settings.ib_client_id
        self._ping_seconds = settings.lease_seconds / _PINGS_A_LEASE
        self._retry_seconds = min(_RETRY_SECONDS, self._ping_seconds)
        self._own = OwnConnection(
            settings.require_database_direct_url(),
            application="lease",
            answer_seconds=self._ping_seconds,
            idle_seconds=settings.lease_seconds,
        )
        self._names: tuple[str, ...] = (f"login {self.login}",)
        self._held: frozenset[str] = frozenset()
        self._former: Backend | None = None
        self._one_at_a_time = asyncio.Lock()
        self._told_away = False

    async def run(self) -> None:
        """Take and keep the lock until cancelled."""
        while True:
            had = self.claim is Claim.HELD
            await self._ask(self._names)
            if self.claim is Claim.HELD:
                await asyncio.sleep(self._ping_seconds)
            elif not had:
                await asyncio.sleep(self._retry_seconds)
            # Else it was lost just now: whether somebody else has it should be known at once.

    async def hold_accounts(self, accounts: Collection[str]) -> Claim:
        """Take the locks of ``accounts`` too: one gateway can be reached under several names."""
        self._names = (self._names[0], *(f"account {account}" for account in sorted(accounts)))
        if self.claim is Claim.HELD:
            await self._ask(self._names)
        return self.claim

    async def alone(self) -> bool:
        """Whether no other link, under whatever name of the gateway, has a lock in this database."""
        return await self._over_the_lock(others_hold_locks) is False

    async def open_epoch(self, earlier_ended: str, earlier_ended_at: datetime) -> int:
        """Begin a session: its epoch; 0 where the lock is not ours. Earlier ones of this login have ended."""

        async def begin(writer: Writer) -> int:
            return await open_broker_session(
                writer,
                login=self.login,
                client_id=self._client_id,
                holder=self.holder,
                now=self._clock(),
                earlier_ended=earlier_ended,
                earlier_ended_at=earlier_ended_at,
            )

        epoch: int = await self._over_the_lock(begin) or 0
        if epoch:
            self.epoch, self.replaced = epoch, False
        return epoch

    async def current_holder(self) -> str:
        """Who has the link that we wait for, as far as PostgreSQL knows."""
        async with self._one_at_a_time:
            try:
                async with self._own.write() as writer:
                    return await holder_of_link(writer, self.login) or "another process"
            except DATABASE_AWAY as error:
                self._lose(error)
                return "another process"

    async def close(self) -> None:
        """Let go of the lock."""
        async with self._one_at_a_time:
            await self._own.close()
        metrics.LEASE.set(0)

    async def _over_the_lock(self, action: Callable[[Writer], Any]) -> Any:
        """Do ``action`` over the connection that has the lock; ``None`` where there is none."""
        async with self._one_at_a_time:
            if self.claim is not Claim.HELD:
                return None
            try:
                async with self._own.write() as writer:
                    # The connection was closed where it failed before: this one is that of the lock.
                    return await action(writer)
            except DATABASE_AWAY as error:
                self._lose(error)
                return None

    async def _ask(self, names: Sequence[str]) -> None:
        async with self._one_at_a_time:
            try:
                async with self._own.write() as writer:
                    claim = await self._take(writer, names)
            except DATABASE_AWAY as error:
                self._lose(error)
            else:
                self._conclude(claim)

    async def _take(self, writer: Writer, names: Sequence[str]) -> Claim:
        backend = await own_backend(writer)
        if backend != self._former:
            # A new connection: it holds nothing, and the one before it may still be dying.
            self._held = frozenset()
        missing = [name for name in names if name not in self._held]
        if not missing:
            return Claim.HELD
        if not await take_locks(writer, missing):
            self._held = frozenset()
            former = self._former
            if former is not None and former != backend and await end_former_backend(writer, former):
                return Claim.AWAY
            return Claim.TAKEN
        if not self._held:
            self.replaced = await newest_epoch(writer) > self.epoch > 0
        self._held = frozenset({*self._held, *missing})
        self._former = backend
        return Claim.HELD

    def _lose(self, error: BaseException) -> None:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error  # swallowed below us
        if not self._told_away:
            self._told_away = True
            log.warning(
                "database_away",
                error=error.__class__.__name__,
                explanation="a link that is up goes on without it. Check LOTKEEPER_DATABASE_URL (or "
                "LOTKEEPER_DATABASE_DIRECT_URL) and the migrations",
            )
        self._held = frozenset()
        self._conclude(Claim.AWAY)

    def _conclude(self, claim: Claim) -> None:
        metrics.LEASE.set(claim is Claim.HELD)
        if claim is not Claim.AWAY and self._told_away:
            self._told_away = False
            log.info("database_back")
        if claim is not self.claim:
            self.claim = claim
            self.changed.set()
            self.on_change()
