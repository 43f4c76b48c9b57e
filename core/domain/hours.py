"""What an account earned, hour by hour, from its snapshots and from what statements tell of their time.

An hour is linked to the one before by the return of core.domain.performance. What was brought in between is
what statements state of that time; before they do, it is estimated (core.domain.contributions).

An hour whose cash was not told waits: it has no return, and the next hour that can be linked is linked to
the one before it, with the contribution since then. Where it cannot be told what was brought, nothing can be
linked to that, until a statement tells. Reckoning anew from any hour on gives the same as reckoning each when
it came.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from core.domain.contributions import (
    NOTHING,
    UNCERTAIN,
    UNKNOWN,
    Came,
    Moment,
    Moved,
    Residuals,
    Traded,
    estimate,
    residuals,
)
from core.domain.days import day_of, end_of
from core.domain.money import ZERO
from core.domain.performance import DAYS_APART, Contribution, DayFlow, DayValue, Linked, Quality

_MOMENT: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_SAME: Final = Decimal("0.005")
"""Of a flow: so far what came may be apart from what is stated, as after a fee."""


class Kept(NamedTuple):
    """What was reckoned of an hour when its snapshot was still kept in full."""

    net_contribution: Decimal | None
    quality: Quality
    since: datetime | None
    trades_until: datetime | None


class Hour(NamedTuple):
    """What an account was worth at the end of an hour. ``moment`` is ``None`` once its details are gone."""

    ts: datetime
    net_liquidation: Decimal
    currency: str | None
    moment: Moment | None
    kept: Kept | None = None

    @property
    def day(self) -> date:
        """The broker's day; an hour that ends at midnight still is of the day before."""
        return day_of(self.ts - _MOMENT)


class HourPerformance(NamedTuple):
    """An hour: the contribution ``since`` the end of an earlier one, and returns since the first.

    ``trades_until`` says up to when executions are in its cash; ``None``: it waits, and the next goes on from
    ``since`` as well.
    """

    ts: datetime
    net_contribution: Decimal | None
    twr: Decimal | None
    drawdown: Decimal | None
    quality: Quality
    linked: Linked
    since: datetime | None
    trades_until: datetime | None


class Standing(NamedTuple):
    """The hour that the next one goes on from. ``is_first``: none was before it."""

    hour: Hour
    linked: Linked
    trades_until: datetime
    is_first: bool


class LinkedAt(NamedTuple):
    """What the hours up to one had come to."""

    ts: datetime
    linked: Linked


class StatedFlow(NamedTuple):
    """What a statement says that the owner brought on a day; ``worth`` is in the base currency."""

    day: date
    at: datetime
    amount: Decimal | None
    currency: str
    worth: Decimal | None
    estimated: bool = False


class Stated(NamedTuple):
    """Days of which statements tell all that was brought, and the flows of those that have any."""

    covered: Collection[date] = frozenset()
    flows: Mapping[date, Sequence[StatedFlow]] = MappingProxyType({})

    def covers(self, since: datetime, until: datetime) -> bool:
        """Whether they tell of all the time from one moment to another."""
        day, last = day_of(since), day_of(until - _MOMENT)
        while day <= last:
            if day not in self.covered:
                return False
            day += _DAY
        return True


class _Step(NamedTuple):
    """From the hour ``before``, or with nothing before it, to ``hour``."""

    before: Hour | None
    hour: Hour
    left: Residuals | None
    came: Came | None
    """``None``: it waits."""
    trades_until: datetime
    covered: bool = False


def stated_days(
    values: Iterable[DayValue],
    flows: Iterable[DayFlow],
    contributions: Iterable[Contribution],
    items: Iterable[StatedFlow],
) -> Stated:
    """What statements tell of the days that they tell of; ``items`` are what ``flows`` are made of.

    A day is told of where its value is stated, a flow of it, or what came in a time that it is in, unless
    what came on it is not known.
    """
    by_day = {flow.day: flow for flow in flows}
    covered = {value.day for value in values if value.listed and value.source == "statement"} | {*by_day}
    for one in contributions:
        covered.update(
            one.starts_on + _DAY * number for number in range((one.ends_on - one.starts_on).days + 1)
        )
    singly: dict[date, list[StatedFlow]] = {}
    for item in items:
        singly.setdefault(item.day, []).append(item)
    told: dict[date, Sequence[StatedFlow]] = {}
    for day, flow in by_day.items():
        if flow.amount is None:
            covered.discard(day)
            continue
        ones = sorted(singly.get(day, []), key=lambda one: (one.at, one.currency, one.worth or ZERO))
        worths = [one.worth for one in ones if one.worth is not None]
        if len(worths) < len(ones) or sum(worths, ZERO) != flow.amount:
            end = end_of(day)
            ones = [StatedFlow(day, end, None, "", flow.amount, estimated=True)]
        told[day] = ones
    return Stated(frozenset(covered), told)


def hourly_performance(
    standing: Standing | None,
    hours: Sequence[Hour],
    trades: Sequence[Traded],
    moved: Sequence[Moved],
    stated: Stated,
    linked_at: LinkedAt | None = None,
) -> list[HourPerformance]:
    """A row for each hour, oldest first, that follow on the one that stands.

    ``trades`` and ``moved`` are in order of time, from what is not in the cash of the standing hour to some
    time beyond the last one. With ``linked_at`` there are rows only of the hours after that, which go on from
    it; those before are there for what they tell of where flows belong.
    """
    steps = list(_steps(standing, hours, trades, moved, stated))
    placed = _placed(steps, stated)
    linked = Linked() if standing is None else standing.linked
    if linked_at is not None:
        linked = linked_at.linked
    rows: list[HourPerformance] = []
    for number, step in enumerate(steps):
        before, hour, came = step.before, step.hour, step.came
        if linked_at is not None and hour.ts <= linked_at.ts:
            continue
        if step.covered:
            came = placed.get(number, NOTHING)
        if before is None:
            linked = Linked()
            row = HourPerformance(hour.ts, None, ZERO, ZERO, "incomplete", linked, None, step.trades_until)
        elif came is None:
            nothing = Linked(None, linked.peak)
            row = HourPerformance(hour.ts, None, None, None, "incomplete", nothing, before.ts, None)
        else:
            linked = linked.link(before.net_liquidation, hour.net_liquidation, came.amount)
            quality = "incomplete" if linked.value is None else came.quality
            if quality == "complete" and hour.ts - before.ts > DAYS_APART:
                quality = "estimated"
            figures = linked.figures()
            row = HourPerformance(
                hour.ts, came.amount, *figures, quality, linked, before.ts, step.trades_until
            )
        rows.append(row)
    return rows


def _steps(
    standing: Standing | None,
    hours: Sequence[Hour],
    trades: Sequence[Traded],
    moved: Sequence[Moved],
    stated: Stated,
) -> Iterator[_Step]:
    traded_at, moved_at = [one.at for one in trades], [one.at for one in moved]
    for hour in hours:
        if standing is None:
            step = _Step(None, hour, None, UNKNOWN, _at(hour))
        else:
            until = _at(hour) + UNCERTAIN
            first = bisect_right(traded_at, standing.trades_until)
            last = bisect_right(traded_at, until)
            moves = moved[bisect_right(moved_at, _at(standing.hour)) : bisect_right(moved_at, _at(hour))]
            step = _step(standing, hour, trades[first:last], moves, stated)
        if step.came is not None:
            # What is linked is no matter here: only whether anything was before.
            standing = Standing(hour, Linked(), step.trades_until, step.before is None)
        yield step


def _step(
    standing: Standing, hour: Hour, trades: Sequence[Traded], moved: Sequence[Moved], stated: Stated
) -> _Step:
    before, at = standing.hour, _at(hour)
    left = None
    if before.moment is not None and hour.moment is not None:
        left = residuals(before.moment, hour.moment, trades)
    until = at if left is None else left.trades_until
    if before.currency == hour.currency and stated.covers(before.ts, hour.ts):
        return _Step(before, hour, left, UNKNOWN, until, covered=True)
    if before.moment is None or hour.moment is None:
        return _as_kept(before, hour)
    if before.currency != hour.currency:
        return _Step(before, hour, None, UNKNOWN, at)  # no change between two currencies can be told
    if left is not None:
        return _Step(before, hour, left, estimate(before.moment, hour.moment, left, moved), until)
    if not hour.moment.is_whole:
        return _Step(before, hour, None, None, at)
    # Of the very first there was too little to go on from: this one takes its place.
    return _Step(None if standing.is_first else before, hour, None, UNKNOWN, at)


def _as_kept(before: Hour, hour: Hour) -> _Step:
    """What was reckoned once stays, where it cannot be reckoned any more."""
    kept = hour.kept
    if kept is None or kept.since != before.ts:
        return _Step(before, hour, None, UNKNOWN, _at(hour))
    if kept.trades_until is None:
        return _Step(before, hour, None, None, _at(hour))
    return _Step(before, hour, None, Came(kept.net_contribution, kept.quality), kept.trades_until)


def _at(hour: Hour) -> datetime:
    if hour.moment is not None:
        return hour.moment.at
    if hour.kept is not None and hour.kept.trades_until is not None:
        return hour.kept.trades_until
    return hour.ts


def _placed(steps: Sequence[_Step], stated: Stated) -> dict[int, Came]:
    """What statements state, by the number of the step in which it came: as the cash says, else by its time.

    Only the steps of its day and of those beside it are looked at: the rest of a history has no say in it.
    """
    days = [step.hour.day for step in steps]
    placed: dict[int, Came] = {}
    for day, flows in sorted(stated.flows.items()):
        first, last = bisect_left(days, day - _DAY), bisect_right(days, day + _DAY)
        near = [number for number in range(first, last) if steps[number].covered]
        if not near:
            continue
        open_ones = {number: _by_currency(steps[number].left) for number in near}
        for flow in flows:
            number, is_seen = _place_of(flow, near, steps, open_ones)
            known = placed.get(number, NOTHING)
            is_certain = known.quality == "complete" and is_seen and not flow.estimated
            amount = (known.amount or ZERO) + (flow.worth or ZERO)
            placed[number] = Came(amount, "complete" if is_certain else "estimated")
    return placed


def _by_currency(left: Residuals | None) -> dict[str, Decimal]:
    return {} if left is None else {one.currency: one.amount for one in left.by_currency}


def _place_of(
    flow: StatedFlow, near: Sequence[int], steps: Sequence[_Step], open_ones: Mapping[int, dict[str, Decimal]]
) -> tuple[int, bool]:
    """The step in which a flow came, and whether its cash is seen to have come in it."""

    def distance(number: int) -> tuple[timedelta, int]:
        return abs(steps[number].hour.ts - flow.at), number

    if flow.amount is not None:
        leeway = _SAME * abs(flow.amount)
        seen = [
            number
            for number in near
            if abs(open_ones[number].get(flow.currency, ZERO) - flow.amount) <= leeway
        ]
        if seen:
            number = min(seen, key=distance)
            open_ones[number][flow.currency] -= flow.amount
            return number, True
    own = [number for number in near if steps[number].hour.day == flow.day] or near
    later = [number for number in own if steps[number].hour.ts >= flow.at]
    return (later[0] if later else own[-1]), False
