"""Positions answers whose end came before all of them: kept, and concluded once the rest is there.

Nobody stands and waits: what an answer lacks comes with later facts. PostgreSQL remembers what is left, so
that whichever worker looks next goes on with it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from core import logs
from core.clock import Clock
from core.events.facts import PositionsCompleted
from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database, Writer
from models.stores import inbox
from models.stores.dead_facts import bury
from models.stores.inbox import EntryName
from models.stores.sync import LogEntry, append_log
from models.tables.sync import POSITIONS_INCOMPLETE
from services.position_sync.announce import Announcement
from services.position_sync.asking import Comparisons
from services.position_sync.booking import Arrivals, book
from services.position_sync.faults import can_be_a_facts_fault, verdict
from services.position_sync.intake import Item, Sweep, as_dead

log = logs.get_logger(__name__)

ANSWER_PATIENCE: Final = timedelta(seconds=5)
"""Of what has not come by then, nothing will: the broker is asked again with the next resync."""

_MOST_AT_ONCE: Final = 100
_INCOMPLETE: Final = (
    "A positions answer arrived with fewer positions than it announced; nothing was closed by it."
)


class _End(msgspec.Struct):
    epoch: int
    seq: int
    fact: PositionsCompleted


async def leave(connection: Writer, waiting: Mapping[EntryName, Iterable[Sweep]]) -> None:
    """Remember the ends of answers of which something has still to arrive, by the entry that brought them."""
    for name, sweeps in sorted(waiting.items()):
        ends = msgspec.json.encode([_End(*sweep) for sweep in sweeps]).decode()
        await inbox.leave_unfinished(connection, name, ends)


class Answers:
    """What is left of positions answers, whichever worker left it."""

    def __init__(
        self,
        database: Database,
        streams: StreamPort | None,
        settings: Settings,
        comparisons: Comparisons,
        clock: Clock,
    ) -> None:
        self._database = database
        self._streams = streams
        self._settings = settings
        self._comparisons = comparisons
        self._clock = clock
        self._seen: dict[EntryName, datetime] = {}
        """Since when each is waited for here: whenever, and by whatever clock, it was left."""

    async def finish(self) -> bool:
        """Conclude what can be, and give up what has been waited for long enough; whether any is left."""
        async with self._database.read() as reader:
            left = await inbox.unfinished(reader, _MOST_AT_ONCE)
        now = self._clock()
        self._seen = {name: self._seen.get(name, now) for name in left}
        for name, since in self._seen.items():
            await self._finish(name, is_over=now - since >= ANSWER_PATIENCE)
        return bool(left)

    async def _finish(self, name: EntryName, *, is_over: bool) -> None:
        try:
            await self._try(name, is_over=is_over)
        except Exception as error:
            if not can_be_a_facts_fault(error):
                raise
            await self._bury(name, error)

    async def _try(self, name: EntryName, *, is_over: bool) -> None:
        async with self._database.write() as connection:
            sweeps = await self._hold(connection, name)
            if not sweeps:
                return
            booked = await book(connection, Arrivals(sweeps=sweeps), self._clock())
            announcement = booked.announced + await Announcement.prepare(connection, booked.changes)
            given_up = booked.unfinished if is_over else []
            if is_over or not booked.unfinished:
                await inbox.conclude(connection, name)
            else:
                await leave(connection, {name: booked.unfinished})
            entries = [
                LogEntry(self._clock(), sweep.epoch, POSITIONS_INCOMPLETE, _INCOMPLETE) for sweep in given_up
            ]
            await append_log(connection, entries)
            ended = [sweep.fact for sweep in sweeps if sweep not in booked.unfinished]
            wanted = await self._comparisons.want(connection, [booked], ended)
        for sweep in given_up:
            log.warning("positions_answer_incomplete", expected=sweep.fact.count)
        await announcement.publish(self._database, self._streams, self._settings)
        await self._comparisons.ask(wanted)

    async def _bury(self, name: EntryName, error: Exception) -> None:
        async with self._database.write() as connection:
            sweeps = await self._hold(connection, name)
            dead = [as_dead(Item(*sweep), *verdict(error), self._clock()) for sweep in sweeps]
            await bury(connection, dead)
            await inbox.conclude(connection, name)
        log.warning("positions_answer_kept_aside", error=type(error).__name__)

    async def _hold(self, connection: Writer, name: EntryName) -> list[Sweep]:
        left = await inbox.hold_unfinished(connection, name)
        ends = msgspec.convert(left or [], list[_End])
        return [Sweep(one.epoch, one.seq, one.fact) for one in ends]
