"""What an account earned, day by day, from what it was worth and what its owner brought or took.

The return of a day is time-weighted: what was gained over what was at work. What is brought counts from the
start of its day, what is taken until the end of it, so that a deposit that is invested at once and a
withdrawal of all there is both leave a meaningful return. The flows of one day are netted first: from the
figures of a row and the value before it anybody can reckon the same.

    return = (value - value before - contribution) / (value before + max(contribution, 0))

Returns are linked geometrically. Once one of them cannot be told, nor can what they come to from then on.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from itertools import pairwise
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


class _Chain:
    """Returns, linked. ``index`` is what one unit of money at the start has come to."""

    def __init__(self) -> None:
        self.index: Decimal | None = Decimal(1)
        self._peak = Decimal(1)

    def link(self, before: Decimal, after: Decimal, contribution: Decimal | None) -> None:
        if self.index is None or contribution is None or self.index < ZERO:
            self.index = None  # also after more than all was lost: nothing can be linked to that
            return
        gain = after - before - contribution
        at_work = before + max(contribution, ZERO)
        if at_work > ZERO:
            self.index *= 1 + gain / at_work
            self._peak = max(self._peak, self.index)
        elif gain:
            self.index = None  # earned on nothing, or on debts

    def figures(self) -> tuple[Decimal | None, Decimal | None]:
        if self.index is None:
            return None, None
        return (self.index - 1).quantize(_DIGITS), (self.index / self._peak - 1).quantize(_DIGITS)


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


def daily_performance(values: Iterable[DayValue], flows: Sequence[DayFlow]) -> Iterator[DayPerformance]:
    """A row for each listed value; both are of one account, oldest first, one value and one flow a day.

    What flowed on a day without a value counts on the next one that has one. Where more than ``DAYS_APART``
    are between two values, the change is no day's.
    """
    chain = _Chain()
    before: DayValue | None = None
    upcoming = 0
    for value in values:
        since = upcoming
        while upcoming < len(flows) and flows[upcoming].day <= value.day:
            upcoming += 1
        with localcontext(_EXACT):
            if before is None:
                row = _first(value)
            else:
                came = flows[since:upcoming]
                if value.currency != before.currency and None not in {value.currency, before.currency}:
                    came = [DayFlow(value.day, None)]  # another base currency: no change can be told
                row = _day(chain, before, value, came)
        before = value
        if value.listed:
            yield row


def _first(value: DayValue) -> DayPerformance:
    return DayPerformance(value, None, None, ZERO, ZERO, "incomplete")


def _day(chain: _Chain, before: DayValue, value: DayValue, flows: Sequence[DayFlow]) -> DayPerformance:
    amounts = [flow.amount for flow in flows]
    known = [amount for amount in amounts if amount is not None]
    contribution = sum(known, ZERO) if len(known) == len(amounts) else None
    chain.link(before.net_liquidation, value.net_liquidation, contribution)
    adjacent = value.day - before.day <= DAYS_APART
    pnl = None
    if contribution is not None and adjacent:
        pnl = value.net_liquidation - before.net_liquidation - contribution
    quality: Quality = "complete"
    if contribution is None or chain.index is None:
        quality = "incomplete"
    elif not adjacent or any(flow.estimated for flow in flows):
        quality = "estimated"
    return DayPerformance(value, pnl, contribution, *chain.figures(), quality)
