"""What the state machine is made of: a broker, a link, a worker, and how all of it is judged."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from decimal import Decimal
from itertools import chain
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from core.domain.instruments import Instrument
from core.events.facts import Fact, FactBatch, FrameUnreadable, decode_facts, encode
from core.settings import Settings
from core.streams.consumer import Consumer
from services.broker.publish import Publisher
from services.position_sync.relay import GROUP
from tests.faults.worlds import Disk, Killed, WatchedSpool, World, id_of, ids_in
from tests.services.position_sync.facts import at, execution, position
from tests.waiting import comes, eventually

CONIDS = (1, 2, 3)
_STALE_CONIDS_FROM = 100
"""What only links that were replaced speak of: no newer word would hide that it was believed."""

_SECONDS = 10
_A_MOMENT = 0.03
_TOLD_SLOWLY = 40

Fills = list[tuple[int, int, bool]]
"""Contract, size, and whether it was bought."""

Make = Callable[[Callable[[str], None]], World]


class Workings(RuleBasedStateMachine):
    """``replayed``: the broker tells all executions again to a link that starts, or has lost something.

    What no layer promises to keep without that is in ``excused``: what was told to nobody, what was only in
    the memory of a link that was killed, and what was taken from Redis before a worker had booked it.
    Positions are asked for at each connection either way; a frame that cannot be read is told once, always.
    """

    def __init__(self, make: Make, settings: Settings, disk: Disk, *, replayed: bool) -> None:
        super().__init__()
        self._make, self._settings, self._disk, self._replayed = make, settings, disk, replayed
        self._runner = asyncio.Runner()
        self._armed = ""
        self._told: dict[str, Fact] = {}
        self._held = dict.fromkeys(CONIDS, Decimal(0))
        self._excused: set[str] = set()
        self._kept_on_disk: set[bytes] = set()
        # The link.
        self._epoch = 0
        self._publisher: Publisher | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._hung_up = False
        self._losses_heard = 0
        self._must_hear: tuple[Publisher, int] | None = None
        self._ask_again = False
        # A link that was replaced.
        self._stale_epoch = 0
        self._stale_writes = 0
        self._stale_words_allowed: set[int] = set()
        # The worker.
        self._working: asyncio.Task[None] | None = None
        self._workers = 0

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def _hook(self, point: str) -> None:
        if point == self._armed:
            self._armed = ""
            raise Killed(point)

    async def _moment(self, *, later: bool) -> None:
        """Time passes: hardly any, or as much as the link needs to bring away what it has."""
        await asyncio.sleep(0)
        with suppress(AssertionError):  # it may be unable to
            if later and (publisher := self._publisher) is not None:
                await comes(lambda: publisher.waiting_facts, lambda facts: not facts, seconds=_A_MOMENT)

    async def _until_dead(self) -> None:
        with suppress(AssertionError):  # it may have nothing to do
            await comes(lambda: not self._armed, seconds=_A_MOMENT)

    # The broker.

    @property
    def _listening(self) -> bool:
        return self._publisher is not None and not self._hung_up

    def _word(self, conid: int) -> Fact:
        return position(str(self._held[conid]), seconds=len(self._told), instrument=stock(conid))

    def _fill(self, conid: int, quantity: int) -> Fact:
        exec_id, seconds = f"{len(self._told):06}.01", len(self._told)
        fact = execution(exec_id, str(quantity), seconds=seconds, instrument=stock(conid))
        self._held[conid] += quantity
        self._told[exec_id] = fact
        return fact

    async def _trade(self, fills: Fills, *, unreadable: bool = False, later: bool) -> None:
        for conid, size, bought in fills:
            self._say(self._fill(conid, size if bought else -size))
            if self._listening:
                self._put([self._word(conid)])
        if unreadable:
            frame = f"frame {len(self._told)}"
            self._say(FrameUnreadable(received_at=at(0), category="parsing", reason="strange", frame=frame))
        await self._moment(later=later)

    def _say(self, fact: Fact) -> None:
        self._told[id_of(fact)] = fact
        if self._listening:
            self._put([fact])
        else:
            self._excused.add(id_of(fact))

    def _all_told_again(self) -> Iterable[Fact]:
        again = (fact for fact in list(self._told.values()) if not isinstance(fact, FrameUnreadable))
        return chain(again if self._replayed else (), map(self._word, CONIDS))

    # The link.

    def _put(self, facts: Iterable[Fact]) -> None:
        assert self._publisher is not None
        for fact in facts:
            self._publisher.put(fact)
            if not self._publisher.has_room:
                self._hung_up = True
                return

    async def _connect(self) -> None:
        publisher = self._publisher = Publisher(self._world.server, self._settings)
        publisher._spool = WatchedSpool(self._settings, self._kept_on_disk)
        publisher.on_lost = self._hear_of_loss
        await self._begin_epoch()
        self._publishing = asyncio.create_task(publisher.run())
        self._put(self._all_told_again())

    async def _begin_epoch(self) -> None:
        assert self._publisher is not None
        self._epoch = await self._world.open_epoch()
        self._publisher.begin_epoch(self._epoch)
        self._hung_up = self._ask_again = False

    def _hear_of_loss(self) -> None:
        self._losses_heard += 1
        self._ask_again = True

    async def _hear_anew(self, *, slowly: bool = False) -> None:
        publisher = self._publisher
        if publisher is None or not publisher.has_room:
            return
        if self._hung_up:
            await self._begin_epoch()
        elif not self._ask_again:
            return
        self._ask_again = False
        for fact in self._all_told_again():
            if slowly and publisher.waiting_facts > _TOLD_SLOWLY:
                await self._link_has_rest()
            self._put([fact])
            if self._hung_up:
                return

    async def _kill(self) -> None:
        publisher = self._publisher
        if publisher is None or self._publishing is None:
            return
        self._publishing.cancel()
        await asyncio.gather(self._publishing, return_exceptions=True)
        await publisher.close()
        safe = ids_in({*self._kept_on_disk, *self._world.server.arrived}) | await self._world.store.booked()
        in_memory = {id_of(fact) for run in publisher._runs for fact in run.facts} - {""}
        in_memory |= ids_in(record.payload for record in publisher._group)
        self._excused |= in_memory - safe
        self._stale_epoch = publisher.epoch
        self._publisher = self._publishing = None

    async def _write_stale(self, conid: int) -> None:
        """An execution that it alone heard of is taken, whoever tells it; its word is not."""
        self._stale_writes += 1
        stale_conid = _STALE_CONIDS_FROM + self._stale_writes
        begun = {decode_facts(payload).epoch for payload in await self._world.payloads()}
        begun |= await self._world.store.begun()
        if not any(epoch > self._stale_epoch for epoch in begun):
            self._stale_words_allowed.add(stale_conid)
        heard = self._fill(conid, 1)
        facts = (heard, position("999", instrument=stock(stale_conid)))
        batch = FactBatch(epoch=self._stale_epoch, first_seq=1_000_000 * self._stale_writes, facts=facts)
        await self._world.server.append(self._world.stream, [encode(batch)])
        if self._listening:
            self._put([self._word(conid)])

    # Redis.

    async def _lose(self, appends: int | None) -> None:
        publisher = self._publisher
        confirmed = publisher._outlet._confirmed if publisher is not None else 0
        heard = self._losses_heard
        gone, marks = await self._world.lose(appends)
        kept = {*self._kept_on_disk, *self._world.server.arrived}
        safe = await self._world.store.booked()
        if publisher is not None:
            # What stands in both may be about to leave memory, or disk, because it has arrived.
            kept |= {record.payload for record in publisher._group}
            safe |= {id_of(fact) for run in publisher._runs for fact in run.facts}
            if any(who == publisher._outlet._writer and mark <= confirmed for who, mark in marks):
                self._must_hear = publisher, heard
        self._excused |= ids_in(gone) - ids_in(kept - gone) - safe

    # The worker.

    def _work(self) -> None:
        async def handle(entries: Any) -> None:
            await self._worker_may.wait()
            await self._world.store.handle(entries)

        self._workers += 1
        worker = Consumer(
            self._world.server,
            stream=self._world.stream,
            group=GROUP,
            consumer=f"worker-{self._workers}",
            handle=handle,
            idle_ms=0,
        )
        self._working = asyncio.create_task(as_a_process(worker.run()))

    # The end.

    async def _settle(self) -> None:
        server = self._world.server
        server.down, server.outcomes_unknown, self._disk.refuses, self._armed = False, 0, False, ""
        self._worker_may.set()
        if self._working is None or self._working.done():
            self._work()
        if self._publisher is None:
            await self._connect()
        await self._drain()
        while self._hung_up:
            await self._hear_anew(slowly=True)
            await self._drain()
        # Positions are asked for every few minutes; what Redis has lost shows with the next append.
        self._put(map(self._word, CONIDS))
        await self._drain()
        if self._must_hear is not None and self._must_hear[0] is self._publisher:
            assert self._losses_heard > self._must_hear[1], "a link notices what Redis has lost of its own"
        self._must_hear = None
        while self._ask_again or self._hung_up:
            await self._hear_anew(slowly=True)
            await self._drain()
        await self._judge()

    async def _link_has_rest(self) -> None:
        publisher = self._publisher
        assert publisher is not None
        await comes(lambda: not publisher.waiting_facts and publisher._spool.empty, seconds=_SECONDS)

    async def _drain(self) -> None:
        await self._link_has_rest()
        await eventually(self._waiting, lambda waiting: waiting == (0, 0), seconds=_SECONDS)

    async def _waiting(self) -> tuple[int | None, int]:
        info = await self._world.server.info(self._world.stream)
        return next(
            ((group.lag_entries, group.pending_entries) for group in info.groups if group.name == GROUP),
            (-1, -1),
        )

    async def _judge(self) -> None:
        booked = await self._world.store.booked()
        assert booked <= self._told.keys(), "nothing is invented"
        if self._replayed:
            told_again = {name for name, fact in self._told.items() if not isinstance(fact, FrameUnreadable)}
            self._excused -= told_again
        missing = self._told.keys() - booked
        assert missing <= self._excused, "nothing is lost that was not taken from it"
        assert await self._world.store.doubled() == [], "nothing is doubled"
        words = await self._world.store.words()
        stale = {conid for conid in words if conid >= _STALE_CONIDS_FROM}
        assert stale <= self._stale_words_allowed, "what a replaced link says of the present is refused"
        told = {conid: words[conid] for conid in words if conid in CONIDS}
        assert {epoch for epoch, _, _ in told.values()} == {self._epoch}, "the newest link's word counts"
        assert {conid: quantity for conid, (_, _, quantity) in told.items()} == self._held, "and its last"

    async def _end(self) -> None:
        await self._kill()
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        await self._world.close()


async def as_a_process(work: Coroutine[Any, Any, None]) -> None:
    """A death ends the task, and nothing else: asyncio would end the loop with it."""
    try:
        await work
    except Killed:
        return


def stock(conid: int) -> Instrument:
    return Instrument(conid=conid, symbol=f"S{conid}", sec_type="STK", currency="USD", exchange="SMART")
