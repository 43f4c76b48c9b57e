"""What rules say of what is kept: how grave a finding is, what it is about, and what is still tolerated."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

from core.domain.money import plain

Severity: TypeAlias = Literal["error", "warning", "review"]
"""``error``: something that is kept is wrong. ``warning``: something is missing, late or not explained.
``review``: it may well be right, and is so unusual that somebody should look at it."""


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


class Finding(NamedTuple):
    """What a rule found. It is the same finding as long as ``account`` and ``subject`` are.

    ``about`` is the moment that it is about, where it is about one: once that is older than what is looked
    at, that it is not found any more says nothing. ``details`` are for programs.
    """

    account: str | None
    subject: str
    summary: str
    details: dict[str, Any]
    about: datetime | None = None


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
