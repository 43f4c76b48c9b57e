"""Entries that come again and again: what is tried is noted before it is tried, so that a death can tell.

An entry that a worker dies on each time leaves nothing behind but its note. The next worker finds it, goes on
in steps, and sets aside the fact on which workers have died often enough. A worker can also be killed from
outside while it is at it, so one death proves nothing, and each worker gets further than the one before.
What was found stands beside what is tried: a death before the facts are tried again forgets nothing of it.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from core import logs
from core.clock import Clock
from core.streams.port import Entry
from core.tasks import begin_cleanup
from models.session import Database, Writer
from models.stores import inbox
from models.stores.inbox import Trial
from services.position_sync.intake import Item

log = logs.get_logger(__name__)

SUSPICIOUS_DELIVERIES = 5
"""What was delivered so often, or tried so often in one process, is tried alone."""

SUSPICIOUS_DEATHS = 4
"""After so many with an entry it is tried in steps. That takes longer: whoever kills workers kills these."""

DEATHS = 3

MOST_DEATHS = 40
"""Since the last fact was found that they die of. Of some hundred facts, one is found in a dozen."""

DIED = "each worker that tried it died"

_NOBODY = ""
_CALL_OFF_SECONDS = 2.0


@dataclass(slots=True)
class Course:
    """How an entry is to be tried. ``deaths`` and ``died`` are those of its ``Trial``."""

    entry: str
    deaths: int = 0
    died: dict[int, int] = field(default_factory=dict)
    trying: int | None = None

    @classmethod
    def after(cls, entry: str, last: Trial, *, has_died: bool) -> "Course":
        """What is to be concluded from the last trial, and from the death of who was at it."""
        course = cls(entry, last.deaths + has_died, dict(last.died))
        if has_died and last.seq is not None:
            course._note_death(last.seq)
        return course

    def _note_death(self, seq: int) -> None:
        # Those who died on another fact were killed from outside, or have died on this one's neighbour.
        self.died = {other: deaths for other, deaths in self.died.items() if deaths >= DEATHS or other == seq}
        self.died[seq] = self.died.get(seq, 0) + 1
        if self.died[seq] == DEATHS:
            self.deaths = 0

    @property
    def in_steps(self) -> bool:
        """Whether its facts are to be tried one after the other."""
        return self.deaths >= SUSPICIOUS_DEATHS or bool(self.died)

    @property
    def is_hopeless(self) -> bool:
        """Whether workers die before they even know its facts, or on ever another one."""
        return self.deaths >= (MOST_DEATHS if self.died else SUSPICIOUS_DEATHS + DEATHS)

    @property
    def deadly(self) -> set[int]:
        """The facts that are to be set aside for what they did."""
        return {seq for seq, deaths in self.died.items() if deaths >= DEATHS}

    @property
    def suspect(self) -> int | None:
        """The fact that was died on last."""
        suspects = self.died.keys() - self.deadly or self.died.keys()
        return max(suspects, default=None)

    def steps(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """The facts of an entry in the steps in which to try them.

        First, in one, those before the fact that was died on last: nobody died of them. From that fact on in
        steps that grow, so that a fact that somebody dies of is soon the first of its step, and alone in it.
        """
        suspect = self.suspect
        survived = 0 if suspect is None else sum(item.seq < suspect for item in items)
        if survived:
            yield items[:survived]
        done, size = survived, 1
        while done < len(items):
            yield items[done : done + size]
            done, size = done + size, size * 2


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
        name = hashlib.sha256(entry.data).hexdigest()
        last = await inbox.lock_trial(connection, name)
        if last is None:
            course = Course(name)
        else:
            course = Course.after(name, last, has_died=last.holder not in {_NOBODY, self._holder})
            log.warning("entry_tried_again", deaths=course.deaths, in_steps=course.in_steps)
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
        trial = Trial(course.trying, course.deaths, course.died, holder)
        async with self._database.write() as connection:
            await inbox.note_trial(connection, course.entry, trial, self._clock())
