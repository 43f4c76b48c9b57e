"""Marks and profit-and-loss figures: the newest of each, written every few seconds."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import msgspec

from core import logs
from core.clock import Clock, utc_now
from core.domain.money import decimal_from_float
from core.errors import StreamUnavailableError
from core.events.facts import (
    LinkBeat,
    LinkChanged,
    MarkReported,
    PnlReported,
    Tick,
    decode_ticks,
    is_of_none_connected,
)
from core.settings import Settings
from core.streams.port import StreamPort
from core.tasks import begin_cleanup
from models.queries.reconciliation import accounts
from models.session import Database, is_passing
from models.stores.accounts import upsert_marks, upsert_pnl
from models.stores.bulk import SET_BACK_SECONDS
from models.stores.sync import record_link

log = logs.get_logger(__name__)

_READ_ENTRIES = 500
_BLOCK_MS = 1000
_RETRY_SECONDS = 1.0
_PAUSE_SECONDS = 0.1
"""Between reads: what is written every few seconds need not be fetched tick by tick."""

_SET_BACK = timedelta(seconds=SET_BACK_SECONDS)

Figures = TypeVar("Figures", MarkReported, PnlReported)


class LastKnown:
    """The newest tick of each key, until it is written."""

    def __init__(self) -> None:
        self.marks: dict[tuple[str, int], MarkReported] = {}
        self.pnl: dict[str, PnlReported] = {}
        self.links: dict[str, tuple[int, LinkBeat]] = {}

    def take(self, epoch: int, tick: Tick, login: str = "") -> None:
        """Remember a tick if it is newer than what is remembered of its key."""
        match tick:
            case MarkReported():
                key = (tick.account, tick.conid)
                self.marks[key] = _newer(self.marks.get(key), _usable(tick))
            case PnlReported():
                self.pnl[tick.account] = _newer(self.pnl.get(tick.account), _usable(tick))
            case LinkBeat():
                known = self.links.get(login)
                is_newer = known is None or epoch > known[0]
                if is_newer or (known is not None and epoch == known[0] and _supersedes(tick, known[1])):
                    self.links[login] = (epoch, tick)

    def __bool__(self) -> bool:
        return bool(self.marks or self.pnl or self.links)


def _usable(tick: Figures) -> Figures:
    """A figure that is not a number is unknown."""
    unusable = {
        name: None
        for name in tick.__struct_fields__
        if isinstance(value := getattr(tick, name), Decimal) and not value.is_finite()
    }
    return msgspec.structs.replace(tick, **unusable) if unusable else tick


def _newer(known: Figures | None, tick: Figures) -> Figures:
    """``tick``, with what it leaves unknown taken from the older one that is not written yet."""
    if known is None:
        return tick
    older, newer = (known, tick) if _supersedes(tick, known) else (tick, known)
    kept = {
        name: value
        for name in newer.__struct_fields__
        if getattr(newer, name) is None and (value := getattr(older, name)) is not None
    }
    return msgspec.structs.replace(newer, **kept) if kept else newer


def _supersedes(tick: Tick, known: Tick) -> bool:
    """Whether a tick that comes later is newer, too. One that seems far older is: the clock was set back."""
    return not known.received_at - _SET_BACK < tick.received_at < known.received_at


class TicksReader:
    """Follows the ticks stream from now on and writes the last known picture."""

    def __init__(
        self, database: Database, streams: StreamPort, settings: Settings, *, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._streams = streams
        self._settings = settings
        self._clock = clock
        self._known = LastKnown()
        self._newest_epochs: dict[str, int] = {}
        self._is_down = False

    async def run(self) -> None:
        """Read and write until cancelled; what is then unwritten is written on the way out."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(), name="ticks-read")
                tasks.create_task(self._write(), name="ticks-write")
        finally:
            begin_cleanup()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.flush()

    async def _read(self) -> None:
        after: str | None = None
        while True:
            try:
                after = after or await self._streams.last_id(self._settings.ticks_stream)
                entries = await self._streams.tail(
                    self._settings.ticks_stream, after, count=_READ_ENTRIES, block_ms=_BLOCK_MS
                )
            except StreamUnavailableError:
                # The consumer of the facts stream tells of it. A server that comes back empty counts anew.
                after = None
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for entry in entries:
                self.take(entry.data)
                after = entry.id
            if 0 < len(entries) < _READ_ENTRIES:
                await asyncio.sleep(_PAUSE_SECONDS)

    def take(self, payload: bytes) -> None:
        """Remember the ticks of one entry.

        An unreadable one is shed, as ticks may be, and so is one of a link that was replaced. How a link is
        that was not connected yet is stored where no other of its login is heard of.
        """
        try:
            batch = decode_ticks(payload)
        except msgspec.MsgspecError as error:
            log.warning("tick_unreadable", error=str(error))
            return
        newest = self._newest_epochs.get(batch.login, 0)
        self._newest_epochs[batch.login] = max(newest, batch.epoch)
        for tick in batch.ticks:
            if batch.epoch < newest and not is_of_none_connected(batch.epoch, tick):
                continue
            self._known.take(batch.epoch, tick, batch.login)

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(self._settings.last_known_flush_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Write what is remembered. While PostgreSQL is away it stays remembered."""
        if not self._known:
            return
        known, self._known = self._known, LastKnown()
        try:
            await self._store(known)
        except Exception as error:
            if not is_passing(error):
                log.exception("last_known_not_written")
                return
            self._restore(known)
            if not self._is_down:
                self._is_down = True
                log.warning("last_known_waiting", reason=type(error).__name__)
        else:
            if self._is_down:
                self._is_down = False
                log.info("last_known_resumed")

    def _restore(self, older: LastKnown) -> None:
        newer, self._known = self._known, older
        for mark in newer.marks.values():
            self._known.take(0, mark)
        for pnl in newer.pnl.values():
            self._known.take(0, pnl)
        for login, (epoch, beat) in newer.links.items():
            self._known.take(epoch, beat, login)

    async def _store(self, known: LastKnown) -> None:
        async with self._database.write() as connection:
            stored = set(await accounts(connection))
            await upsert_marks(connection, [tick for tick in known.marks.values() if tick.account in stored])
            await upsert_pnl(connection, [tick for tick in known.pnl.values() if tick.account in stored])
            for login, (epoch, beat) in sorted(known.links.items(), key=lambda one: one[1][0]):
                link = LinkChanged(
                    received_at=beat.received_at,
                    gateway=beat.gateway,
                    ibkr=beat.ibkr,
                    since=beat.since,
                    reason=beat.reason,
                    state=beat.state,
                )
                await record_link(
                    connection,
                    link,
                    beat.received_at,
                    epoch,
                    is_beat=True,
                    login=login,
                    clock_offset=decimal_from_float(beat.clock_offset_seconds),
                )
