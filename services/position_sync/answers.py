"""Positions answers whose end came before all of them: waited for, and concluded once they are there."""

import asyncio
from collections.abc import Sequence

from core import logs
from core.clock import Clock
from core.events.facts import PositionsCompleted
from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from models.stores import inbox
from models.stores.dead_facts import DeadFact, bury
from models.stores.inbox import EntryName
from models.stores.sync import LogEntry, append_log
from models.tables.sync import POSITIONS_INCOMPLETE
from services.position_sync.announce import Announcement
from services.position_sync.asking import Comparisons
from services.position_sync.booking import Arrivals, book
from services.position_sync.faults import can_be_a_facts_fault, verdict
from services.position_sync.intake import Item, Sweep, Told, as_dead

log = logs.get_logger(__name__)

SWEEP_WAIT_SECONDS = 0.2
"""Between looks for the rest of a positions answer, which another worker has in hand."""

_SWEEP_PATIENCE = 25
_INCOMPLETE = "A positions answer arrived with fewer positions than it announced; nothing was closed by it."


def ends_of_answers(told: Told) -> list[Sweep]:
    """The ends of positions answers in an entry."""
    return [
        Sweep(item.epoch, item.seq, item.fact)
        for item in told.items
        if isinstance(item.fact, PositionsCompleted)
    ]


class Answers:
    """What one worker waits for. The inbox remembers it, should the worker die meanwhile."""

    def __init__(
        self,
        database: Database,
        streams: StreamPort | None,
        settings: Settings,
        comparisons: Comparisons,
        clock: Clock,
        wait_seconds: float,
    ) -> None:
        self._database = database
        self._streams = streams
        self._settings = settings
        self._comparisons = comparisons
        self._clock = clock
        self._wait_seconds = wait_seconds

    async def left_waiting(self, repeated: Sequence[Told]) -> list[tuple[EntryName, Sweep]]:
        """Ends of answers in entries that were applied before, by a worker that did not come to conclude."""
        ends = {one.name: ends_of_answers(one) for one in repeated}
        names = [name for name, sweeps in ends.items() if sweeps]
        if not names:
            return []
        async with self._database.read() as reader:
            left = await inbox.unconcluded(reader, names)
        return [(name, sweep) for name in sorted(left) for sweep in ends[name]]

    async def finish(self, name: EntryName, sweep: Sweep) -> None:
        """Wait until what an answer told of, in another worker's hands, is committed; then conclude."""
        dead: DeadFact | None = None
        try:
            for _ in range(_SWEEP_PATIENCE):
                await asyncio.sleep(self._wait_seconds)
                if await self._conclude(name, sweep):
                    return
        except Exception as error:
            if not can_be_a_facts_fault(error):
                raise
            dead = as_dead(Item(*sweep), *verdict(error), self._clock())
        await self._give_up(name, sweep, dead)

    async def _conclude(self, name: EntryName, sweep: Sweep) -> bool:
        async with self._database.write() as connection:
            booked = await book(connection, Arrivals(sweeps=[sweep]), self._clock())
            announcement = booked.announced + await Announcement.prepare(connection, booked.changes)
            if not booked.unfinished:
                await inbox.conclude(connection, name)
            wanted = await self._comparisons.want(connection, [booked], [sweep.fact])
        await announcement.publish(self._database, self._streams, self._settings)
        await self._comparisons.ask(wanted)
        return not booked.unfinished

    async def _give_up(self, name: EntryName, sweep: Sweep, dead: DeadFact | None) -> None:
        log.warning("positions_answer_incomplete", expected=sweep.fact.count)
        entry = LogEntry(self._clock(), sweep.epoch, POSITIONS_INCOMPLETE, _INCOMPLETE)
        async with self._database.write() as connection:
            if not await inbox.conclude(connection, name):
                return
            if dead is None:
                await append_log(connection, [entry])
            else:
                await bury(connection, [dead])
