"""One live link a login: a lock in PostgreSQL that ends when this process stands still, and its epochs.

The lock belongs to a server connection that is asked something every quarter of ``lease_seconds`` and that
the server ends when it hears nothing for that long. So a process that was stopped, or whose machine is gone,
is replaced by PostgreSQL's own clock. Epochs are drawn over the same connection: without the lock there is
none.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from enum import Enum
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.clock import Clock
from core.settings import Settings
from models.session import DISCONNECTS, OwnConnection, Writer
from models.stores.broker_sessions import Opened, holder_of_link, newest_epoch, open_broker_session
from models.stores.leases import (
    Backend,
    end_former_backend,
    others_hold_locks,
    own_backend,
    take_locks,
)
from services.broker import metrics
from services.broker.place import login_of, place_of

log = logs.get_logger(__name__)

DATABASE_AWAY = (*DISCONNECTS, SQLAlchemyError, TimeoutError)
"""PostgreSQL is away, starting, or not migrated yet: all of it passes."""

_PINGS_A_LEASE = 4
_RETRY_SECONDS = 1.0

T = TypeVar("T")


class Claim(Enum):
    """What came of asking for the login."""

    AWAY = "PostgreSQL does not answer, so nobody knows"
    HELD = "the login is ours"
    TAKEN = "another link has the login, or one of its accounts"


class Lease:
    """The lock on a login and its accounts. ``run`` takes it, keeps it, and takes it again after an outage.

    ``on_change`` is called when ``claim`` changes; ``changed`` is set with it. ``replaced`` is true when the
    lock was got back after somebody else had it long enough to draw an epoch. ``took_over_at`` is when
    (by the loop's clock) a session was begun that cut off another.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.login = login_of(settings)
        self._place = place_of(settings)
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self.claim = Claim.AWAY
        self.epoch = 0
        self.replaced = False
        self.took_over_at: float | None = None
        self.changed = asyncio.Event()
        self._lost = asyncio.Event()
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
        self._accounts: Sequence[str] = ()
        self._names: tuple[str, ...] = (f"login {self.login}",)
        self._held: frozenset[str] = frozenset()
        self._former: Backend | None = None
        self._one_at_a_time = asyncio.Lock()
        self._told_away = False

    async def run(self) -> None:
        """Take and keep the lock until cancelled."""
        while True:
            self._lost.clear()
            await self._ask(self._names)
            seconds = self._ping_seconds if self.claim is Claim.HELD else self._retry_seconds
            # Where it is lost, whether somebody else has it should be known at once.
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._lost.wait()

    async def hold_accounts(self, accounts: Collection[str]) -> Claim:
        """Take the locks of ``accounts`` too: one gateway can be reached under several names."""
        self._accounts = sorted(accounts)
        self._names = (self._names[0], *(f"account {account}" for account in self._accounts))
        if self.claim is Claim.HELD:
            await self._ask(self._names)
        return self.claim

    async def alone(self) -> bool:
        """Whether no other link, under whatever name of the gateway, has a lock in this database."""
        return await self._over_the_lock(others_hold_locks) is False

    async def open_epoch(self, earlier_ended: str, earlier_ended_at: datetime) -> int:
        """Begin a session: its epoch; 0 where the lock is not ours.

        Our own one before it ended as told. Another's that is still open is cut off by this.
        """

        async def begin(writer: Writer) -> Opened:
            return await open_broker_session(
                writer,
                login=self.login,
                client_id=self._client_id,
                holder=self.holder,
                place=self._place,
                now=self._clock(),
                earlier=self.epoch,
                earlier_ended=earlier_ended,
                earlier_ended_at=earlier_ended_at,
            )

        opened = await self._over_the_lock(begin)
        if opened is None:
            return 0
        self.epoch, self.replaced = opened.epoch, False
        if opened.cut_off:
            self.took_over_at = asyncio.get_running_loop().time()
        return opened.epoch

    async def current_holder(self) -> str:
        """Who has the link that we wait for, as far as PostgreSQL knows."""

        async def look(writer: Writer) -> str | None:
            return await holder_of_link(writer, self.login)

        async with self._one_at_a_time:
            return await self._do(look) or "another process"

    async def close(self) -> None:
        """Let go of the lock."""
        async with self._one_at_a_time:
            await self._own.close()
        metrics.LEASE.set(0)

    async def _over_the_lock(self, action: Callable[[Writer], Awaitable[T]]) -> T | None:
        """Do ``action`` over the connection that has the lock; ``None`` where there is none."""

        async def act(writer: Writer) -> T:
            if await own_backend(writer) != self._former:
                raise ConnectionResetError("the connection that had the lock is gone")
            return await action(writer)

        async with self._one_at_a_time:
            return await self._do(act) if self.claim is Claim.HELD else None

    async def _do(self, action: Callable[[Writer], Awaitable[T]]) -> T | None:
        """Do ``action`` over our own connection; ``None`` where PostgreSQL is away.

        The connection ends with whatever goes wrong, and so does what was held over it.
        """
        try:
            async with self._own.write() as writer:
                return await action(writer)
        except DATABASE_AWAY as error:
            self._lose(error)
            return None
        except BaseException:
            self._lose(None)
            raise

    async def _ask(self, names: Sequence[str]) -> None:
        async with self._one_at_a_time:
            claim = await self._do(lambda writer: self._take(writer, names))
            if claim is not None:
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
            self.replaced = await newest_epoch(writer, self.login, self._accounts) > self.epoch > 0
        self._held = frozenset({*self._held, *missing})
        self._former = backend
        return Claim.HELD

    def _lose(self, error: BaseException | None) -> None:
        """The connection is gone; ``error`` is what PostgreSQL did, ``None`` where it was no fault of its."""
        if error is not None and not self._told_away:
            self._told_away = True
            log.warning(
                "database_away",
                error=error.__class__.__name__,
                explanation="a link that is up goes on without it. Check LOTKEEPER_DATABASE_URL (or "
                "LOTKEEPER_DATABASE_DIRECT_URL) and the migrations",
            )
        self._held = frozenset()
        if self.claim is Claim.HELD:
            self._lost.set()
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
