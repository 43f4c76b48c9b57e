"""Why the ledger lacked what the broker tells: causes concluded from circumstances.

Exercises, expiries, splits and transfers show up as position changes, mostly at night and without a reliable
execution (IBKR's statements book them without an execution id). What can be seen of them is weighed here; a
statement that names the cause overrides it.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from core.domain.episodes import Cause
from core.domain.instruments import Instrument
from core.domain.money import ZERO
from core.domain.pnl import EXACT, per_unit
from core.domain.reconciliation import costs_agree

COMPANION_WITHIN = timedelta(days=1)
"""The legs of one exercise, or the ends of one transfer, are told of within a day of each other."""

RECENT = timedelta(days=7)
"""For so long a concluded cause is weighed again when another adjustment turns up."""

_UNDERLYING = {"OPT": "STK", "FOP": "FUT"}
_WORTHLESS_AT_EXPIRY = frozenset({"OPT", "FOP", "WAR", "IOPT"})
_EXPIRING = _WORTHLESS_AT_EXPIRY | {"FUT"}
_CLOSED = time(16, 15, tzinfo=ZoneInfo("America/New_York"))
"""Options on shares trade until 16:00 in New York, those on broad indices and funds of them until 16:15."""
_DATE_LENGTH = len("20261218")
_MONTH_LENGTH = len("202612")
_SMALL_TERM, _LARGE_TERM = 20, 1000
"""Splits are 2 for 1, 3 for 2, 1 for 25 or, as a stock dividend of 5 %, 21 for 20."""
_MOST_LEGS = 12


class Adjustment(NamedTuple):
    """What the ledger lacked: ``before`` and ``after`` are signed quantities, ``at`` the statement's time.

    ``average_cost`` is the broker's, per unit, after it. ``cost_before`` is the total cost of ``before``,
    ``cost_left`` that of what was taken away, with commission; ``None`` where nobody knows. ``missed`` says
    that fills of a past day may have gone by unseen. ``confirmed`` is the cause where a statement named it.
    """

    account: str
    instrument: Instrument
    at: datetime
    before: Decimal
    after: Decimal
    average_cost: Decimal | None
    cost_before: Decimal | None
    cost_left: Decimal | None
    missed: bool
    confirmed: Cause | None = None

    @property
    def delta(self) -> Decimal:
        """The signed change."""
        return self.after - self.before

    @property
    def shrinks(self) -> bool:
        """Whether less is held after it, of the same sign."""
        return abs(self.after) < abs(self.before) and self.after * self.before >= 0


class Conclusion(NamedTuple):
    """A concluded cause, ``None`` when nothing explains it; ``price`` and ``carried`` as in an anchor."""

    cause: Cause | None = None
    price: Decimal | None = None
    carried: bool = False


UNEXPLAINED = Conclusion()


def conclude(adjustments: Sequence[Adjustment]) -> list[Conclusion]:
    """The likeliest cause of each adjustment, in their order; each may be the other's companion.

    Most telling first: a split keeps the total cost; an exercise moves option and underlying in proportion;
    a transfer moves the same between two accounts of ours; an expiry needs nothing but its date.
    """
    found: dict[int, Conclusion] = {}
    with localcontext(EXACT):
        for number, one in enumerate(adjustments):
            if _may_be(one, "split") and is_split(one):
                found[number] = Conclusion("split")
        found |= _exercises(adjustments, found)
        found |= _transfers(adjustments, found)
        for number, one in enumerate(adjustments):
            if number in found:
                continue
            instrument = one.instrument
            if not one.after and instrument.sec_type in _EXPIRING and has_expired(instrument, one.at):
                worth = ZERO if instrument.sec_type in _WORTHLESS_AT_EXPIRY else None
                found[number] = Conclusion("expiry", worth)
            elif one.missed:
                found[number] = Conclusion("missed_executions")
    return [found.get(number, UNEXPLAINED) for number in range(len(adjustments))]


def _may_be(one: Adjustment, cause: Cause) -> bool:
    return one.confirmed is None or one.confirmed == cause


def is_split(one: Adjustment) -> bool:
    """Whether shares changed in a simple ratio while what they cost in all stayed what it was."""
    if one.instrument.sec_type != "STK" or one.before * one.after <= 0:
        return False
    if one.average_cost is None or one.cost_before is None:
        return False
    ratio = Fraction(one.after) / Fraction(one.before)
    small, large = sorted((ratio.numerator, ratio.denominator))
    if small > _SMALL_TERM or large > _LARGE_TERM:
        return False
    return costs_agree(one.after, one.cost_before, one.average_cost)


def has_expired(instrument: Instrument, at: datetime) -> bool:
    """Whether ``at`` lies after the last day of a contract, or on it after New York's close."""
    last = _last_day(instrument.expiry)
    return last is not None and at >= datetime.combine(last, _CLOSED)


def _last_day(expiry: str) -> date | None:
    """Of a day (``20261218``) or, as of some futures, a month: then its last day counts."""
    if len(expiry) not in {_DATE_LENGTH, _MONTH_LENGTH} or not (expiry.isascii() and expiry.isdigit()):
        return None
    year, month = int(expiry[:4]), int(expiry[4:6])
    try:
        return date(year, month, int(expiry[6:]) if expiry[6:] else monthrange(year, month)[1])
    except ValueError:
        return None


def _exercises(adjustments: Sequence[Adjustment], taken: Iterable[int]) -> dict[int, Conclusion]:
    """Options that went, and the underlying that came or went for them at the strike."""
    options: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for number, one in enumerate(adjustments):
        underlying = _UNDERLYING.get(one.instrument.sec_type)
        if underlying and one.shrinks and _may_be(one, "exercise_or_assignment"):
            options[one.account, underlying, one.instrument.symbol, one.instrument.currency].append(number)
    if not options:
        return {}
    found: dict[int, Conclusion] = dict.fromkeys(taken, UNEXPLAINED)
    before = set(found)
    for number, leg in enumerate(adjustments):
        instrument = leg.instrument
        key = (leg.account, instrument.sec_type, instrument.symbol, instrument.currency)
        if number in found or key not in options or not _may_be(leg, "exercise_or_assignment"):
            continue
        candidates = [
            other
            for other in options[key]
            if other not in found and _belong_together(adjustments[other], leg)
        ]
        exercised = _adding_up(adjustments, candidates, leg)
        if exercised:
            found |= dict.fromkeys(exercised, Conclusion("exercise_or_assignment", None, carried=True))
            price = _exercise_price([adjustments[other] for other in exercised], leg)
            found[number] = Conclusion("exercise_or_assignment", price)
    return {number: conclusion for number, conclusion in found.items() if number not in before}


def _belong_together(option: Adjustment, leg: Adjustment) -> bool:
    if abs(option.at - leg.at) > COMPANION_WITHIN or delivered(option, leg) * leg.delta <= 0:
        return False
    # An option on a future delivers one that expires with it or later.
    return leg.instrument.sec_type != "FUT" or leg.instrument.expiry >= option.instrument.expiry


def delivered(option: Adjustment, leg: Adjustment) -> Decimal:
    """Units of ``leg``, signed, that the change of ``option`` makes come or go; zero when it is no option.

    A long call that goes brings the underlying, a short one takes it away; a put the other way round.
    """
    units = option.delta * option.instrument.multiplier / leg.instrument.multiplier
    right = option.instrument.right[:1]
    return -units if right == "C" else units if right == "P" else ZERO


def _adding_up(adjustments: Sequence[Adjustment], candidates: list[int], leg: Adjustment) -> tuple[int, ...]:
    """Those of the options that together deliver just what the leg changed by; most of them first."""
    units = {number: delivered(adjustments[number], leg) for number in candidates}
    if sum(units.values(), ZERO) == leg.delta:
        return tuple(candidates)
    for size in range(min(len(candidates), _MOST_LEGS) - 1, 0, -1):
        for some in combinations(candidates[:_MOST_LEGS], size):
            if sum((units[number] for number in some), ZERO) == leg.delta:
                return some
    return ()


def _exercise_price(options: Sequence[Adjustment], leg: Adjustment) -> Decimal | None:
    """What the underlying was bought or sold at: the strike, with what the options had cost in it.

    ``None`` where the broker's average cost tells it already, or an option's cost is not known.
    """
    if leg.average_cost is not None and not leg.shrinks and leg.before * leg.after >= 0:
        return None
    total = ZERO
    point_value = leg.instrument.point_value
    for option in options:
        if option.cost_left is None or option.instrument.strike is None:
            return None
        total += delivered(option, leg) * option.instrument.strike * point_value + option.cost_left
    return per_unit(total, leg.delta * point_value)


def _transfers(adjustments: Sequence[Adjustment], taken: Iterable[int]) -> dict[int, Conclusion]:
    """What left one account of ours and came into another."""
    free = set(range(len(adjustments))) - set(taken)
    by_conid: dict[int, list[int]] = defaultdict(list)
    for number in sorted(free):
        if _may_be(adjustments[number], "transfer"):
            by_conid[adjustments[number].instrument.conid].append(number)
    found: dict[int, Conclusion] = {}
    for numbers in by_conid.values():
        for out, into in _pairs(adjustments, numbers):
            if out not in found and into not in found:
                found[out] = Conclusion("transfer", None, carried=True)
                found[into] = Conclusion("transfer")
    return found


def _pairs(adjustments: Sequence[Adjustment], numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Possible ends of a transfer, the nearest in time first."""
    possible: list[tuple[timedelta, int, int]] = []
    for out in numbers:
        leaving = adjustments[out]
        if not leaving.shrinks:
            continue
        for into in numbers:
            coming = adjustments[into]
            apart = abs(coming.at - leaving.at)
            is_match = coming.delta == -leaving.delta and not coming.shrinks
            if is_match and coming.account != leaving.account and apart <= COMPANION_WITHIN:
                possible.append((apart, out, into))
    return ((out, into) for _, out, into in sorted(possible))


class Watch(NamedTuple):
    """A connection to the broker: from when until when we surely listened, and the zone of its midnight.

    Those of one ``line`` followed each other.
    """

    line: str
    since: datetime
    until: datetime
    zone: tzinfo


def missed_a_day(watches: Sequence[Watch], after: datetime, upto: datetime) -> bool:
    """Whether fills between ``after`` and ``upto`` may have gone by unseen for good.

    The gateway tells the executions since midnight only (its own zone's). So those of a gap that the
    broker's midnight fell into, and that lay before it, cannot be asked for any more. ``watches`` stand
    in order of line and time.
    """
    for earlier, later in pairwise(watches):
        begins = max(earlier.until, after)
        if earlier.line == later.line and begins < later.since <= upto:
            zone = later.zone
            if begins.astimezone(zone).date() < later.since.astimezone(zone).date():
                return True
    return False
