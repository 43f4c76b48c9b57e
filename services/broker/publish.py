"""The queue between callbacks and Redis: facts wait in order, ticks are conflated and may be shed."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Hashable
from itertools import islice

from core import logs
from core.events.facts import Fact, FactBatch, Tick, TickBatch, encode
from core.settings import Settings
from core.streams.port import StreamPort
from services.broker import metrics

log = logs.get_logger(__name__)

FACTS_PER_ENTRY = 256
ENTRIES_PER_APPEND = 16
TICK_ENTRIES_KEPT = 10_000
QUEUE_WARNING_FACTS = 100_000

_RETRY_FIRST_SECONDS = 0.1
_RETRY_MOST_SECONDS = 2.0


class _Run:
    """Facts of one epoch that wait, and the sequence of the first."""

    __slots__ = ("epoch", "facts", "first_seq")

    def __init__(self, epoch: int, first_seq: int = 0) -> None:
        self.epoch = epoch
        self.first_seq = first_seq
        self.facts: deque[Fact] = deque()


class Publisher:
    """Takes facts and ticks synchronously; ``run`` brings them to Redis.

    A fact leaves the queue only when Redis has its entry, so an outage costs memory, not facts, and what is
    sent again carries the same epoch and sequence. Nothing waits for company: whatever is there goes at once.
    """

    def __init__(self, streams: StreamPort, settings: Settings) -> None:
        self._streams = streams
        self._facts_stream = settings.facts_stream
        self._ticks_stream = settings.ticks_stream
        self._runs: deque[_Run] = deque([_Run(0)])
        self._current = self._runs[-1]
        self._sending: list[bytes] = []
        self._sending_facts = 0
        self._ticks: dict[Hashable, Tick] = {}
        self._facts_wake = asyncio.Event()
        self._ticks_wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._redis_up = True
        self._warned = False

    @property
    def epoch(self) -> int:
        """The epoch that facts are put under now."""
        return self._current.epoch

    @property
    def waiting_facts(self) -> int:
        """Facts that Redis does not have yet."""
        return sum(len(run.facts) for run in self._runs) + self._sending_facts

    def begin_epoch(self, epoch: int) -> None:
        """Put what follows under ``epoch``, its sequence from 0. What waits keeps its own."""
        self._current = _Run(epoch)
        self._runs.append(self._current)

    def put(self, fact: Fact) -> None:
        """Queue a fact. Called from ib_async's callbacks: does nothing else."""
        self._current.facts.append(fact)
        self._idle.clear()
        self._facts_wake.set()

    def tick(self, key: Hashable, tick: Tick) -> None:
        """Queue a tick; it replaces an earlier one of the same key that was not sent yet."""
        self._ticks[key] = tick
        self._ticks_wake.set()

    async def run(self) -> None:
        """Bring facts and ticks to Redis until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_facts(), name="publish-facts")
            group.create_task(self._send_ticks(), name="publish-ticks")

    async def flush(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the queue to empty; whether it did."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("facts_left_behind", facts=self.waiting_facts)
            return False
        return True

    async def _send_facts(self) -> None:
        retry_seconds = _RETRY_FIRST_SECONDS
        while True:
            if not self._sending:
                self._encode_next()
            metrics.QUEUE_FACTS.set(self.waiting_facts)
            if not self._sending:
                self._idle.set()
                self._facts_wake.clear()
                await self._facts_wake.wait()
                continue
            if await self._append(self._facts_stream, self._sending, keep_entries=None):
                self._sending = []
                self._sending_facts = 0
                retry_seconds = _RETRY_FIRST_SECONDS
                self._warned = False
            else:
                self._warn_when_long()
                await asyncio.sleep(random.uniform(retry_seconds / 2, retry_seconds))  # noqa: S311 - jitter
                retry_seconds = min(retry_seconds * 2, _RETRY_MOST_SECONDS)

    def _encode_next(self) -> None:
        """Encode the oldest facts of one epoch, at most one append's worth."""
        while len(self._runs) > 1 and not self._runs[0].facts:
            self._runs.popleft()
        run = self._runs[0]
        types: Counter[str] = Counter()
        while run.facts and len(self._sending) < ENTRIES_PER_APPEND:
            facts = tuple(islice(run.facts, FACTS_PER_ENTRY))
            self._sending.append(encode(FactBatch(epoch=run.epoch, first_seq=run.first_seq, facts=facts)))
            for _ in facts:
                run.facts.popleft()
            run.first_seq += len(facts)
            self._sending_facts += len(facts)
            types.update(fact.__class__.__name__ for fact in facts)
        for name, count in types.items():
            metrics.FACTS.labels(name).inc(count)

    async def _send_ticks(self) -> None:
        while True:
            if not self._ticks:
                self._ticks_wake.clear()
                await self._ticks_wake.wait()
            ticks, self._ticks = tuple(self._ticks.values()), {}
            payloads = [
                encode(TickBatch(epoch=self.epoch, ticks=ticks[start : start + FACTS_PER_ENTRY]))
                for start in range(0, len(ticks), FACTS_PER_ENTRY)
            ]
            if await self._append(self._ticks_stream, payloads, keep_entries=TICK_ENTRIES_KEPT):
                metrics.TICKS.inc(len(ticks))
            else:
                # A figure that is a second old is worth less than the next one.
                metrics.TICKS_SHED.inc(len(ticks))
                await asyncio.sleep(_RETRY_MOST_SECONDS / 4)

    async def _append(self, stream: str, payloads: list[bytes], *, keep_entries: int | None) -> bool:
        try:
            await self._streams.append(stream, payloads, keep_entries=keep_entries)
        except Exception as error:  # noqa: BLE001 - away, full or refusing: facts wait, and it is told once
            if self._redis_up:
                self._redis_up = False
                metrics.REDIS_UP.set(0)
                log.warning("redis_away", reason=str(error), facts_waiting=self.waiting_facts)
            return False
        if not self._redis_up or keep_entries is None:
            metrics.REDIS_UP.set(1)
        if not self._redis_up:
            self._redis_up = True
            log.info("redis_back", facts_waiting=self.waiting_facts)
        return True

    def _warn_when_long(self) -> None:
        if not self._warned and self.waiting_facts > QUEUE_WARNING_FACTS:
            self._warned = True
            log.warning("facts_queue_long", facts=self.waiting_facts, kept_in="memory")
