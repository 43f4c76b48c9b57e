"""Texts of a statement to values: numbers, dates and times in every spelling a Flex query can be set to.

Whatever is not stated, or has no single value, is ``None``: unknown is not zero.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from core.domain.days import BROKER_ZONE
from core.domain.money import decimal_from_text

Value = TypeVar("Value")

NOTHING: Final = frozenset({"", "-", "--", "N/A", "MULTI", "MULTIPLE"})
"""How Flex spells that there is no value, or several."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d\d?)?", re.ASCII)
_SIMPLE_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII).fullmatch
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?", re.ASCII)
_DATE = (
    r"\d{8}|\d{4}-\d\d-\d\d|\d{4}/\d\d/\d\d|\d{1,2}/\d{1,2}/(?:\d{4}|\d\d)|\d{1,2}-[A-Za-z]{3}-(?:\d{4}|\d\d)"
)
_MOMENT = re.compile(
    rf"(?P<date>{_DATE})"
    r"(?:(?:[;,T ] ?)?(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:\.\d+)?)?"
    r"(?: ?(?P<zone>[A-Za-z][A-Za-z_/]*|[+-]\d\d:?\d\d))?)?",
    re.ASCII,
)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# fmt: off
_HOURS_EAST: Final = {
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "BST": 1, "CET": 1, "CEST": 2, "HKT": 8, "SGT": 8, "JST": 9, "AEST": 10, "AEDT": 11,
}
# fmt: on
_ABBREVIATIONS: Final[dict[str, tzinfo]] = {
    "ET": BROKER_ZONE,
    "Z": UTC,
    **{name: timezone(timedelta(hours=hours)) for name, hours in _HOURS_EAST.items()},
}
_MONTHS_IN_A_YEAR = 12
_MOST_DIGITS = 18
_SHORT_YEAR = 2
_FIRST_SHORT_YEAR_BEFORE_2000 = 69  # as POSIX has it
_COMPACT = len("20230103;093000")


class Moment(NamedTuple):
    """A time in UTC; ``zone_assumed``: its zone is ours to conclude; ``timed``: the hour was stated, too.

    A date without an hour is the start of that day in Eastern Time.
    """

    at: datetime
    zone_assumed: bool
    timed: bool


def said(text: str) -> str:
    """The text, empty where it is one that says nothing."""
    return "" if text in NOTHING else text


def read_number(text: str) -> Decimal | None:
    """A number exactly as it is spelled, thousands commas apart; ``None`` when it is not a number."""
    if "," in text:
        if _THOUSANDS.fullmatch(text) is None:
            return None
        text = text.replace(",", "")
    return decimal_from_text(text) if _NUMBER.fullmatch(text) else None


def read_whole(text: str) -> int | None:
    """A whole number of at most 18 digits, as a database can keep; ``None`` when it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def read_codes(text: str) -> tuple[str, ...]:
    """The codes of a ``notes`` or ``code`` attribute: ``"A;P"`` → ``("A", "P")``."""
    return tuple(code for code in map(str.strip, re.split("[;,]", text)) if code not in NOTHING)


class Memo(dict[str, Value | None]):
    """What texts were read as: a statement says the same few thousand over and over.

    A text that is something yet cannot be read is put into ``unreadable`` each time it is met. ``nothing`` is
    what texts that say nothing stand for.
    """

    MOST = 8192

    def __init__(
        self, read: Callable[[str], Value | None], unreadable: list[str], nothing: Value | None = None
    ) -> None:
        super().__init__()
        self._read = read
        self._unreadable = unreadable
        self._nothing = nothing

    def __missing__(self, text: str) -> Value | None:
        bare = text.strip()
        value = self._nothing if bare in NOTHING else self._read(bare)
        if value is None and bare not in NOTHING:
            self._unreadable.append(text)
            return None
        if len(self) >= self.MOST:
            self.clear()
        self[text] = value
        return value


class Numbers(Memo[Decimal]):
    """What texts were read as by ``read_number``, with a shortcut for how nearly all numbers are spelled."""

    def __init__(self, unreadable: list[str]) -> None:
        super().__init__(read_number, unreadable)

    def __missing__(self, text: str) -> Decimal | None:
        if _SIMPLE_NUMBER(text) is None:
            return super().__missing__(text)
        if len(self) >= self.MOST:
            self.clear()
        value = self[text] = Decimal(text)
        return value


class Calendar:
    """Reads the dates and times of one file.

    A date with slashes may have the day or the month first, and nothing in it says which, unless one of them
    is beyond 12. ``day_first`` is asked about the file as a whole, once, when one is met that could be both;
    where it does not know, either, the month comes first, and ``month_first_assumed`` says so.
    """

    def __init__(self, day_first: Callable[[], bool | None] = lambda: None) -> None:
        self.month_first_assumed = False
        self._ask = day_first
        self._day_first: bool | None = None
        self._hours = Memo(self._read_moment, [])

    def read_date(self, text: str) -> date | None:
        """The date; ``None`` when it is none."""
        moment = _MOMENT.fullmatch(text)
        if moment is None:
            return None
        try:
            return self._date(moment["date"])
        except ValueError:
            return None

    def read_moment(self, text: str) -> Moment | None:
        """The time in UTC; ``None`` when it is none, does not exist or is in a zone that nobody knows."""
        if len(text) != _COMPACT or not (text[:8].isdigit() and text[9:].isdigit()):
            return self._read_moment(text)
        # The commonest spelling by far, and most of a statement's times are in few hours. Eastern Time is
        # whole hours away from UTC.
        hour = self._hours[f"{text[:11]}0000"]
        if hour is None:
            return None
        try:
            return Moment(
                hour.at.replace(minute=int(text[11:13]), second=int(text[13:])), zone_assumed=True, timed=True
            )
        except ValueError:
            return None

    def _read_moment(self, text: str) -> Moment | None:
        found = _MOMENT.fullmatch(text)
        if found is None:
            return None
        day, hour, minute, second, zone_name = found.groups()
        zone = BROKER_ZONE if zone_name is None else zone_of(zone_name)
        if zone is None:
            return None
        try:
            on = self._date(day)
            local = datetime(
                on.year, on.month, on.day, int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone
            )
            return Moment(local.astimezone(UTC), zone_name is None, hour is not None)
        except (ValueError, OverflowError):
            return None

    def _date(self, text: str) -> date:
        if "/" in text:
            return self._slashed(*text.split("/"))
        if text.isdigit():
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        first, second, third = text.split("-")
        if second.isdigit():
            return date(int(first), int(second), int(third))
        return date(_year(third), _MONTHS.index(second.lower()) + 1, int(first))

    def _slashed(self, first: str, second: str, year: str) -> date:
        if len(first) > _SHORT_YEAR:
            return date(int(first), int(second), int(year))
        if self._day_first is None:
            self._day_first = self._is_day_first(int(first), int(second))
        day, month = (first, second) if self._day_first else (second, first)
        return date(_year(year), int(month), int(day))

    def _is_day_first(self, first: int, second: int) -> bool:
        told = day_comes_first(first, second)
        if told is None:
            told = self._ask()
        self.month_first_assumed = told is None
        return bool(told)


def day_comes_first(first: int, second: int) -> bool | None:
    """What the first two numbers of a date with slashes tell of their order; ``None`` for nothing."""
    if (first > _MONTHS_IN_A_YEAR) == (second > _MONTHS_IN_A_YEAR):
        return None
    return first > _MONTHS_IN_A_YEAR


@lru_cache(maxsize=8192)
def moment_on(day: date, clock: str) -> Moment | None:
    """The time of a row that states day and hour apart; ``None`` when ``clock`` is neither empty nor one."""
    return Calendar().read_moment(f"{day.isoformat()};{clock}".rstrip(";"))


def _year(text: str) -> int:
    year = int(text)
    if len(text) > _SHORT_YEAR:
        return year
    return year + (2000 if year < _FIRST_SHORT_YEAR_BEFORE_2000 else 1900)


def zone_of(name: str) -> tzinfo | None:
    """The zone of a name, an abbreviation or an offset; ``None`` where nobody knows it."""
    known = _ABBREVIATIONS.get(name)
    if known is not None:
        return known
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        sign, hours, minutes = offset.groups()
        east = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-east if sign == "-" else east)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
