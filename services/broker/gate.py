"""What one connection tells, held back until it is known under which epoch, and nothing after its end."""

from collections.abc import Hashable
from typing import Protocol

from core.events.facts import Fact, Tick
from services.broker import metrics

WAITING_MOST_FACTS = 10_000


class Sink(Protocol):
    """Takes facts and ticks, synchronously: the publisher, or a gate before it."""

    def put(self, fact: Fact) -> None:
        """Queue a fact."""
        ...

    def tick(self, key: Hashable, tick: Tick) -> None:
        """Queue a tick; it replaces an earlier one of the same key that was not sent yet."""
        ...


class Gate:
    """Stands between one connection and the publisher.

    A gateway may tell of a fill as soon as it has named its accounts, and only then can it be seen whether
    another link has them. Facts wait for that moment, up to ``WAITING_MOST_FACTS``; what comes behind these
    is dropped, because the first comparison asks for it. Ticks do not wait.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: list[Fact] | None = []
        self._is_open = False

    def put(self, fact: Fact) -> None:
        """Pass a fact on, keep it until the gate opens, or drop it once it is closed."""
        if self._is_open:
            self._sink.put(fact)
        elif self._waiting is not None:
            if len(self._waiting) < WAITING_MOST_FACTS:
                self._waiting.append(fact)
                metrics.GATE_FACTS.set(len(self._waiting))
            else:
                metrics.GATE_DROPPED.inc()

    def tick(self, key: Hashable, tick: Tick) -> None:
        """Pass a tick on while the gate is open."""
        if self._is_open:
            self._sink.tick(key, tick)

    def open(self) -> None:
        """Let through what waits and what follows. A gate that was closed stays closed."""
        waiting, self._waiting = self._waiting, None
        metrics.GATE_FACTS.set(0)
        if waiting is not None:
            self._is_open = True
            for fact in waiting:
                self._sink.put(fact)

    def close(self) -> None:
        """Let nothing through any more."""
        self._waiting, self._is_open = None, False
        metrics.GATE_FACTS.set(0)
