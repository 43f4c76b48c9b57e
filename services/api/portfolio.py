"""Accounts looked at together: exposure, falls, and how days ended. Pure, and a matter for a thread."""

import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np

from core.domain.measures.conversion import ends_of
from core.domain.measures.drawdowns import (
    current_drawdown,
    drawdowns,
    maximum_drawdown,
    underwater,
)
from core.domain.measures.holdings import Exposure, exposure
from core.domain.measures.measured import Measured, Reason, unavailable
from core.domain.measures.series import AccountSeries
from core.domain.money import ZERO, plain
from core.domain.performance import DAYS_APART, Quality
from core.domain.pnl import EXACT
from models.queries.placed import Placed
from services.api import measures as of
from services.api.measuring import Found, Question
from services.api.schemas.common import Freshness
from services.api.schemas.portfolio import (
    Calendar,
    CalendarDay,
    CalendarMonth,
    Drawdowns,
    PortfolioExposure,
    UnderwaterPoint,
)


def exposure_of(placed: Sequence[Placed], accounts: Sequence[str]) -> PortfolioExposure:
    """How much is held long and short; of all accounts or of none."""
    shares = _shares(placed, accounts)
    return PortfolioExposure(
        as_of=min((one.asof_ts for one in placed), default=None),
        long=of.part_of(shares, lambda one: one.long),
        short=of.part_of(shares, lambda one: one.short),
        gross=of.part_of(shares, lambda one: one.gross),
        net=of.part_of(shares, lambda one: one.net),
    )


def _shares(placed: Sequence[Placed], accounts: Sequence[str]) -> Measured[Exposure]:
    why: Reason | None = None
    if not accounts or len(placed) < len(accounts):
        why = "no_snapshot"
    elif len({one.currency for one in placed}) > 1:
        why = "several_currencies"
    if why is not None:
        return unavailable(why)
    values: dict[int, Decimal | None] = {}
    with localcontext(EXACT):
        worth = sum((one.net_liquidation for one in placed), ZERO)
        for one in placed:
            for held in one.holdings:
                before = values.get(held.conid, ZERO)
                values[held.conid] = None if before is None or held.value is None else before + held.value
    return exposure(values.values(), worth)


def drawdowns_of(
    found: Found, question: Question, *, most: int, points: int, freshness: Freshness
) -> Drawdowns:
    """The deepest falls, and how far each point was below the highest."""
    series = found.series
    quality: Quality = series.quality if len(series.valued) > 1 else "incomplete"
    spells = drawdowns(series, len(series.valued)).value or ()
    return Drawdowns(
        accounts=tuple(found.accounts),
        group=question.group,
        resolution=question.resolution,
        currency=found.currency,
        span=of.span(series),
        data_quality=quality,
        maximum=of.figure_of(maximum_drawdown(series)),
        current=of.figure_of(current_drawdown(series)),
        episodes=tuple(of.spell_of(one) for one in spells[:most]),
        episodes_found=len(spells),
        underwater=_underwater(series, points),
        freshness=freshness,
    )


def _underwater(series: AccountSeries, points: int) -> tuple[UnderwaterPoint, ...]:
    below = underwater(series).value
    if below is None:
        return ()
    chosen: Sequence[int] = range(len(below))
    if len(below) > points:
        stretches = np.array_split(np.arange(len(below)), points)
        chosen = [int(one[below[one].argmin()]) for one in stretches]
    return tuple(
        UnderwaterPoint(at=ends_of(series.valued[one].at), drawdown=of.spelled_ratio(below[one].item()))
        for one in chosen
    )


class _Day(NamedTuple):
    """A day's gain and growth; ``first``: there is nothing before it that it could have gained on."""

    day: date
    worth: Decimal
    contribution: Decimal | None
    gain: Decimal | None
    growth: float | None
    first: bool


def calendar_of(found: Found, question: Question, year: int, freshness: Freshness) -> Calendar:
    """How each day of a year ended, and each month."""
    days = [one for one in _days(found.series) if one.day.year == year]
    months = [
        _month(month, [one for one in days if one.day.month == month])
        for month in sorted({one.day.month for one in days})
    ]
    whole = _month(0, days)
    return Calendar(
        year=year,
        accounts=tuple(found.accounts),
        group=question.group,
        currency=found.currency,
        days=tuple(_calendar_day(one) for one in days),
        months=tuple(months),
        unknown_days=whole.unknown_days,
        pnl=whole.pnl,
        returned=whole.returned,
        freshness=freshness,
    )


def _days(series: AccountSeries) -> list[_Day]:
    days: list[_Day] = []
    for number, point in enumerate(series.valued):
        is_first = number == 0
        gain = None if is_first else series.gains[number]
        if not is_first and point.at - series.valued[number - 1].at > DAYS_APART:
            gain = None  # the change of a longer time is no day's
        growth = series.growth[number].item()
        days.append(
            _Day(
                point.at,
                point.net_liquidation or ZERO,
                None if is_first else point.contribution,
                gain,
                growth if gain is not None and np.isfinite(growth) else None,
                is_first,
            )
        )
    return days


def _calendar_day(one: _Day) -> CalendarDay:
    return CalendarDay(
        day=one.day,
        net_liquidation=plain(one.worth),
        net_contribution=None if one.contribution is None else plain(one.contribution),
        pnl=None if one.gain is None else plain(one.gain),
        returned=None if one.growth is None else of.spelled_ratio(one.growth - 1.0),
    )


def _month(month: int, days: Sequence[_Day]) -> CalendarMonth:
    counted = [one for one in days if not one.first]
    gains = [one.gain for one in counted if one.gain is not None]
    growths = [one.growth for one in counted if one.growth is not None]
    with localcontext(EXACT):
        total = sum(gains, ZERO)
    return CalendarMonth(
        month=month,
        days=len(days),
        unknown_days=len(counted) - len(gains),
        pnl=plain(total) if counted and len(gains) == len(counted) else None,
        returned=of.spelled_ratio(math.prod(growths) - 1.0)
        if counted and len(growths) == len(counted)
        else None,
    )
