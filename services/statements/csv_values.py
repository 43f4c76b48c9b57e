"""Cells of a CSV file to values, strictly: what could be meant in two ways is refused, with the reason."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from core.domain.money import is_usable
from core.errors import Fault
from services.statements.values import zone_of

Value = TypeVar("Value")

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WITH_COMMAS = re.compile(r"[+-]?[\d.' ]*,[\d,.' ]*", re.ASCII)
_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?(?P<zone>Z|[+-]\d\d:?\d\d|[A-Za-z][\w/+-]*)?)?",
    re.ASCII,
)
_FIRST_YEAR: Final = 1900
_MOST_AHEAD: Final = timedelta(days=1)
"""A wrong zone or a wrong clock makes a time seem to lie ahead by hours, never by more."""


class CellError(ValueError):
    """A cell cannot be used; the text says why, in a part of a sentence."""


class Cells(NamedTuple):
    """The cells of one row by the names of their columns. What is wrong with them goes to ``faults``."""

    line: int
    by_name: dict[str, str]
    faults: list[Fault]

    def text(self, column: str) -> str:
        """What a cell says, empty where there is none."""
        return self.by_name.get(column, "")

    def fail(self, column: str, reason: str) -> None:
        """Note that a cell cannot be used."""
        self.faults.append(Fault(self.line, column, reason))

    def read(self, column: str, read: Callable[[str], Value], *, needed: bool = False) -> Value | None:
        """What a cell says, read as what it should be; ``None`` where it is empty, or a fault."""
        text = self.text(column)
        if not text:
            if needed:
                self.fail(column, "it is needed, and empty")
            return None
        try:
            return read(text)
        except CellError as error:
            self.fail(column, str(error))
            return None


class Time(NamedTuple):
    """A time in UTC, or the day alone with its zone. ``zone_assumed``: the file names none."""

    at: datetime | None
    day: date
    zone: tzinfo
    zone_assumed: bool


def number(text: str) -> Decimal:
    """A number with a decimal point and nothing else in it.

    Raises:
        CellError: it is none, or none that can be kept and reckoned with.
    """
    if _NUMBER.fullmatch(text) is None:
        if _WITH_COMMAS.fullmatch(text):
            raise CellError(f"{shown(text)} has a comma: write numbers with a point and without separators")
        raise CellError(f"{shown(text)} is not a number")
    value = Decimal(text)
    if not is_usable(value):
        raise CellError(f"{shown(text)} has more digits than any amount")
    return value


def time(text: str, zone_name: str, otherwise: tzinfo, now: datetime) -> Time:
    """A time as ISO 8601 has it, or a day.

    Raises:
        CellError: it is none, does not exist or happens twice in its zone, or lies in the future.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise CellError(
            f"{shown(text)} is not a time: write 2025-03-31, 2025-03-31 15:30:00 or 2025-03-31T15:30:00+02:00"
        )
    named = found["zone"] or zone_name
    zone = zone_of(named) if named else otherwise
    if zone is None:
        raise CellError(f"the zone {shown(named)} is not known: write one such as Europe/Berlin, or +01:00")
    try:
        day = date.fromisoformat(found["date"])
        local = None if found["clock"] is None else datetime.fromisoformat(f"{day} {found['clock']}")
    except ValueError as error:
        raise CellError(f"{shown(text)} is no time of any calendar") from error
    if day.year < _FIRST_YEAR:
        raise CellError(f"{shown(text)} is too long ago")
    begins = datetime.combine(day, datetime.min.time(), UTC)
    if begins > now + _MOST_AHEAD:
        raise CellError(f"{shown(text)} lies in the future")
    at = None if local is None else _placed(local, zone)
    if at is not None and at > now + _MOST_AHEAD:
        raise CellError(f"{shown(text)} lies in the future")
    return Time(at, day, zone, not named)


def _placed(local: datetime, zone: tzinfo) -> datetime:
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None, fold=0) != local:
        raise CellError(f"{local} does not exist in {zone}: the clocks were put forward over it")
    if first != second:
        either = " or ".join(local.replace(tzinfo=zone, fold=fold).isoformat() for fold in (0, 1))
        raise CellError(f"{local} happens twice in {zone}: write {either}")
    return first


def shown(text: str) -> str:
    """A cell as errors show it: on one line, and not endless."""
    most = 40
    return repr(text if len(text) <= most else f"{text[:most]}…")
