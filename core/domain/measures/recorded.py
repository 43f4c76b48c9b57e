"""The points of a series from the rows that are kept: those of statements, and those of snapshots between.

A row says what was contributed since the row before of its own source. Where the two sources take turns that
is another time than the one since the point before, and what other points tell of is taken off.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

import numpy as np

from core.domain.measures.series import Point
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
    cash: Decimal | None
    gross: Decimal | None
    quality: Quality
    told: bool = True


class _Chosen(NamedTuple):
    """A row that counts, and what was contributed since the one before that counts."""

    row: Recorded
    contribution: Decimal | None


def currency_of(rows: Iterable[Recorded]) -> str | None:
    """The currency that the last rows are in; ``None`` where nobody states it."""
    currency = None
    for row in rows:
        currency = row.currency or currency
    return currency


def points_of(rows: Sequence[Recorded]) -> list[Point]:
    """A point for each time: the statement's row where there is one, else the snapshot's.

    Rows are of one account, oldest first, a statement's before a snapshot's. Those of another currency than
    the last one's are left out: an account with a new base currency has a series since then only.
    """
    own = (None, currency_of(rows))
    first = max((number for number, row in enumerate(rows, 1) if row.currency not in own), default=0)
    told = rows[first:] if first else rows
    sources = {row.source for row in told}
    counting: Iterable[tuple[Recorded, Decimal | None]] = (
        _taking_turns(told) if len(sources) > 1 else ((row, row.contribution) for row in told)
    )
    return [
        Point(row.at, row.net_liquidation, came, row.cash, row.gross, row.quality == "estimated")
        for row, came in counting
    ]


def without_untold_end(points: Sequence[Point]) -> list[Point]:
    """The points up to the last one before those at the end whose contribution is not known yet.

    What came in the last hours or days is told by a statement later; until then no return can be told of
    them, and what came before is not the worse for it.
    """
    end = len(points)
    while end > 1 and points[end - 1].contribution is None:
        end -= 1
    return [*points[:end]]


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
