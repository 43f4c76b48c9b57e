"""Keeping the picture: from the database first, then from the streams, and again where either fails."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import msgspec

from core import logs
from core.clock import Clock
from core.errors import StreamUnavailableError
from core.events import changes, facts
from core.settings import Settings
from core.streams.port import Entry, StreamPort
from core.tasks import heeding_cancellation
from models.queries.accounts import accounts, trade_figures
from models.queries.sync import datasets
from models.session import Database
from services.api import metrics
from services.api.live.load import DATABASE_AWAY, load
from services.api.live.pace import Pace
from services.api.live.picture import Picture

log = logs.get_logger(__name__)


class Audience(Protocol):
    """Who wants to know that the picture changed."""

    def loaded_again(self) -> None:
        """All of it was read from the database."""
        ...

    def refreshed(self) -> None:
        """What belongs to many rows was read from the database."""
        ...

    def changed(self) -> None:
        """Something in it changed."""
        ...

    def recorded(self, change: changes.Change) -> None:
        """A change was committed."""
        ...

    def lost(self) -> None:
        """The streams began or ceased to be followed."""
        ...


class Following:
    """One picture and where it comes from."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        streams: StreamPort,
        picture: Picture,
        audience: Audience,
        *,
        clock: Clock,
        pace: Pace,
    ) -> None:
        self.lost_at: datetime = clock()
        self.since: datetime | None = None
        self.worker_down = False
        self._settings = settings
        self._database = database
        self._streams = streams
        self._picture = picture
        self._audience = audience
        self._clock = clock
        self._pace = pace
        self._recorded_at = 0.0
        self._refresh_asked = asyncio.Event()
        self._database_away = False

    # -- the streams -------------------------------------------------------------------------------------

    async def keep_following(self) -> None:
        """Load, follow, and begin again when either ends."""
        while True:
            ends = await self._ends()
            if await self._reload() and ends is not None:
                try:
                    with heeding_cancellation():
                        # In a task of its own: Python 3.11.2 (Debian 12) leaves a task whose group failed
                        # marked as cancelled, and each timeout in it, redis-py's too, ends in CancelledError.
                        await asyncio.create_task(self._follow(*ends), name="hub-follow")
                except* StreamUnavailableError:
                    self.lose_streams()
            else:
                await asyncio.sleep(self._pace.retry_seconds)

    async def _ends(self) -> tuple[str, str] | None:
        """The newest ids, read before the database so that nothing is missed; ``None``: Redis is away."""
        try:
            return (
                await self._streams.last_id(self._settings.changes_stream),
                await self._streams.last_id(self._settings.ticks_stream),
            )
        except StreamUnavailableError:
            self.lose_streams()
            return None

    def lose_streams(self) -> None:
        """Nothing comes any more: what the database knows is shown."""
        if self.since is not None:
            log.warning("streams_lost", reason="Redis cannot be reached; showing what the database knows")
            self.since = None
            self.lost_at = self._clock()
            self._picture.links = {}
        self._audience.lost()

    async def _follow(self, changes_after: str, ticks_after: str) -> None:
        log.info("streams_followed")
        self.since = self._clock()
        self._audience.lost()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tail(self._settings.changes_stream, changes_after, self._take_changes))
            group.create_task(self._tail(self._settings.ticks_stream, ticks_after, self._take_ticks))
            group.create_task(self._keep_refreshing())
            group.create_task(self._keep_weighing())

    async def _tail(self, stream: str, after: str, take: Callable[[Entry], None]) -> None:
        while True:
            entries = await self._streams.tail(stream, after, count=512, block_ms=1000)
            for entry in entries:
                after = entry.id
                try:
                    take(entry)
                except msgspec.DecodeError as error:
                    # One that a newer version wrote: the next reload brings what it meant.
                    metrics.UNREADABLE.labels(stream.rpartition(":")[2]).inc()
                    log.warning("stream_entry_unreadable", stream=stream, entry=entry.id, reason=str(error))
            if entries:
                self._changed()

    async def _keep_weighing(self) -> None:
        """Notice when facts wait and nothing is recorded: then what we show falls behind the broker."""
        waiting_since: float | None = None
        while True:
            about = await self._streams.info(self._settings.facts_stream)
            waiting = sum(group.pending_entries + (group.lag_entries or 0) for group in about.groups)
            if not about.groups:
                waiting = about.length_entries
            now = time.monotonic()
            waiting_since = (waiting_since or now) if waiting else None
            idle_since = max(waiting_since or now, self._recorded_at)
            self.worker_down = now - idle_since > self._pace.worker_seconds
            await asyncio.sleep(self._pace.weigh_seconds)

    def _take_changes(self, entry: Entry) -> None:
        self._recorded_at = time.monotonic()
        for change in changes.decode(entry.data).changes:
            self._picture.apply(change)
            self._audience.recorded(change)

    def _take_ticks(self, entry: Entry) -> None:
        batch = facts.decode_ticks(entry.data)
        now = self._clock()
        for tick in batch.ticks:
            self._picture.tick(tick, epoch=batch.epoch, now=now, login=batch.login)

    def _changed(self) -> None:
        if self._picture.dirty.figures:
            self._picture.dirty.figures = False
            self._refresh_asked.set()
        self._audience.changed()

    # -- the database ------------------------------------------------------------------------------------

    async def _reload(self) -> bool:
        self._picture.touched.clear()
        try:
            loaded = await load(self._database)
        except DATABASE_AWAY as error:
            self._say_database_away(error)
            return False
        self._say_database_back()
        self._picture.merge(loaded)
        self._picture.dirty.figures = False
        self._audience.loaded_again()
        self._changed()
        return True

    async def _keep_refreshing(self) -> None:
        """What changes do not carry whole is read anew, many changes at once; all of it once a minute."""
        reload_at = time.monotonic() + self._pace.reload_seconds
        figures_at = 0.0
        while True:
            wait = max(0.0, reload_at - time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._refresh_asked.wait()
            self._refresh_asked.clear()
            began = time.monotonic()
            if began >= reload_at:
                await self._reload()
                reload_at = time.monotonic() + self._pace.reload_seconds
            else:
                counting = began >= figures_at
                await self._refresh(counting=counting)
                if counting:
                    # Counting a long history costs something: never more than a twentieth of the time.
                    figures_at = began + max(1.0, 20 * (time.monotonic() - began))
                else:
                    asyncio.get_running_loop().call_later(figures_at - began, self._refresh_asked.set)
            await asyncio.sleep(self._pace.refresh_seconds)

    async def _refresh(self, *, counting: bool) -> None:
        try:
            async with self._database.read() as reader:
                known = await accounts(reader)
                downloads = await datasets(reader)
                figures = await trade_figures(reader) if counting else {}
        except DATABASE_AWAY as error:
            self._say_database_away(error)
            self._refresh_asked.set()
            return
        self._say_database_back()
        for row in known:
            self._picture.take_account(row)
        self._picture.take_figures(figures, downloads)
        self._audience.refreshed()
        self._changed()

    def _say_database_away(self, error: BaseException) -> None:
        if not self._database_away:
            self._database_away = True
            log.warning("database_lost", reason=error.__class__.__name__)

    def _say_database_back(self) -> None:
        if self._database_away:
            self._database_away = False
            log.info("database_back")
