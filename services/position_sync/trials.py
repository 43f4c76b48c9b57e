"""Entries that come again and again: what is tried is noted before it is tried, so that a death can tell.

An entry that a worker dies on each time leaves nothing behind but its note. The next worker finds it, goes on
fact by fact, and sets aside the one on which workers have died often enough. A worker can also be killed from
outside while it is at it, so one death proves nothing.
"""

import hashlib
import uuid
from contextlib import suppress
from dataclasses import dataclass, field

from core import logs
from core.clock import Clock
from core.streams.port import Entry
from models.session import Database, Writer
from models.stores import inbox
from models.stores.inbox import Trial

log = logs.get_logger(__name__)

SUSPICIOUS_DELIVERIES = 5
"""What was delivered so often, or tried so often in one process, is tried alone."""

DEATHS = 3
DIED = "each worker that tried it died"

_NOBODY = ""


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

    async def begin(self, connection: Writer, entry: Entry) -> Course:
        """Wait until nobody else tries ``entry``, and conclude from what was tried last how to try it now."""
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

    async def call_off(self, course: Course) -> None:
        """The try ended in an error that can be told, so nobody died."""
        with suppress(Exception):
            await self._write(course, _NOBODY)

    async def end(self, connection: Writer, course: Course) -> None:
        """It is dealt with, in this transaction."""
        await inbox.forget_trial(connection, course.entry)

    async def _write(self, course: Course, holder: str) -> None:
        tried, deaths = course.last
        trial = Trial(
            course.trying, deaths if tried == course.trying else 0, tuple(sorted(course.deadly)), holder
        )
        async with self._database.write() as connection:
            await inbox.note_trial(connection, course.entry, trial, self._clock())
