"""Business days of the broker, and the years that statements cover."""

from calendar import FRIDAY, SATURDAY
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

_HOLIDAYS = frozenset({(1, 1), (7, 4), (12, 25)})
_ONE_DAY = timedelta(days=1)


def is_business_day(day: date) -> bool:
    """Whether the exchanges are open; of the holidays only those of a fixed date are known."""
    return day.weekday() < SATURDAY and (day.month, day.day) not in _HOLIDAYS


def business_day_before(day: date) -> date:
    """The last business day that is over when ``day`` begins."""
    found = day - _ONE_DAY
    while not is_business_day(found):
        found -= _ONE_DAY
    return found


def business_days(first: date, last: date) -> Iterator[date]:
    """All from ``first`` to ``last``, both included."""
    day = first
    while day <= last:
        if is_business_day(day):
            yield day
        day += _ONE_DAY


def years_until(last: date, count: int) -> list[tuple[date, date]]:
    """The ``count`` years that end with ``last``, oldest first: first and last day of each."""
    ends = [_years_before(last, back) for back in range(count, -1, -1)]
    return [(earlier + _ONE_DAY, later) for earlier, later in pairwise(ends)]


def third_friday(year: int, month: int) -> date:
    """When the options of a month expire."""
    first = date(year, month, 1)
    return first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)


def _years_before(day: date, years: int) -> date:
    leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - years, day=28 if leap_day and years % 4 else day.day)
