"""The points of a series from the rows that are kept: those of statements, and those of snapshots between.

A row says what was contributed since the row before of its own source. Where the two sources take turns that
is another time than the one since the point before, and what other points tell of is taken off.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple, overload

import numpy as np

from core.domain.measures.points import Amounts, Floats, Point, Points, floats_of
from core.domain.money import ZERO
from core.domain.performance import DAYS_APART, Quality, Source
from core.domain.pnl import EXACT

_ONE_DAY: Final = timedelta(days=1)


class Recorded(NamedTuple):
    """A row of performance. ``at`` is its day, or the instant of an hour; ``ends_at`` when that ended.

    ``contribution`` is since the row before of its source, or since a value that only tells what came before
    it; ``daily_pnl``, of days, is the change since that less the contribution. ``told`` is false where
    the row's own return is not.
    """

    at: date
    ends_at: datetime
    source: Source
    currency: str | None
    net_liquidation: Decimal
    contribution: Decimal | None
    daily_pnl: Decimal | None
    cash: Decimal | float | None
    gross: Decimal | float | None
    quality: Quality
    told: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Rows(Sequence[Recorded]):
    """Rows of one account, oldest first, a statement's before a snapshot's, as columns of one length."""

    at: Sequence[date]
    ends_at: Sequence[datetime]
    source: list[Source]
    currency: list[str | None]
    net_liquidation: list[Decimal]
    contribution: Amounts
    daily_pnl: Amounts
    cash: Floats
    gross: Floats
    quality: list[Quality]
    told: list[bool]

    @classmethod
    def of(cls, rows: Iterable[Recorded]) -> "Rows":
        """Those rows; they themselves where they are in columns."""
        if isinstance(rows, Rows):
            return rows
        named = dict(zip(Recorded._fields, zip(*rows, strict=True), strict=False))
        columns: dict[str, Any] = {name: [*named.get(name, ())] for name in Recorded._fields}
        return cls(**columns | {name: floats_of(columns[name]) for name in ("cash", "gross")})

    def __len__(self) -> int:
        return len(self.net_liquidation)

    @overload
    def __getitem__(self, place: int) -> Recorded: ...
    @overload
    def __getitem__(self, place: slice) -> "Rows": ...
    def __getitem__(self, place: int | slice) -> "Recorded | Rows":
        columns = [getattr(self, name)[place] for name in Recorded._fields]
        return Rows(*columns) if isinstance(place, slice) else Recorded(*columns)


class _Chosen(NamedTuple):
    """A row that counts, and what was contributed since the one before that counts."""

    row: Recorded
    contribution: Decimal | None


def currency_of(rows: Iterable[Recorded]) -> str | None:
    """The currency that the last rows are in; ``None`` where nobody states it."""
    return next((one for one in reversed(Rows.of(rows).currency) if one), None)


def points_of(rows: Iterable[Recorded]) -> Points:
    """A point for each time: the statement's row where there is one, else the snapshot's.

    Rows are of one account, oldest first, a statement's before a snapshot's. Those of another currency than
    the last one's are left out: an account with a new base currency has a series since then only.
    """
    told = Rows.of(rows)
    own = {None, currency_of(told)}
    if not own.issuperset(told.currency):
        told = told[max(number for number, one in enumerate(told.currency, 1) if one not in own) :]
    if len({*told.source}) > 1:
        return Points.of(
            Point(row.at, row.net_liquidation, came, row.cash, row.gross, row.quality == "estimated")
            for row, came in _taking_turns(told)
        )
    estimated = [one == "estimated" for one in told.quality]
    return Points(told.at, [*told.net_liquidation], told.contribution, told.cash, told.gross, estimated)


def source_of_last(rows: Iterable[Recorded], points: Points) -> Source | None:
    """Who told the last of the points of these rows."""
    if not points:
        return None
    told = Rows.of(rows)
    return told.source[bisect_left(told.at, points.at[-1])]


def with_its_beginning(rows: Iterable[Recorded], points: Points) -> Points:
    """The points, and before them one of zero where the first row says that nothing was there before it.

    So what an account earned on the day of its first deposit is part of its return.
    """
    told = Rows.of(rows)
    if not points:
        return points
    row = told[bisect_left(told.at, points.at[0])]
    if row.daily_pnl is None or not row.contribution:
        return points
    before = row.net_liquidation - row.daily_pnl - row.contribution
    return points if before else Points.of([Point(row.at - _ONE_DAY, ZERO, ZERO, ZERO, ZERO), *points])


def without_untold_end(points: Iterable[Point]) -> Points:
    """The points up to the last one before those at the end whose contribution is not known yet.

    What came in the last hours or days is told by a statement later; until then no return can be told of
    them, and what came before is not the worse for it.
    """
    told = Points.of(points)
    end = len(told)
    while end > 1 and told.contribution[end - 1] is None:
        end -= 1
    return told[:end]


def _taking_turns(told: Sequence[Recorded]) -> list[_Chosen]:
    chosen: list[_Chosen] = []
    last: dict[Source, Recorded] = {}
    with localcontext(EXACT):
        for row in told:
            if chosen and chosen[-1].row.at == row.at:
                last[row.source] = row  # the statement tells of this time, too
                continue
            contribution = _since_the_point_before(row, last.get(row.source), chosen)
            chosen.append(_Chosen(row, contribution))
            last[row.source] = row
    return chosen


def _since_the_point_before(row: Recorded, own: Recorded | None, chosen: Sequence[_Chosen]) -> Decimal | None:
    """What was contributed since the last of the ``chosen``; ``own`` is the row before of the same source."""
    if not chosen or row.contribution is None:
        return row.contribution
    if own is not None and _counts_since(row, own):
        covered = [one for one in reversed(chosen) if one.row.at > own.at]
        amount = row.contribution
        for one in covered:
            if one.contribution is None:
                return None
            amount -= one.contribution
        return amount
    # It counts since a value that is no row, at most so many days before. Where a day of business is between
    # it and the point before nobody tells what came until that value.
    if row.daily_pnl is None or _has_business_between(chosen[-1].row.at, row.at):
        return None
    lately = [one for one in chosen[-DAYS_APART.days :] if row.at - one.row.at <= DAYS_APART]
    if row.contribution and any(one.contribution != ZERO for one in lately):
        return None  # part of it may be theirs
    return row.contribution


def _has_business_between(day: date, other: date) -> bool:
    return bool(np.busday_count(day + _ONE_DAY, other) > 0)


def _counts_since(row: Recorded, own: Recorded) -> bool:
    """Whether a row's contribution is what came since this row, and not since a value after it."""
    if row.daily_pnl is not None and row.contribution is not None:
        return row.net_liquidation - row.daily_pnl - row.contribution == own.net_liquidation
    return row.told or not own.told or row.at - own.at <= DAYS_APART
