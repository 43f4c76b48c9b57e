"""A state machine that tries orders of events nobody thought of, in memory and on real servers."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.domain.instruments import Instrument
from core.events.facts import Fact, FactBatch, decode_facts, encode
from core.settings import Settings
from core.streams import consumer as consumer_module
from core.streams.consumer import Consumer
from core.streams.port import START
from models.session import Database
from services.broker import publish
from services.broker.publish import Publisher
from tests.faults.figures import by_form
from tests.faults.worlds import GROUP, Killed, MemoryWorld, RealWorld, World
from tests.services.position_sync.facts import execution, position
from tests.services.position_sync.ledger_rows import clear
from tests.waiting import comes, eventually

pytestmark = pytest.mark.xdist_group("faults")

CONIDS = (1, 2, 3)
_SECONDS = 10


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before the next try: a machine takes thousands of them."""
    for module in (publish, consumer_module):
        for name in ("_RETRY_FIRST_SECONDS", "_RETRY_MOST_SECONDS"):
            monkeypatch.setattr(module, name, 0.001)


class Machine(RuleBasedStateMachine):
    """A broker that trades, a link, one worker at a time, and everything that can befall them.

    ``replayed`` says whether the broker tells everything again to a link that starts. What a layer does not
    promise to keep without that is in ``excused``.
    """

    def __init__(
        self, make: Callable[[Callable[[str], None]], World], settings: Settings, *, replayed: bool
    ) -> None:
        super().__init__()
        self._make = make
        self._settings = settings
        self._replayed = replayed
        self._runner = asyncio.Runner()
        self._armed = ""
        self._told: dict[str, tuple[int, Fact]] = {}
        self._held = dict.fromkeys(CONIDS, Decimal(0))
        self._excused: set[str] = set()
        self._gap = False
        """Whether something was taken that the link may not know of."""
        self._epoch = 0
        self._stale: Publisher | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._working: asyncio.Task[None] | None = None
        self._workers = 0

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def _hook(self, point: str) -> None:
        if point == self._armed:
            self._armed = ""
            raise Killed(point)

    @initialize()
    def begin(self) -> None:
        async def begin() -> None:
            self._world = self._make(self._hook)
            await self._connect()
            self._work()

        self._do(begin())

    # What happens.

    @rule(fills=st.lists(st.tuples(st.sampled_from(CONIDS), st.integers(1, 9), st.booleans()), max_size=6))
    def trade(self, fills: list[tuple[int, int, bool]]) -> None:
        """The broker fills orders, and tells whoever listens."""

        async def trade() -> None:
            for conid, size, bought in fills:
                quantity = size if bought else -size
                self._held[conid] += quantity
                exec_id = f"{len(self._told):06}.01"
                fact = execution(exec_id, str(quantity), seconds=len(self._told), instrument=stock(conid))
                self._told[exec_id] = conid, fact
                if self._publishing is None:
                    self._excused.add(exec_id)
                    continue
                self._publisher.put(fact)
                self._publisher.put(self._word(conid))
            await asyncio.sleep(0)

        self._do(trade())

    @rule(point=st.sampled_from(["before_commit", "after_commit", "before_ack", "after_ack"]))
    def worker_will_die(self, point: str) -> None:
        """The worker dies when it next comes to a point."""
        self._armed = point

    @rule()
    def worker_comes_back(self) -> None:
        """A worker that died is started anew, under another name."""

        async def come_back() -> None:
            if self._working is None or self._working.done():
                self._work()
            await asyncio.sleep(0)

        self._do(come_back())

    @rule()
    def redis_goes_away(self) -> None:
        self._world.streams.away = True

    @rule()
    def redis_comes_back(self) -> None:
        self._world.streams.away = False

    @precondition(lambda self: not self._world.streams.away)
    @rule()
    def redis_is_flushed(self) -> None:
        """All that was in it and not yet booked is gone."""

        async def flush() -> None:
            await self._excuse_entries(10_000)
            await self._world.flush()

        self._do(flush())

    @precondition(lambda self: not self._world.streams.away)
    @rule(count=st.integers(1, 3))
    def redis_loses_its_tail(self, count: int) -> None:
        """The newest entries are gone."""

        async def lose() -> None:
            await self._excuse_entries(count)
            await self._world.lose_tail(count)

        self._do(lose())

    @rule()
    def link_is_killed(self) -> None:
        """What it had not brought to Redis is gone with its memory."""

        async def kill() -> None:
            await self._disconnect()

        self._do(kill())

    @rule()
    def link_is_started(self) -> None:
        async def start() -> None:
            if self._publishing is None:
                await self._connect()

        self._do(start())

    @precondition(lambda self: self._stale is not None and not self._world.streams.away)
    @rule(conid=st.sampled_from(CONIDS))
    def a_stopped_link_goes_on(self, conid: int) -> None:
        """A link that was replaced writes what it still had in hand: an old word of an old epoch."""

        async def write() -> None:
            assert self._stale is not None
            word = position("999", instrument=stock(conid))
            batch = FactBatch(epoch=self._stale.epoch, first_seq=1_000_000, facts=(word,))
            await self._world.streams.append(self._world.stream, [encode(batch)])

        self._do(write())

    @precondition(lambda self: not self._world.streams.away)
    @rule()
    def stream_is_trimmed(self) -> None:
        self._do(self._world.streams.trim_acknowledged(self._world.stream))

    @rule()
    def dust_settles(self) -> None:
        """Everything comes back and does its work; then all must be as it should."""
        self._do(self._settle())

    def teardown(self) -> None:
        """The same at the end of every program."""
        try:
            if hasattr(self, "_world"):
                self._do(self._settle())
                self._do(self._end())
        finally:
            self._runner.close()

    # How.

    def _word(self, conid: int) -> Fact:
        return position(str(self._held[conid]), seconds=len(self._told), instrument=stock(conid))

    async def _connect(self) -> None:
        self._epoch += 1
        self._publisher = Publisher(self._world.streams, self._settings)  # type: ignore[arg-type]
        self._publisher.begin_epoch(self._epoch)
        self._publishing = asyncio.create_task(self._publisher.run())
        # Positions are asked for at every connection; executions, too, unless the broker tells nothing twice.
        for _, fact in self._told.values() if self._replayed else ():
            self._publisher.put(fact)
        for conid in CONIDS:
            self._publisher.put(self._word(conid))

    async def _disconnect(self) -> None:
        if self._publishing is None:
            return
        # What Redis may have of it is not known: all that is not booked is excused.
        booked = await self._world.store.executions()
        self._excused |= self._told.keys() - booked
        self._publishing.cancel()
        await asyncio.gather(self._publishing, return_exceptions=True)
        self._publishing, self._stale = None, self._publisher

    async def _excuse_entries(self, count: int) -> None:
        self._gap = True
        entries = await self._world.streams.tail(self._world.stream, START, count=10_000, block_ms=1)
        for entry in entries[-count:]:
            facts = decode_facts(entry.data).facts
            self._excused |= {fact.exec_id for fact in facts if hasattr(fact, "exec_id")}
        self._excused -= await self._world.store.executions()

    def _work(self) -> None:
        self._workers += 1
        worker = Consumer(
            self._world.streams,  # type: ignore[arg-type]
            stream=self._world.stream,
            group=GROUP,
            consumer=f"worker-{self._workers}",
            handle=self._world.store.handle,
            idle_ms=0,
        )
        self._working = asyncio.create_task(as_a_process(worker.run()))

    async def _settle(self) -> None:
        self._world.streams.away = False
        self._armed = ""
        if self._working is None or self._working.done():
            self._work()
        if self._publishing is None:
            await self._connect()
        await self._drain()
        if self._gap:
            # A link that finds something amiss connects anew: then it hears at least what is held.
            await self._disconnect()
            await self._connect()
            await self._drain()
        self._gap = False
        await self._judge()

    async def _drain(self) -> None:
        await comes(lambda: self._publisher.waiting_facts, lambda waiting: waiting == 0, seconds=_SECONDS)
        await eventually(self._waiting, lambda waiting: waiting == (0, 0), seconds=_SECONDS)

    async def _waiting(self) -> tuple[int | None, int]:
        info = await self._world.streams.info(self._world.stream)
        return next(
            ((group.lag_entries, group.pending_entries) for group in info.groups if group.name == GROUP),
            (-1, -1),
        )

    async def _judge(self) -> None:
        booked = await self._world.store.executions()
        assert booked <= self._told.keys(), "nothing is invented"
        missing = self._told.keys() - booked
        if self._replayed:
            assert not missing, "nothing is lost that the broker tells again"
            self._excused.clear()
        assert missing <= self._excused, "nothing is lost that was not taken from it"
        assert await self._world.store.doubled() == [], "nothing is doubled"
        words = await self._world.store.words()
        assert all(epoch <= self._epoch for epoch, _, _ in words.values())
        told = {conid: quantity for conid, (epoch, _, quantity) in words.items() if epoch == self._epoch}
        assert told == self._held, "the newest word counts, and none of a link that was replaced"

    async def _end(self) -> None:
        for task in (self._publishing, self._working):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if isinstance(self._world, RealWorld):
            await self._world.close()


async def as_a_process(work: Coroutine[Any, Any, None]) -> None:
    """A death ends the task, and nothing else: asyncio would end the loop with it."""
    try:
        await work
    except Killed:
        return


def stock(conid: int) -> Instrument:
    return Instrument(conid=conid, symbol=f"S{conid}", sec_type="STK", currency="USD", exchange="SMART")


@pytest.mark.parametrize("replayed", [True, False], ids=["told again", "told once"])
def test_in_memory(settings: Settings, replayed: bool) -> None:
    run_state_machine_as_test(
        lambda: Machine(lambda hook: MemoryWorld(settings, hook), settings, replayed=replayed),
        settings=options(by_form(12, 200, 1000)),
    )


@pytest.fixture
def fresh_settings(settings: Settings) -> Callable[[], Settings]:
    """Settings with streams of their own; the database is emptied."""

    def fresh() -> Settings:
        async def empty() -> None:
            database = Database(settings.require_database_url(), application="machine")
            await clear(database)
            await database.close()

        asyncio.run(empty())
        return settings.model_copy(update={"stream_prefix": f"machine-{uuid.uuid4().hex}"})

    return fresh


@pytest.mark.parametrize("replayed", [True, False], ids=["told again", "told once"])
def test_on_real_servers(fresh_settings: Callable[[], Settings], replayed: bool) -> None:
    def machine() -> Machine:
        own = fresh_settings()
        return Machine(lambda hook: RealWorld(own, hook), own, replayed=replayed)

    run_state_machine_as_test(machine, settings=options(by_form(5, 40, 200)))


def options(examples: int) -> hypothesis_settings:
    """No deadline, no database of examples: a program here takes as long as it takes."""
    return hypothesis_settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        database=None,
        derandomize=by_form(True, False, False),
        suppress_health_check=list(HealthCheck),
    )
