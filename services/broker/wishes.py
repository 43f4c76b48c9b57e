"""Comparisons that were asked for: which wait, which are under way, and how those of before were answered."""

import asyncio
from collections.abc import Callable

from core.clock import Clock
from core.events.facts import ResyncFenced

_REMEMBERED = 1_000


class Wishes:
    """Collects what is asked for until one comparison answers all of it.

    Who asks under an id may ask again before the answer has reached him. A wish that waits or is under way is
    joined, and one that was answered gets the same answer again.
    """

    def __init__(self, answer: Callable[[ResyncFenced], None], clock: Clock) -> None:
        self._put = answer
        self._clock = clock
        self._waiting: dict[str, str] = {}
        self._under_way: frozenset[str] = frozenset()
        self._answered: dict[str, ResyncFenced] = {}
        self.wake = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def begin(self) -> None:
        """A connection is there: the first comparison is its own."""
        self._waiting = {"": "connect"}
        self.wake.set()

    def add(self, trigger: str, job_id: str = "") -> None:
        """Ask for a comparison; without an id it is enough that one begins from now on."""
        if not self.is_known(job_id):
            self._waiting.setdefault(job_id, trigger)
            self.wake.set()

    def is_known(self, job_id: str) -> bool:
        """Whether what is asked for is under way, or was answered and is answered again by this."""
        answer = self._answered.get(job_id)
        if answer is not None:
            self._put(answer)
        return answer is not None or (job_id != "" and job_id in self._under_way)

    def take(self) -> tuple[str, frozenset[str]]:
        """What waits is under way from now on: why, and under which ids."""
        waiting, self._waiting = self._waiting or {"": "retry"}, {}
        self.wake.clear()
        self._under_way = frozenset(waiting)
        return next(iter(waiting.values())), self._under_way

    def answer(self, fence: ResyncFenced) -> None:
        """Tell how a comparison ended."""
        self._under_way -= {fence.job_id}
        if fence.job_id:
            if len(self._answered) >= _REMEMBERED:
                del self._answered[next(iter(self._answered))]
            self._answered[fence.job_id] = fence
        self._put(fence)

    def refuse(self, trigger: str, job_id: str, error: str) -> None:
        """Answer that it cannot be done now."""
        now = self._clock()
        self.answer(
            ResyncFenced(
                received_at=now, trigger=trigger, started_at=now, ok=False, error=error, job_id=job_id
            )
        )

    def refuse_all(self, error: str) -> None:
        """The connection is gone: whoever waits under an id is told."""
        waiting, self._waiting, self._under_way = self._waiting, {}, frozenset()
        for job_id, trigger in waiting.items():
            if job_id:
                self.refuse(trigger, job_id, error)
