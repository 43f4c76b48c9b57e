"""Several accounts as one."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import localcontext
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.domain.days import day_of, end_of
from core.domain.measures.points import (
    MICROSECONDS,
    Amounts,
    Instants,
    Numbers,
    Points,
    distinct,
    moments_of,
    numbers_of,
)
from core.domain.measures.series import AccountSeries, account_series
from core.domain.money import ZERO
from core.domain.performance import DAYS_APART
from core.domain.pnl import EXACT

Places: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]

_MOMENT: Final = timedelta(microseconds=1)


def group_series(accounts: Sequence[AccountSeries]) -> AccountSeries:
    """Several accounts as one: their points as those of ``together``.

    Raises:
        ValueError: none, or not all of one currency and one resolution.

    """
    kinds = {(one.resolution, one.currency) for one in accounts}
    if len(kinds) != 1:
        raise ValueError("a group is of at least one account, and all of one currency and resolution")
    points = together([one.points for one in accounts])
    closed = frozenset.intersection(*(frozenset(one.closed) for one in accounts)) if points else ()
    return account_series(points, currency=accounts[0].currency, closed=closed)


def together(accounts: Sequence[Points], closed_on: Sequence[date | None] = ()) -> Points:
    """The points of several accounts added, in the time in which what each of them is worth is known.

    All are of one currency, and of days or of instants, oldest first. Where one of them has no value, there
    is none of the group: it is incomplete, not smaller. An account that begins with a value of zero was worth
    nothing before, and one that ends with it is worth nothing since: so accounts join and leave.

    One that was closed (``closed_on``, the broker's day; ``None`` where that is not known) leaves after that
    day with what it was last worth, which the owner took: the others are measured on. When and for how much
    it went is our own reckoning. Where its last value is older than ``DAYS_APART`` nobody knows what it left
    with, and it ends the group; so does one that is worth something after that day.
    """
    if not all(len(one) for one in accounts):
        return Points.of(())
    closed = closed_on or [None] * len(accounts)
    members = [_Member.of(one, on) for one, on in zip(accounts, closed, strict=True)]
    first = max((one.first for one in members if not one.joins), default=min(one.first for one in members))
    ends = [int(one.numbers[-1]) for one in members if one.gone_after is None]
    last = min(ends, default=max(int(one.numbers[-1]) for one in members))
    numbers, turns = _times(members, first, last)
    found = [one.at(numbers, turns) for one in members]
    with localcontext(EXACT):
        return Points(
            _told(members, numbers),
            _added(one.net_liquidation for one in found),
            _added(one.contribution for one in found),
            np.sum([one.cash for one in found], axis=0),
            np.sum([one.gross for one in found], axis=0),
            [any(ones) for ones in zip(*(one.estimated for one in found), strict=True)],
        )


class _Member(NamedTuple):
    """An account of a group, when its points are, and after when it was worth nothing, where it was."""

    points: Points
    numbers: Numbers
    gone_after: int | None

    @classmethod
    def of(cls, points: Points, closed_on: date | None) -> "_Member":
        """An account with these points that was closed on a day, if it was."""
        numbers = numbers_of(points.at)
        last = int(numbers[-1])
        if points.net_liquidation[-1] == ZERO:
            return cls(points, numbers, last)
        at = points.at[-1]
        day = day_of(at - _MOMENT) if isinstance(at, datetime) else at
        # Who tells of it after that day may tell of it again.
        if closed_on is None or day > closed_on or closed_on - day > DAYS_APART:
            return cls(points, numbers, None)
        closed = (
            int(moments_of([end_of(closed_on)])[0]) if isinstance(at, datetime) else closed_on.toordinal()
        )
        return cls(points, numbers, max(closed, last))

    @property
    def first(self) -> int:
        """Its first time."""
        return int(self.numbers[0])

    @property
    def joins(self) -> bool:
        """Whether it was worth nothing before its first point."""
        return self.points.net_liquidation[0] == ZERO

    def at(self, numbers: Numbers, turns: Places) -> Points:
        """Its points of these times, each the one of its turn, or its last one where it has fewer of a time.

        Where it has none and was worth something, or may have been, nothing of it is known.
        """
        begins, ends = (np.searchsorted(self.numbers, numbers, side) for side in ("left", "right"))
        is_told = ends > begins
        is_new = begins + turns < ends
        places = np.minimum(begins + turns, ends - 1)
        if is_new.all() and len(numbers) == len(self.points) and (places == np.arange(len(places))).all():
            return self.points
        is_nothing = np.zeros_like(is_told)
        if self.joins:
            is_nothing |= numbers < self.first
        gone = np.flatnonzero(numbers > self.gone_after) if self.gone_after is not None else places[:0]
        is_nothing[gone] = True
        told = self.points
        came = _chosen(told.contribution, places, is_new, ~is_new)
        estimated = [
            one and told.estimated[place]
            for place, one in zip(places.tolist(), is_told.tolist(), strict=True)
        ]
        if len(gone) and told.net_liquidation[-1] != ZERO:
            value = told.net_liquidation[-1]
            came[gone[0]] = None if value is None else -value
            estimated[gone[0]] = True
        return Points(
            [],
            _chosen(told.net_liquidation, places, is_told, is_nothing),
            came,
            np.where(is_nothing, 0.0, np.where(is_told, told.cash[places], np.nan)),
            np.where(is_nothing, 0.0, np.where(is_told, told.gross[places], np.nan)),
            estimated,
        )


def _times(members: Sequence[_Member], first: int, last: int) -> tuple[Numbers, Places]:
    """The times that any of them has, from one to another, and where one has several points, their turns."""
    inside = [one.numbers[(one.numbers >= first) & (one.numbers <= last)] for one in members]
    every = distinct(np.concatenate(inside))
    most = np.ones(len(every), dtype=np.intp)
    for one in inside:
        times, counts = np.unique(one, return_counts=True)
        at = np.searchsorted(every, times)
        most[at] = np.maximum(most[at], counts)
    begins = np.cumsum(most) - most
    return np.repeat(every, most), np.arange(most.sum()) - np.repeat(begins, most)


def _told(members: Sequence[_Member], numbers: Numbers) -> Sequence[date]:
    """These times as the accounts tell them."""
    if all(isinstance(one.points.at, Instants) for one in members):
        return Instants(numbers // MICROSECONDS)
    names: dict[int, date] = {}
    for one in members:
        names |= zip(one.numbers.tolist(), one.points.at, strict=True)
    return [names[number] for number in numbers.tolist()]


def _chosen(column: Amounts, places: Places, is_told: Flags, is_nothing: Flags) -> Amounts:
    flags = zip(places.tolist(), is_told.tolist(), is_nothing.tolist(), strict=True)
    return [column[place] if told else ZERO if nothing else None for place, told, nothing in flags]


def _added(columns: Iterable[Amounts]) -> Amounts:
    """The sums of each row; none where one of them is not known."""
    first, *others = columns
    total = first
    for column in others:
        total = [
            None if one is None or other is None else one + other
            for one, other in zip(total, column, strict=True)
        ]
    return total
