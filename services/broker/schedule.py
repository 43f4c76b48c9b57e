"""When one connection is asked for what: as somebody wishes, after damage, and again and again."""

import asyncio
from collections.abc import Callable

from core import logs
from core.settings import Settings
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.ibkr import Ibkr
from services.broker.resync import Resync
from services.broker.subscriptions import Subscriptions
from services.broker.wishes import Wishes

EXECUTIONS_SECONDS = 60.0
"""Between requests for the executions of all clients: only those of our own client id are sure to be told."""

_REPAIR_SECONDS = 2.0
_RETRY_FIRST_SECONDS = 5.0
_RETRY_MOST_SECONDS = 60.0


class Schedule:
    """The comparisons of one connection, one at a time.

    ``on_answered`` is called when one of everything has ended and all that it asked was answered.
    """

    def __init__(
        self,
        connection: Connection,
        subscriptions: Subscriptions,
        resync: Resync,
        wishes: Wishes,
        ibkr: Ibkr,
        link: Link,
        settings: Settings,
        on_answered: Callable[[], None],
    ) -> None:
        self._listener = connection.listener
        self._flow = connection.flow
        self._subscriptions = subscriptions
        self._resync = resync
        self._wishes = wishes
        self._ibkr = ibkr
        self._link = link
        self._settings = settings
        self._on_answered = on_answered

    async def follow(self) -> None:
        """Ask until cancelled. While IBKR is away, or the gateway is held back, nothing is asked."""
        loop = asyncio.get_running_loop()
        damage, flow, resync = self._listener.signals.damage, self._flow, self._resync
        retry_seconds = _RETRY_FIRST_SECONDS
        retry_at: float | None = None
        # So often that a gateway which is well always answers before it is taken for stale.
        executions_seconds = min(EXECUTIONS_SECONDS, self._settings.ib_stale_seconds * 2 / 3)
        executions_at = loop.time() + resync.executions.until_next(executions_seconds)
        positions_at = loop.time() + self._settings.sweep_seconds
        repair_after = 0.0
        while True:
            await self._ibkr.up.wait()
            await flow.free.wait()
            deadlines = [executions_at, positions_at, *([retry_at] if retry_at is not None else [])]
            if damage.is_set():
                deadlines.append(max(repair_after, loop.time() + _REPAIR_SECONDS))
            await self._until(min(deadlines), damage)
            now = loop.time()
            if not self._ibkr.up.is_set() or not flow.free.is_set():
                continue
            if self._wishes.wake.is_set() or (retry_at is not None and now >= retry_at):
                ok = await self._full()
                retry_at = None if ok else loop.time() + retry_seconds
                retry_seconds = _RETRY_FIRST_SECONDS if ok else min(retry_seconds * 2, _RETRY_MOST_SECONDS)
                damage.clear()
                executions_at = loop.time() + resync.executions.until_next(executions_seconds)
                positions_at = loop.time() + self._settings.sweep_seconds
            elif damage.is_set() and now >= repair_after:
                damage.clear()
                repair_after = now + EXECUTIONS_SECONDS
                await self._repair()
            elif now >= executions_at:
                await resync.executions.ask_again()
                executions_at = loop.time() + resync.executions.until_next(executions_seconds)
            elif now >= positions_at:
                positions_at = now + self._settings.sweep_seconds
                await resync.positions()
                await resync.executions.check()

    async def _until(self, deadline: float, damage: asyncio.Event) -> None:
        """Wait for ``deadline``, a wish, or news of damage."""
        loop = asyncio.get_running_loop()
        waits = [asyncio.create_task(self._wishes.wake.wait())]
        if not damage.is_set():
            waits.append(asyncio.create_task(damage.wait()))
        try:
            timeout = max(deadline - loop.time(), 0)
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _full(self) -> bool:
        trigger, job_ids = self._wishes.take()
        losses = self._ibkr.losses
        if self._ibkr.renew:
            self._ibkr.renew = False
            self._subscriptions.renew()
        # Asked for under several ids, it is told under one of them, and each job's end under its own.
        with logs.caused_by(min(job_ids - {""}, default=None)):
            ok = await self._resync.full(trigger, job_ids, was_away=lambda: self._ibkr.losses > losses)
        if self._resync.was_answered:
            # However much of it could not be read: it was given the time that it takes.
            self._on_answered()
        if ok and not self._wishes:
            self._link.completed()
        return ok

    async def _repair(self) -> None:
        damaged = set(self._listener.damaged)
        if "positions" in damaged:
            await self._resync.positions()
        if "executions" in damaged:
            # What could be read was told; told again each minute, a busy day's fills would be too much.
            await self._resync.executions.ask(skip_known=True)
        if "account_values" in damaged:
            await self._resync.account_values()
