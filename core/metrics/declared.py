"""What there is to say of a metric before it has a value."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Process: TypeAlias = Literal["broker", "worker", "api"]
Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Unit: TypeAlias = Literal["", "seconds", "bytes", "moment", "money"]
"""``moment`` is in seconds since 1970, as Prometheus has moments; ``money`` in the currency of its label."""

PROCESSES: tuple[Process, ...] = ("broker", "worker", "api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A metric: how it is called, what it tells, who serves it.

    ``at_start`` is what a gauge without labels says before anything is known; ``None``: it is absent until
    then, for unknown is not zero. ``money``: only where ``LOTKEEPER_METRICS_MONEY`` is on.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: Unit = ""
    processes: tuple[Process, ...] = PROCESSES
    buckets: tuple[float, ...] = ()
    at_start: float | None = None
    money: bool = False


class Declarations:
    """The metrics of some processes, declared line by line."""

    def __init__(self, *processes: Process) -> None:
        self._processes = processes
        self.all: list[Declared] = []

    def counter(self, name: str, description: str, *labels: str) -> None:
        """Something that only grows; counted from the process's start."""
        self._add(Declared(name=name, kind="counter", help=description, labels=labels))

    def gauge(
        self,
        name: str,
        description: str,
        *labels: str,
        unit: Unit = "",
        at_start: float | None = None,
        money: bool = False,
    ) -> None:
        """Something that goes up and down."""
        self._add(
            Declared(
                name=name,
                kind="gauge",
                help=description,
                labels=labels,
                unit=unit,
                at_start=at_start,
                money=money,
            )
        )

    def histogram(
        self, name: str, description: str, *labels: str, unit: Unit = "", buckets: tuple[float, ...]
    ) -> None:
        """How often something was how large."""
        self._add(
            Declared(name=name, kind="histogram", help=description, labels=labels, unit=unit, buckets=buckets)
        )

    def _add(self, metric: Declared) -> None:
        self.all.append(replace(metric, processes=self._processes))
