"""What an account earned, day by day, from what it was worth and what its owner brought or took.

The return of a day is time-weighted: what was gained over what was at work. What is brought counts from the
start of its day, what is taken until the end of it, so that a deposit that is invested at once and a
withdrawal of all there is both leave a meaningful return. The flows of one day are netted first: from the
figures of a row and the value before it anybody can reckon the same.

    return = (value - value before - contribution) / (value before + max(contribution, 0))

Returns are linked geometrically. Once one of them cannot be told, nor can what they come to from then on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from core.domain.disputes import MONEY_LEEWAY
from core.domain.money import ZERO

Resolution: TypeAlias = Literal["hour", "day"]
Source: TypeAlias = Literal["statement", "snapshot"]
Quality: TypeAlias = Literal["complete", "estimated", "incomplete"]
"""``estimated``: a flow was valued or placed by our own reckoning; ``incomplete``: one could not be valued,
or nothing is known of the day before."""

DAYS_APART: Final = timedelta(days=5)
"""Between two days of trading there are no more days than these: the longest holidays, weekend included."""

_RATES_LEEWAY: Final = Decimal("0.0001")
"""Of what is converted: a statement may use other digits of a rate than it states."""

_DAY: Final = timedelta(days=1)
_DIGITS: Final = Decimal("1E-12")
_EXACT: Final = Context(prec=40, rounding=ROUND_HALF_EVEN)
_KEPT: Final = Context(prec=28, rounding=ROUND_HALF_EVEN)
_MOST: Final = Decimal("1E+20")
"""What more than that became of one unit is no return but an amount too small to be measured against."""


class DayValue(NamedTuple):
    """What an account was worth at the end of a day, in its base currency.

    ``listed`` is false for a value that only tells what came before another, such as a period's start.
    """

    day: date
    net_liquidation: Decimal
    cash: Decimal | None = None
    gross: Decimal | None = None
    unrealized: Decimal | None = None
    currency: str | None = None
    import_id: int | None = None
    listed: bool = True
    source: Source = "statement"


class DayFlow(NamedTuple):
    """What the owner brought less what he took on a day, in the base currency; ``None``: not known."""

    day: date
    amount: Decimal | None
    estimated: bool = False


class Contribution(NamedTuple):
    """What a statement says that the owner brought, less what he took, in the days from one to another."""

    starts_on: date
    ends_on: date
    amount: Decimal


class DayPerformance(NamedTuple):
    """A day: amounts in the base currency, returns as fractions; ``None`` for what cannot be told.

    ``twr`` is linked from the first value on; ``drawdown`` is how far that is below its highest so far.
    """

    value: DayValue
    daily_pnl: Decimal | None
    net_contribution: Decimal | None
    twr: Decimal | None
    drawdown: Decimal | None
    quality: Quality
    linked: "Linked"


class Linked(NamedTuple):
    """Returns, linked: what one unit of money at the start has come to, and the most it had come to so far.

    Both are kept to so many digits that going on from what was stored is the same as never having stopped.
    ``value`` is ``None`` once a return could not be told.
    """

    value: Decimal | None = Decimal(1)
    peak: Decimal = Decimal(1)

    def link(self, before: Decimal, after: Decimal, contribution: Decimal | None) -> "Linked":
        """The same with one more return: of what was worth ``before``, and after it ``after``."""
        if self.value is None or contribution is None or self.value < ZERO:
            return Linked(None, self.peak)  # also after more than all was lost: nothing can be linked to that
        with localcontext(_EXACT):
            gain = after - before - contribution
            at_work = before + max(contribution, ZERO)
            if at_work > ZERO:
                value = _KEPT.plus(self.value * (1 + gain / at_work))
                return Linked(value if value < _MOST else None, max(self.peak, value))
        # Earned on nothing, or on debts.
        return Linked(None, self.peak) if gain else self

    def figures(self) -> tuple[Decimal | None, Decimal | None]:
        """The return since the start, and how far that is below its highest; ``None``: not to be told."""
        if self.value is None:
            return None, None
        with localcontext(_EXACT):
            return (self.value - 1).quantize(_DIGITS), (self.value / self.peak - 1).quantize(_DIGITS)


def as_contributed(
    values: Sequence[DayValue], flows: Sequence[DayFlow], stated: Iterable[Contribution]
) -> list[DayFlow]:
    """The flows, but for times whose stated contribution is not what they come to: not all are itemized.

    Where such a time is one step from a value to the next the stated amount takes their place; otherwise
    nobody knows on which of its days the rest came, and the flows of all of them are unknown. So is what came
    in a time longer than ``DAYS_APART`` that no statement tells of as a whole.
    """
    stated = list(stated)
    days = [value.day for value in values]
    by_day = {flow.day: flow for flow in flows}
    for one in stated:
        within = [flow for flow in by_day.values() if one.starts_on <= flow.day <= one.ends_on]
        amounts = [flow.amount for flow in within if flow.amount is not None]
        leeway = MONEY_LEEWAY * (1 + len(within)) + _RATES_LEEWAY * sum(map(abs, amounts))
        if len(amounts) < len(within) or abs(sum(amounts, ZERO) - one.amount) <= leeway:
            continue
        for flow in within:
            del by_day[flow.day]
        steps = [day for day in days if one.starts_on <= day <= one.ends_on]
        if steps == [one.ends_on] and days[0] < one.starts_on:
            by_day[one.ends_on] = DayFlow(one.ends_on, one.amount, estimated=True)
        else:
            by_day.update({day: DayFlow(day, None) for day in steps or [one.ends_on]})
    for before, after in pairwise(days):
        is_told = any(one.starts_on <= before + _DAY and after <= one.ends_on for one in stated)
        if after - before > DAYS_APART and not is_told:
            by_day[after] = DayFlow(after, None)
    return [by_day[day] for day in sorted(by_day)]


def daily_performance(
    values: Iterable[DayValue],
    flows: Sequence[DayFlow],
    beside: Mapping[date, DayValue] = MappingProxyType({}),
) -> Iterator[DayPerformance]:
    """A row for each listed value; both are of one account, oldest first, one value and one flow a day.

    What flowed on a day without a value counts on the next one that has one. Where more than ``DAYS_APART``
    are between two values, the change is no day's. Where another value stands ``beside`` that of a day, there
    is a row of it, too: what it would be if that value counted instead.
    """
    linked = Linked()
    before: DayValue | None = None
    upcoming = 0
    for value in values:
        since = upcoming
        while upcoming < len(flows) and flows[upcoming].day <= value.day:
            upcoming += 1
        came = flows[since:upcoming]
        row = _day(linked, before, value, came)
        if value.listed:
            yield row
        if value.day in beside:
            yield _day(linked, before, beside[value.day], came)
        before, linked = value, row.linked


def _day(
    linked: Linked, before: DayValue | None, value: DayValue, flows: Sequence[DayFlow]
) -> DayPerformance:
    if before is None:
        return DayPerformance(value, None, None, ZERO, ZERO, "incomplete", linked)
    amounts = [flow.amount for flow in flows]
    if value.currency != before.currency and None not in {value.currency, before.currency}:
        amounts = [None]  # another base currency: no change can be told
    known = [amount for amount in amounts if amount is not None]
    with localcontext(_EXACT):
        contribution = sum(known, ZERO) if len(known) == len(amounts) else None
    linked = linked.link(before.net_liquidation, value.net_liquidation, contribution)
    adjacent = value.day - before.day <= DAYS_APART
    pnl = None
    if contribution is not None and adjacent:
        pnl = _EXACT.subtract(_EXACT.subtract(value.net_liquidation, before.net_liquidation), contribution)
    quality: Quality = "complete"
    if contribution is None or linked.value is None:
        quality = "incomplete"
    elif not adjacent or any(flow.estimated for flow in flows):
        quality = "estimated"
    return DayPerformance(value, pnl, contribution, *linked.figures(), quality, linked)
