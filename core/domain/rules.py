"""What rules say of what is kept: how grave a finding is, what it is about, and what is still tolerated."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from core.domain.money import ZERO, plain

Severity: TypeAlias = Literal["error", "warning", "review"]
"""``error``: something that is kept is wrong. ``warning``: something is missing, late or not explained.
``review``: it may well be right, and is so unusual that somebody should look at it."""

RANKS: Final[Mapping[Severity, int]] = {"error": 0, "warning": 1, "review": 2}
"""The gravest first."""

AcknowledgementEnd: TypeAlias = Literal["again", "worse"]
"""Why that somebody knew of an issue counts no more: it was gone and came ``again``, or became ``worse``."""


class Tolerance(NamedTuple):
    """How far something may be off before it is a finding; ``name`` is the same wherever it is told."""

    name: str
    value: Decimal | int | timedelta
    meaning: str

    @property
    def spelled(self) -> str:
        """The value for people: ``0.01``, ``20`` or ``5 min``."""
        if isinstance(self.value, timedelta):
            return spelled_time(self.value)
        return plain(self.value) if isinstance(self.value, Decimal) else str(self.value)

    @property
    def number(self) -> Decimal:
        """The value, where it is a number."""
        if isinstance(self.value, timedelta):
            raise TypeError(f"{self.name} is a time")
        return Decimal(self.value)

    @property
    def time(self) -> timedelta:
        """The value, where it is a time."""
        if not isinstance(self.value, timedelta):
            raise TypeError(f"{self.name} is a number")
        return self.value


MagnitudeKind: TypeAlias = Literal["amount", "count", "share", "time"]
"""What a magnitude is: money, so many of something, a fraction of a whole, or so much time."""


class Magnitude(NamedTuple):
    """What a rule tells how bad a finding is by, and when it is worse than what somebody knew of.

    It is worse where it is both ``times`` what it was and ``more`` than that, in the unit that ``meaning``
    names. ``more`` of zero: however little it grew.
    """

    kind: MagnitudeKind
    meaning: str
    times: Decimal = Decimal(1)
    more: Decimal = ZERO

    @property
    def worse(self) -> str:
        """When a finding is worse, in a few words: ``at least 2 times as much, and by 24 or more``."""
        by = f"by {plain(self.more)} or more" if self.more else ""
        times = f"at least {plain(self.times)} times as much" if self.times > 1 else ""
        return ", and ".join(filter(None, (times, by))) or "by however little"


class Finding(NamedTuple):
    """What a rule found. It is the same finding as long as ``account`` and ``subject`` are.

    ``about`` is the moment that it is about, where it is about one: once that is older than what is looked
    at, that it is not found any more says nothing. ``details`` are for programs. ``magnitude`` is how bad it
    is, in what its rule says; ``None``: it is so or is not.
    """

    account: str | None
    subject: str
    summary: str
    details: dict[str, Any]
    about: datetime | None = None
    magnitude: Decimal | None = None


def spelled_time(time: timedelta) -> str:
    """A time in its largest whole unit.

    >>> spelled_time(timedelta(minutes=90)), spelled_time(timedelta(hours=24)), spelled_time(timedelta(0))
    ('90 min', '1 d', '0 s')
    """
    seconds = int(time.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
