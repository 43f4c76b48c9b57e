"""The order in which executions are told: what was traded before comes first."""

import asyncio
from collections.abc import Callable

from core.events.facts import CommissionReported, ExecutionReported

MOST_FACTS = 20_000
MOST_SECONDS = 10.0
"""What is traded meanwhile is kept back no longer, however long an answer takes."""

_Told = ExecutionReported | CommissionReported


class Holding:
    """Keeps back what is traded while the gateway tells what was traded before.

    A book that learns of a trade after later ones is folded anew from there on, with each part of the answer.
    Nothing depends on it but what that costs: what is kept back and lost is in the gateway's next answer, as
    long as its day lasts. So nothing is kept back about the gateway's midnight.
    """

    def __init__(self, put: Callable[[_Told], None]) -> None:
        self._put = put
        self._held: list[_Told] = []
        self._exec_ids: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float = MOST_SECONDS) -> None:
        """An answer about what was traded before is under way; nothing is kept back for more ``seconds``."""
        self.end()
        if seconds > 0:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(seconds, MOST_SECONDS), self.end)

    def tell(self, fact: ExecutionReported, *, is_answer: bool) -> None:
        """Tell of an execution, at once if it belongs to the answer, or if there is none."""
        if is_answer or self._timer is None:
            self._put(fact)
            return
        self._exec_ids.add(fact.exec_id)
        self._keep(fact)

    def tell_commission(self, fact: CommissionReported) -> None:
        """Tell of a commission, after its execution."""
        if fact.exec_id in self._exec_ids:
            self._keep(fact)
        else:
            self._put(fact)

    def _keep(self, fact: _Told) -> None:
        self._held.append(fact)
        if len(self._held) >= MOST_FACTS:
            self.end()

    def end(self) -> None:
        """Tell what was kept back; nothing is any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        self._exec_ids.clear()
        for fact in held:
            self._put(fact)
