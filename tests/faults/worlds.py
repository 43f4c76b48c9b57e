"""Two worlds for one state machine: everything in memory, and the same on real servers.

Both run the link's ``Publisher`` with its spool on a disk, and the one ``Consumer`` loop; they differ in the
streams and in the store.
"""

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from core.events.facts import (
    ExecutionReported,
    FactBatch,
    FrameUnreadable,
    PositionReported,
    decode_facts,
)
from core.settings import Settings
from core.streams.memory import MemoryStreams
from core.streams.port import Appended, Entry, parse_id
from services.broker import segments
from services.broker.segments import Record
from services.broker.spool import Spool

UNDOABLE_APPENDS = 6
"""So many appends can be lost with the tail of Redis's log."""

NO_MARK = "", 0

Word = tuple[int, int, Decimal]
"""Epoch, sequence and quantity of what the broker last said of a book."""
Hook = Callable[[str], None]


class Killed(BaseException):
    """The worker died here. No handler of errors may see it: none would run in a process that was killed."""


def ids_in(payloads: Iterable[bytes]) -> set[str]:
    """What of these entries must not get lost: ids of executions, and frames that could not be read."""
    return {name for payload in payloads for fact in decode_facts(payload).facts if (name := id_of(fact))}


def id_of(fact: object) -> str:
    """The id by which a fact is looked for; nothing where a newer one takes its place."""
    match fact:
        case ExecutionReported():
            return fact.exec_id
        case FrameUnreadable():
            return fact.frame
        case _:
            return ""


# The link's disk.


class Disk:
    """What the spool is written to. While it ``refuses`` half of each write gets there, and it is full."""

    def __init__(self) -> None:
        self.refuses = False

    def write_all(self, descriptor: int, data: bytes, offset: int) -> None:
        """See ``segments.write_all``."""
        if self.refuses:
            segments.write_all(descriptor, data[: len(data) // 2], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        segments.write_all(descriptor, data, offset)


class WatchedSpool(Spool):
    """The spool, and in ``kept`` what it has taken and not given to Redis yet, whichever link wrote it."""

    def __init__(self, settings: Settings, kept: set[bytes]) -> None:
        super().__init__(settings.spool_dir, settings.spool_megabytes << 20)
        self._kept = kept

    def append(self, records: Sequence[Record]) -> None:
        """See ``Spool``."""
        super().append(records)
        self._kept.update(record.payload for record in records)

    def drained(self) -> None:
        """See ``Spool``."""
        done = [found.record.payload for found in self._read[2]] if self._read else []
        super().drained()
        self._kept.difference_update(done)


# What both worlds have.


class Store(Protocol):
    """Where facts end up."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Apply entries in one transaction."""

    async def booked(self) -> set[str]:
        """The ids (``id_of``) of what was booked."""

    async def words(self) -> dict[int, Word]:
        """What the broker last said, by conid."""

    async def doubled(self) -> list[Any]:
        """What had an effect more than once."""

    async def begun(self) -> set[int]:
        """Epochs of which something is known to have come."""


class Loss(NamedTuple):
    """What a server has forgotten: entries, and of marked appends their writer and mark."""

    payloads: set[bytes]
    marks: set[tuple[str, int]]


class World(Protocol):
    """Streams, a store, and the register of connections.

    ``server`` is a stream port with the misfortunes of ``MemoryStreams``; it has ``arrived``, everything that
    was ever appended and not lost again.
    """

    server: Any
    store: Store
    stream: str

    async def lose(self, appends: int | None = None) -> Loss:
        """Let the server forget everything, or be as before so many appends."""

    async def payloads(self) -> set[bytes]:
        """The entries that the server has, up or down."""

    async def open_epoch(self) -> int:
        """Begin a session of the one login there is."""

    async def close(self) -> None:
        """Close what it opened."""


def forgotten(marks: list[tuple[str, int]], appends: int | None) -> set[tuple[str, int]]:
    """Take the last so many from ``marks``, or all of them."""
    kept = 0 if appends is None else len(marks) - appends
    gone = set(marks[kept:])
    del marks[kept:]
    return gone


# In memory.


class MemoryServer(MemoryStreams):
    """The in-memory twin, and what has arrived there."""

    def __init__(self, hook: Hook) -> None:
        super().__init__(undoable_appends=UNDOABLE_APPENDS)
        self.arrived: set[bytes] = set()
        self.marks: list[tuple[str, int]] = []
        self._hook = hook

    async def append_marked(self, stream: str, payloads: Sequence[bytes], **options: Any) -> Appended:
        """See ``StreamPort``."""
        if not self.down:
            self.arrived.update(payloads)
            self.marks.append((options["writer"], int(options["mark"])))
        return await super().append_marked(stream, payloads, **options)

    async def append(self, stream: str, payloads: Sequence[bytes], **options: Any) -> None:
        """See ``StreamPort``: as a link does that was replaced. It hears, and marks, nothing."""
        self.arrived.update(payloads)
        self.marks.append(NO_MARK)
        unknown, self.outcomes_unknown = self.outcomes_unknown, 0
        await super().append(stream, payloads, **options)
        self.outcomes_unknown = unknown

    async def acknowledge(self, stream: str, group: str, ids: Sequence[str]) -> None:
        """See ``StreamPort``."""
        self._hook("before_ack")
        await super().acknowledge(stream, group, ids)
        self._hook("after_ack")


class MemoryStore:
    """A store with an inbox, which refuses what a link that was replaced says of the present."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._inbox: set[tuple[int, int]] = set()
        self._effects: Counter[tuple[int, int]] = Counter()
        self._first: dict[int, tuple[int, int]] = {}
        self._booked: set[str] = set()
        self._words: dict[int, Word] = {}

    async def handle(self, entries: Sequence[Entry]) -> None:
        """See ``Store``."""
        told = [(parse_id(entry.id), decode_facts(entry.data)) for entry in entries]
        self._hook("before_commit")
        for place, batch in told:
            self._first[batch.epoch] = min(place, self._first.get(batch.epoch, place))
        for place, batch in told:
            key = batch.epoch, batch.first_seq
            if key not in self._inbox:
                self._inbox.add(key)
                self._effects[key] += 1
                self._apply(batch, stale=self._is_stale(batch.epoch, place))
        self._hook("after_commit")

    def _is_stale(self, epoch: int, place: tuple[int, int]) -> bool:
        return any(newer > epoch and first < place for newer, first in self._first.items())

    def _apply(self, batch: FactBatch, *, stale: bool) -> None:
        for number, fact in enumerate(batch.facts):
            if name := id_of(fact):
                self._booked.add(name)
            elif isinstance(fact, PositionReported) and not stale:
                word = batch.epoch, batch.first_seq + number, fact.quantity
                conid = fact.instrument.conid
                self._words[conid] = max(word, self._words.get(conid, word))

    async def booked(self) -> set[str]:
        """See ``Store``."""
        return set(self._booked)

    async def words(self) -> dict[int, Word]:
        """See ``Store``."""
        return self._words

    async def doubled(self) -> list[Any]:
        """See ``Store``."""
        return [key for key, count in self._effects.items() if count > 1]

    async def begun(self) -> set[int]:
        """See ``Store``."""
        return set(self._first)


class MemoryWorld:
    """Everything in this process."""

    def __init__(self, settings: Settings, hook: Hook) -> None:
        self.stream = settings.facts_stream
        self.server = MemoryServer(hook)
        self.store: Store = MemoryStore(hook)
        self._epoch = 0

    async def lose(self, appends: int | None = None) -> Loss:
        """See ``World``."""
        before = await self.payloads()
        if appends is None:
            self.server.lose()
        else:
            appends = min(appends, len(self.server._earlier))
            self.server.lose_tail(appends)
        gone = before - await self.payloads()
        self.server.arrived -= gone
        return Loss(gone, forgotten(self.server.marks, appends))

    async def payloads(self) -> set[bytes]:
        """See ``World``."""
        kept = self.server._streams.get(self.stream)
        return set() if kept is None else set(kept.data.values())

    async def open_epoch(self) -> int:
        """See ``World``."""
        self._epoch += 1
        return self._epoch

    async def close(self) -> None:
        """See ``World``."""
