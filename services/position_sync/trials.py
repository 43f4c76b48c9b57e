"""Entries that come again and again: what is tried is noted before it is tried, so that a death can tell.

An entry that a worker dies on each time leaves nothing behind but its note. The next worker finds it, goes on
fact by fact, and sets aside the one on which workers have died often enough. A worker can also be killed from
outside while it is at it, so one death proves nothing.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from core import logs
from core.clock import Clock
from core.streams.port import Entry
from core.tasks import begin_cleanup
from models.session import Database, Writer
from models.stores import inbox
from models.stores.inbox import Trial

log = logs.get_logger(__name__)

SUSPICIOUS_DELIVERIES = 5
"""What was delivered so often, or tried so often in one process, is tried alone."""

DEATHS = 3
DIED = "each worker that tried it died"

_NOBODY = ""
_CALL_OFF_SECONDS = 2.0


@dataclass(slots=True)
class Course:
    """How an entry is to be tried. ``deadly`` are sequences of facts to be set aside for what they did."""

    entry: str
    by_one: bool = False
    is_hopeless: bool = False
    """Whether workers die before they even know its facts."""
    deadly: set[int] = field(default_factory=set)
    last: tuple[int | None, int] = (None, 0)
    """What was tried last, and how many died on that."""
    trying: int | None = None


class Trials:
    """Trials of one worker. Notes are committed at once, beside the transaction that tries."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._holder = uuid.uuid4().hex

    @asynccontextmanager
    async def trying(self, connection: Writer, entry: Entry) -> AsyncIterator[Course]:
        """Wait until nobody else tries ``entry``, and say how to try it.

        Where the block ends well, it is done. Where it does not, because of an error or because this worker
        is told to stop, nobody died.
        """
        course = await self._begin(connection, entry)
        try:
            yield course
            await inbox.forget_trial(connection, course.entry)
        except (Exception, asyncio.CancelledError):
            await self._call_off(course)
            raise

    async def _begin(self, connection: Writer, entry: Entry) -> Course:
        """Conclude from what was tried last how to try it now."""
        course = Course(hashlib.sha256(entry.data).hexdigest())
        last = await inbox.lock_trial(connection, course.entry)
        if last is not None:
            died = last.holder not in {_NOBODY, self._holder}
            deaths = last.deaths + died
            course.last = last.seq, deaths
            course.deadly.update(last.deadly)
            course.by_one = bool(deaths or course.deadly) or last.seq is not None
            if deaths >= DEATHS and last.seq is None:
                course.is_hopeless = True
            elif deaths >= DEATHS and last.seq is not None:
                course.deadly.add(last.seq)
            log.warning("entry_tried_again", deaths=deaths, by_one=course.by_one)
        await self.note(course, None)
        return course

    async def note(self, course: Course, seq: int | None) -> None:
        """Say that the fact ``seq``, or the entry as a whole, is tried next."""
        course.trying = seq
        await self._write(course, self._holder)

    async def _call_off(self, course: Course) -> None:
        begin_cleanup()
        with suppress(Exception):
            async with asyncio.timeout(_CALL_OFF_SECONDS):
                await self._write(course, _NOBODY)

    async def _write(self, course: Course, holder: str) -> None:
        tried, deaths = course.last
        trial = Trial(
            course.trying, deaths if tried == course.trying else 0, tuple(sorted(course.deadly)), holder
        )
        async with self._database.write() as connection:
            await inbox.note_trial(connection, course.entry, trial, self._clock())
