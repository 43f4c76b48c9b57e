"""Days of an account as one chain: each as a statement states it, else as its snapshots tell.

A day of snapshots ends with its last hour whose contribution is known, and what was brought on it is what was
brought in its hours. Where statements tell of that time, they say what was brought.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from core.domain.performance import DayFlow, DayValue


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


def _are_covered(after: date, last: date, covered: Collection[date]) -> bool:
    return all(after + timedelta(days=number) in covered for number in range(1, (last - after).days + 1))
