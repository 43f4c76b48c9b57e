"""The queue between callbacks and Redis: facts wait in order, in memory or on disk; ticks may be shed."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import ParamSpec, TypeVar

from core import logs
from core.events.facts import Fact, FactBatch, Tick, encode
from core.settings import Settings
from core.streams.port import StreamPort
from services.broker import metrics
from services.broker.flow import TOLERATED_SECONDS
from services.broker.outlet import Outlet
from services.broker.place import login_of
from services.broker.segments import Record
from services.broker.spool import Spool, SpoolRefusedError
from services.broker.ticks import Ticks

log = logs.get_logger(__name__)

FACTS_PER_ENTRY = 256
ENTRIES_PER_APPEND = 16
HIGH_WATER_FACTS = 20_000
"""In memory. With more than that the gateway must wait until half of them have left, by not being read.

One read brings 256 KiB, so some 2,000 positions, or 5,000 of the shortest messages, may come on top of it;
and 10,000 from a gate that opens. 20,000 positions take some 20 MB. Half of it goes in a few appends, so
that a hold is soon over, and the rest keeps Redis busy while the gateway begins to send again.
"""

_RETRY_FIRST_SECONDS = 0.1
_RETRY_MOST_SECONDS = 1.0
_LOOK_SECONDS = 1.0
"""Between looks at a Redis that gets no facts, whether it still has the last ones."""

_SLOW_SECONDS = 1.0
"""A Redis that takes longer to make room is as good as away: the disk helps, before that is an outage."""

_BACKLOG_SECONDS = 0.2
_ADOPT_SECONDS = 60.0
_SPOOL_AT_END_SECONDS = 2.0

P = ParamSpec("P")
R = TypeVar("R")


class _Run:
    """Facts of one epoch that wait, and the sequence of the first."""

    __slots__ = ("epoch", "facts", "first_seq")

    def __init__(self, epoch: int, first_seq: int = 0) -> None:
        self.epoch = epoch
        self.first_seq = first_seq
        self.facts: deque[Fact] = deque()


class Publisher:
    """Takes facts and ticks synchronously; ``run`` brings them to Redis.

    A fact leaves memory only when Redis has its entry, or the spool has it on disk. While Redis is away, full
    or too slow everything new goes to the spool, and from there to Redis in the order in which it was put;
    facts go direct again once the spool is empty. What is sent again carries the same epoch and sequence.
    Nothing waits for company: whatever is there goes at once.

    ``on_lost`` is called when Redis, or the spool, has lost facts that were in its care. ``on_room`` is
    called when ``has_room`` has changed, which may be within ``put``: nothing is dropped, so whoever puts
    facts must stop while there is none.
    """

    def __init__(self, streams: StreamPort, settings: Settings) -> None:
        self._outlet = Outlet(streams, settings)
        self._ticks = Ticks(streams, settings.ticks_stream, self._outlet, login_of(settings))
        self._spool = Spool(settings.spool_dir, settings.spool_megabytes << 20)
        metrics.SPOOL_LIMIT_BYTES.set(settings.spool_megabytes << 20)
        # One thread: what it is asked is done in the order in which it was asked.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._runs: deque[_Run] = deque([_Run(0)])
        self._current = self._runs[-1]
        self._tick_epoch = 0
        self._waiting = 0
        self._group: list[Record] = []
        self.taken_facts = 0
        """How many facts were ever put."""
        self._facts_wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._spooling = asyncio.Event()
        self._storing = False
        self._ending = False
        self._ended = False
        self._refused: set[str] = set()
        self._damage_told = 0
        self.has_room = True
        self.on_lost: Callable[[], None] = lambda: None
        self.losses = 0
        """How often facts that were in the care of Redis, or the spool, were found lost."""
        self.on_room: Callable[[], None] = lambda: None
        self._full_since = 0.0
        self._full_slow: asyncio.TimerHandle | None = None
        self._full_long: asyncio.TimerHandle | None = None
        self._outlet.on_lost = self._say_lost

    @property
    def epoch(self) -> int:
        """The epoch that facts are put under now."""
        return self._current.epoch

    @property
    def waiting_facts(self) -> int:
        """Facts that are in memory only."""
        return self._waiting

    @property
    def spooled_facts(self) -> int:
        """Facts on disk that Redis does not have yet."""
        return self._spool.facts

    @property
    def spooled_bytes(self) -> int:
        """What they take."""
        return self._spool.waiting_bytes

    def begin_epoch(self, epoch: int) -> None:
        """Put what follows under ``epoch``, its sequence from 0. What waits keeps its own."""
        self._tick_epoch = epoch
        self._current = _Run(epoch)
        self._runs.append(self._current)

    def tick_without_epoch(self) -> None:
        """Send ticks without an epoch until the next one begins: another's is newer than ours."""
        self._tick_epoch = 0

    def put(self, fact: Fact) -> None:
        """Queue a fact. Called from ib_async's callbacks: does nothing else."""
        self._current.facts.append(fact)
        self.taken_facts += 1
        self._waiting += 1
        self._idle.clear()
        self._facts_wake.set()
        if self._waiting > HIGH_WATER_FACTS and self.has_room:
            self._room_ends()

    def tick(self, key: Hashable, tick: Tick) -> None:
        """Queue a tick; it replaces an earlier one of the same key that was not sent yet."""
        self._ticks.put(key, tick)

    async def run(self) -> None:
        """Bring facts and ticks to Redis until cancelled."""
        try:
            await self._adopt()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._take_facts(), name="publish-facts")
                group.create_task(self._drain_spool(), name="publish-spool")
                group.create_task(self._adopt_later(), name="publish-adopt")
                group.create_task(self._ticks.send(lambda: self._tick_epoch), name="publish-ticks")
        finally:
            self._ended = True

    async def flush(self, seconds: float) -> bool:
        """Get the facts out of memory: within ``seconds`` to Redis, else to the spool; whether all are."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            self._ending = True
            self._spooling.set()
            self._outlet.give_up()
        try:
            async with asyncio.timeout(0 if self._ended else _SPOOL_AT_END_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            log.error("facts_left_behind", facts=self.waiting_facts)  # noqa: TRY400 - no fault of ours
            return False
        return True

    async def close(self) -> None:
        """Give the spool back, after ``run`` was cancelled. What it holds is sent by the next process."""
        await self._on_disk(self._spool.close)
        self._disk.shutdown(wait=False)

    async def _on_disk(self, action: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._disk, lambda: action(*args, **kwargs))

    async def _adopt(self) -> None:
        """Take over what killed processes left: it goes before everything else."""
        try:
            await self._on_disk(self._spool.adopt)
        except SpoolRefusedError as error:
            self._say_refused("adopt", error)
        else:
            self._say_taken("adopt")
        if not self._spool.empty:
            self._spooling.set()

    async def _adopt_later(self) -> None:
        """A process that lives, and cannot be seen to do nothing, keeps its part until it ends."""
        while True:
            await asyncio.sleep(_ADOPT_SECONDS)
            await self._adopt()

    async def _take_facts(self) -> None:
        """Bring facts out of memory, group by group."""
        retry_seconds = _RETRY_FIRST_SECONDS
        while True:
            self._group = self._group or self._encode_next()
            self._measure()
            if not self._group:
                await self._rest()
            elif not self._spooling.is_set():
                await self._send_group()
            elif await self._store_group():
                retry_seconds = _RETRY_FIRST_SECONDS
            else:
                await _pause(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _RETRY_MOST_SECONDS)

    async def _rest(self) -> None:
        """Wait for facts; without any, look now and then whether Redis still has the last ones."""
        self._idle.set()
        self._facts_wake.clear()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._facts_wake.wait()
        except TimeoutError:
            if not self._spooling.is_set() and not await self._outlet.append(()):
                self._spooling.set()

    async def _send_group(self) -> None:
        if await self._outlet.append([record.payload for record in self._group]):
            self._group_is_safe()
            if self._outlet.full:
                self._spooling.set()
        else:
            self._spooling.set()

    async def _store_group(self) -> bool:
        self._storing = True
        try:
            await self._on_disk(self._spool.append, self._group)
        except SpoolRefusedError as error:
            self._say_refused("store", error)
            return False
        finally:
            self._storing = False
        self._say_taken("store")
        self._group_is_safe()
        return True

    def _group_is_safe(self) -> None:
        self._waiting -= sum(record.facts for record in self._group)
        self._group = []
        if not self.has_room and self._waiting <= HIGH_WATER_FACTS // 2:
            self._room_begins()

    def _encode_next(self) -> list[Record]:
        """Encode the oldest facts of one epoch, at most one append's worth."""
        while len(self._runs) > 1 and not self._runs[0].facts:
            self._runs.popleft()
        run = self._runs[0]
        group: list[Record] = []
        types: Counter[str] = Counter()
        at_ms = time.time_ns() // 1_000_000
        while run.facts and len(group) < ENTRIES_PER_APPEND:
            facts = tuple(islice(run.facts, FACTS_PER_ENTRY))
            payload = encode(FactBatch(epoch=run.epoch, first_seq=run.first_seq, facts=facts))
            group.append(Record(payload, len(facts), at_ms))
            for _ in facts:
                run.facts.popleft()
            run.first_seq += len(facts)
            types.update(fact.__class__.__name__ for fact in facts)
        for name, count in types.items():
            metrics.FACTS.labels(name).inc(count)
        return group

    async def _drain_spool(self) -> None:
        """Bring the spool to Redis, oldest first; with nothing in it, let facts go direct again."""
        retry_seconds = _RETRY_FIRST_SECONDS
        while True:
            await self._spooling.wait()
            if await self._drain_some():
                retry_seconds = _RETRY_FIRST_SECONDS
            else:
                await _pause(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _RETRY_MOST_SECONDS)
            self._measure()

    async def _drain_some(self) -> bool:
        records: Sequence[Record] = ()
        try:
            if not self._outlet.full:
                records = await self._on_disk(self._spool.read, ENTRIES_PER_APPEND)
                self._say_taken("read")
                self._tell_damage()
        except SpoolRefusedError as error:
            self._say_refused("read", error)
            return False
        if not await self._outlet.append([record.payload for record in records]):
            return False
        if records:
            await self._on_disk(self._spool.drained)
        if self._outlet.full:
            await asyncio.sleep(_BACKLOG_SECONDS)
        elif self._spool.empty and not self._storing and not self._ending:
            self._spooling.clear()
            # What it refused, for lack of room perhaps, goes to Redis now.
            self._say_taken("store")
        elif not records:
            # The next group is on its way to the disk, or the disk does not take it.
            await asyncio.sleep(_RETRY_FIRST_SECONDS / 10)
        return True

    def _tell_damage(self) -> None:
        damaged = self._spool.damaged_segments
        if damaged > self._damage_told:
            metrics.SPOOL_DAMAGED.inc(damaged - self._damage_told)
            self._damage_told = damaged
            self._say_lost()

    def _say_lost(self) -> None:
        self.losses += 1
        self.on_lost()

    def _measure(self) -> None:
        metrics.QUEUE_FACTS.set(self._waiting)
        metrics.SPOOLING.set(self._spooling.is_set())
        metrics.SPOOL_FACTS.set(self._spool.facts)
        metrics.SPOOL_BYTES.set(self._spool.waiting_bytes)
        oldest_ms = self._spool.oldest_ms
        if oldest_ms is None:
            metrics.SPOOL_OLDEST_SECONDS.forget()
        else:
            metrics.SPOOL_OLDEST_SECONDS.set(max(0.0, time.time() - oldest_ms / 1000))

    def _room_ends(self) -> None:
        self.has_room, self._full_since = False, time.monotonic()
        metrics.NO_ROOM.set(1)
        loop = asyncio.get_running_loop()
        self._full_slow = loop.call_later(_SLOW_SECONDS, self._use_the_disk)
        self._full_long = loop.call_later(TOLERATED_SECONDS, self._say_no_room)
        self.on_room()

    def _use_the_disk(self) -> None:
        if not self._spooling.is_set():
            self._spooling.set()
            self._outlet.give_up()

    def _say_no_room(self) -> None:
        self._full_long = None
        log.error("facts_without_room", facts=self._waiting)

    def _room_begins(self) -> None:
        self.has_room = True
        metrics.NO_ROOM.set(0)
        if self._full_slow is not None:
            self._full_slow.cancel()
        if self._full_long is None:
            log.info("facts_have_room", after_seconds=round(time.monotonic() - self._full_since, 1))
        else:
            self._full_long.cancel()
        self.on_room()

    def _say_refused(self, what: str, error: SpoolRefusedError) -> None:
        metrics.SPOOL_REFUSES.set(1)
        if not self._refused:
            log.error("spool_refuses", reason=str(error), facts_waiting=self._waiting)
        self._refused.add(what)

    def _say_taken(self, what: str) -> None:
        if what not in self._refused:
            return
        self._refused.discard(what)
        if not self._refused:
            metrics.SPOOL_REFUSES.set(0)
            log.info("spool_refuses_no_more")


async def _pause(seconds: float) -> None:
    await asyncio.sleep(random.uniform(seconds / 2, seconds))  # noqa: S311 - jitter
