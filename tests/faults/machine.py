"""The state machine: all that can happen to a broker, a link, Redis and a worker, in any order."""

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.faults.workings import CONIDS, Fills, Workings
from tests.faults.worlds import UNDOABLE_APPENDS

FILLS = st.lists(st.tuples(st.sampled_from(CONIDS), st.integers(1, 9), st.booleans()), max_size=8)


class Machine(Workings):
    """A broker that trades, a link, one worker at a time, and everything that can befall them."""

    @initialize()
    def begin(self) -> None:
        async def begin() -> None:
            self._world = self._make(self._hook)
            self._worker_may = asyncio.Event()
            self._worker_may.set()
            await self._connect()
            self._work()

        self._do(begin())

    # What happens to the broker and the link.

    @rule(fills=FILLS, unreadable=st.booleans(), later=st.booleans())
    def trade(self, fills: Fills, unreadable: bool, later: bool) -> None:
        """The broker fills orders, and tells whoever listens; sometimes what nobody understands."""
        self._do(self._trade(fills, unreadable=unreadable, later=later))

    @rule(fills=FILLS, later=st.booleans())
    def link_dies_or_is_started(self, fills: Fills, later: bool) -> None:
        """What it had not brought to Redis or to its disk is gone with its memory."""

        async def change() -> None:
            await self._trade(fills, later=later)
            if self._publisher is None:
                await self._connect()
            else:
                await self._kill()
            await asyncio.sleep(0)

        self._do(change())

    @rule()
    def link_asks_again(self) -> None:
        """It asks for everything because Redis lost something, or connects anew because there is room."""
        self._do(self._hear_anew())

    @precondition(lambda self: self._stale_epoch and not self._world.server.down)
    @rule(conid=st.sampled_from(CONIDS))
    def a_replaced_link_goes_on(self, conid: int) -> None:
        """One that stood still and was replaced writes what it still had in hand, and an old word."""
        self._do(self._write_stale(conid))

    @rule(fills=FILLS, later=st.booleans())
    def disk_refuses_or_takes_again(self, fills: Fills, later: bool) -> None:
        self._disk.refuses = not self._disk.refuses
        self._do(self._trade(fills, later=later))

    # What happens to Redis.

    @rule(fills=FILLS, later=st.booleans())
    def redis_goes_away_or_comes_back(self, fills: Fills, later: bool) -> None:
        self._world.server.down = not self._world.server.down
        self._do(self._trade(fills, later=later))

    @rule(count=st.integers(1, 2))
    def answers_get_lost(self, count: int) -> None:
        """Appends are made, and nobody hears of it."""
        self._world.server.outcomes_unknown = count

    @rule(appends=st.none() | st.integers(1, UNDOABLE_APPENDS))
    def redis_forgets(self, appends: int | None) -> None:
        """All that was in it is gone, or the newest of it."""
        self._do(self._lose(appends))

    @precondition(lambda self: not self._world.server.down)
    @rule()
    def stream_is_trimmed(self) -> None:
        self._do(self._world.server.trim_acknowledged(self._world.stream))

    # What happens to the worker.

    @rule(point=st.sampled_from(["before_commit", "after_commit", "before_ack", "after_ack"]), fills=FILLS)
    def worker_dies(self, point: str, fills: Fills) -> None:
        """The worker dies when it next comes to a point, which may be at once."""
        self._armed = point
        self._do(self._trade(fills, later=True))
        self._do(self._until_dead())

    @rule()
    def worker_comes_back(self) -> None:
        """A worker that died is started anew, under another name."""

        async def come_back() -> None:
            if self._working is None or self._working.done():
                self._work()
            await asyncio.sleep(0)

        self._do(come_back())

    @rule(fills=FILLS, later=st.booleans())
    def worker_stands_still_or_goes_on(self, fills: Fills, later: bool) -> None:
        """So slow that what it is told piles up."""
        if self._worker_may.is_set():
            self._worker_may.clear()
        else:
            self._worker_may.set()
        self._do(self._trade(fills, later=later))

    # The end.

    @rule()
    def dust_settles(self) -> None:
        """Everything comes back and does its work; then all must be as it should."""
        self._do(self._settle())

    def teardown(self) -> None:
        """The same at the end of every program."""
        try:
            if hasattr(self, "_world"):
                try:
                    self._do(self._settle())
                finally:
                    self._do(self._end())
        finally:
            self._runner.close()
