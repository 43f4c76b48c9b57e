"""Accounts together, drawn over time: as many points as a picture has room for. Pure, for a thread."""

from bisect import bisect_left, bisect_right
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np

from core.domain.measures.benchmark import along
from core.domain.measures.conversion import ends_of
from core.domain.measures.drawdowns import underwater
from core.domain.measures.periods import days_of
from core.domain.measures.points import Floats
from core.domain.measures.series import AccountSeries
from core.domain.money import ZERO, plain
from core.domain.performance import Quality
from core.domain.pnl import EXACT
from services.api import measures as of
from services.api.measuring import Found, Question
from services.api.schemas.common import Freshness
from services.api.schemas.portfolio import HistoryPoint, PortfolioHistory

_ENDS = 2
_KEPT_OF_A_STRETCH = 3


class Part(NamedTuple):
    """The part of a time that is drawn, both ends included, in at most ``points`` points."""

    since: datetime | None
    until: datetime | None
    points: int


def history_of(found: Found, question: Question, part: Part, freshness: Freshness) -> PortfolioHistory:
    """The points of a part; returns and drawdowns are those since the beginning of the whole."""
    series = found.series
    quality: Quality = series.quality if len(series.valued) > 1 else "incomplete"
    inside = _inside(series, part)
    against = found.benchmark
    return PortfolioHistory(
        accounts=tuple(found.accounts),
        group=question.group,
        resolution=question.resolution,
        currency=found.currency,
        benchmark=question.benchmark,
        span=of.span(series),
        data_quality=quality,
        points=_points(
            series,
            _chosen(series, inside, part.points),
            None if against is None else along(series, against.returns),
        ),
        points_found=len(inside),
        freshness=freshness,
    )


def _inside(series: AccountSeries, part: Part) -> range:
    """Which of the points are in the part."""
    numbers, times = range(len(series.valued)), series.valued.at

    def end(number: int) -> datetime:
        return ends_of(times[number])

    first = 0 if part.since is None else bisect_left(numbers, part.since, key=end)
    stop = len(numbers) if part.until is None else bisect_right(numbers, part.until, key=end)
    return range(first, max(first, stop))


def _chosen(series: AccountSeries, inside: range, most: int) -> list[int]:
    if len(inside) <= most:
        return list(inside)
    chosen = {inside[0], inside[-1]}
    for stretch in np.array_split(np.array(inside), (most - _ENDS) // _KEPT_OF_A_STRETCH):
        worth = series.worth[stretch]
        index = np.nan_to_num(series.index[stretch], nan=np.inf)
        chosen |= {int(stretch[one]) for one in (worth.argmin(), worth.argmax(), index.argmin())}
    return sorted(chosen)


def _points(series: AccountSeries, chosen: list[int], beside: Floats | None) -> tuple[HistoryPoint, ...]:
    below = underwater(series).value
    days = days_of(series.seconds, series.resolution)
    points: list[HistoryPoint] = []
    before = None
    for number in chosen:
        point = series.valued[number]
        came = _came(series, number if before is None else before + 1, number)
        before = number
        points.append(
            HistoryPoint(
                at=ends_of(point.at),
                day=days[number].item(),
                net_liquidation=plain(point.net_liquidation or ZERO),
                net_contribution=None if came is None else plain(came),
                returned=_ratio(series.index[number] - 1.0),
                drawdown=None if below is None else _ratio(below[number]),
                benchmark=None if beside is None else _ratio(beside[number]),
            )
        )
    return tuple(points)


def _came(series: AccountSeries, first: int, last: int) -> Decimal | None:
    """What was contributed from one point up to another; none where it is not known of one of them."""
    amounts = series.valued.contribution[first : last + 1]
    known = [one for one in amounts if one is not None]
    with localcontext(EXACT):
        return sum(known, ZERO) if len(known) == len(amounts) else None


def _ratio(value: np.float64) -> str | None:
    return of.spelled_ratio(value.item()) if np.isfinite(value) else None
