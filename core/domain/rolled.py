"""Days of an account as one chain: each as a statement states it, else as its snapshots tell.

A day of snapshots ends with its last hour whose contribution is known, and what was brought on it is what was
brought in its hours. Where statements tell of that time, they say what was brought.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from core.domain.money import ZERO
from core.domain.performance import DAYS_APART, DayFlow, DayValue

_DAY: Final = timedelta(days=1)


class RolledDay(NamedTuple):
    """A day of snapshots: its value, and what was brought since the end of the day ``since``, if known."""

    value: DayValue
    contribution: Decimal | None
    estimated: bool
    since: date | None


def one_value_a_day(stated: Iterable[DayValue], rolled: Iterable[RolledDay]) -> list[DayValue]:
    """What the account was worth, oldest first: what statements state of a day counts.

    A value that only tells what came before another gives way to a snapshot of that day, which is a row.
    """
    by_day = {one.value.day: one.value for one in rolled}
    by_day |= {value.day: value for value in stated if value.listed or value.day not in by_day}
    return [by_day[day] for day in sorted(by_day)]


def what_came(
    values: Sequence[DayValue],
    rolled: Iterable[RolledDay],
    flows: Iterable[DayFlow],
    covered: Collection[date],
) -> list[DayFlow]:
    """The flows between values, of which there is one a day: what statements tell, else what snapshots do.

    ``flows`` are what statements tell, ``covered`` the days that they tell of. What came between a value that
    is stated and a snapshot's is not known but where statements tell, or the snapshots of that day, too.
    """
    by_day = {one.value.day: one for one in rolled}
    stated = deque(sorted(flows, key=lambda flow: flow.day))
    came: list[DayFlow] = []
    before: DayValue | None = None
    for value in values:
        told: list[DayFlow] = []
        while stated and stated[0].day <= value.day:
            told.append(stated.popleft())
        if before is None or value.source == "statement" or _are_covered(before.day, value.day, covered):
            came += told
        else:
            one = by_day[value.day]
            amount = one.contribution if one.since == before.day else None
            came.append(DayFlow(value.day, amount, one.estimated))
        before = value
    return came


def realized_since(
    days: Sequence[date], realized: Mapping[date, Decimal | None], told: Iterable[tuple[date, date]]
) -> dict[date, Decimal | None]:
    """What was realized up to each day since the one before: like the change in value it is then no other's.

    ``None`` where statements do not tell all that was executed meanwhile: there may have been more.
    """
    known = {first + n * _DAY for first, last in told for n in range((last - first).days + 1)}
    found: dict[date, Decimal | None] = {}
    for before, day in pairwise([*(day - _DAY for day in days[:1]), *days]):
        since = [before + n * _DAY for n in range(1, (day - before).days + 1)]
        parts = [realized.get(one, ZERO) if one in known else None for one in since]
        sums = [part for part in parts if part is not None]
        adjacent = day - before <= DAYS_APART
        found[day] = sum(sums, ZERO) if adjacent and len(sums) == len(parts) else None
    return found


def _are_covered(after: date, last: date, covered: Collection[date]) -> bool:
    return all(after + number * _DAY in covered for number in range(1, (last - after).days + 1))
