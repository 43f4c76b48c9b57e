"""What an owner brought or took between two snapshots, told from the cash, as far as that can be told.

The live API tells no deposits. Known exactly are the cash of each snapshot, by currency, and what our own
executions brought or cost in between. What is left of the change,

    residual = cash then - cash before - cash of executions, commissions included

came or went otherwise: a deposit or withdrawal, or what was earned or charged: dividends, interest, fees. It
is judged by currency, in this order; amounts are compared in the base currency, shares are of the account's
value:

1. Within rounding to the cent: nothing came. This is certain, and the usual case.
2. Residuals of several currencies that cancel out to a percent: a conversion that nobody told of.
3. What had accrued falls by what comes: a dividend or interest that was part of the value before.
4. What futures settle: what they had gained since the last settlement falls by as much.
5. Up to 0.05 %: earned or charged. Were it a deposit, the return would be wrong by so much.
6. From 2 % on, and of what comes from 0.2 % on if accruals are told and did not fall by it: brought or taken.
7. In between it can be either, and so the contribution is not known.

Holdings that came or went without a trade are valued where that was a transfer; an expiry, a split and the
like bring nothing by themselves; of any others the contribution is not known. A statement knows better later.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from core.domain.disputes import MONEY_LEEWAY
from core.domain.episodes import Cause
from core.domain.money import ZERO
from core.domain.performance import Quality
from core.domain.pnl import EXACT

UNCERTAIN: Final = timedelta(minutes=5)
"""So near to a snapshot nobody knows whether its cash has an execution in it: IBKR tells account values on
change, or else every three minutes."""

EARNED_AT_MOST: Final = Decimal("0.0005")
BROUGHT_AT_LEAST: Final = Decimal("0.02")
BROUGHT_UNACCRUED_AT_LEAST: Final = Decimal("0.002")
_CANCELLED: Final = Decimal("0.01")
_ACCRUED: Final = Decimal("0.01")
_SETTLEMENT: Final = Decimal("0.0025")
"""Of what is held in futures: marks are up to some minutes older than what they settle at."""
_TOTAL: Final = Decimal("0.001")
_CENTS: Final = Decimal("0.02")

_HARMLESS: Final[frozenset[Cause]] = frozenset({"expiry", "split", "symbol_change"})
"""Without any money moving, these neither bring nor take anything."""

Verdict: TypeAlias = Literal["nothing", "earned", "brought", "unknown"]


class CashThen(NamedTuple):
    """Cash in one currency, and what the broker counts beside it. ``None``: it did not tell."""

    cash: Decimal
    accrued: Decimal | None = None
    """Interest and dividends that are due and not paid yet."""
    futures: Decimal | None = None
    """What futures gained since they were settled last."""


class FutureThen(NamedTuple):
    """A future that was held. ``value`` is quantity × mark × multiplier; ``None``: there was no mark."""

    currency: str
    value: Decimal | None


class Moment(NamedTuple):
    """A snapshot, as far as it tells of what came. ``total`` is all cash in the base currency."""

    at: datetime
    net_liquidation: Decimal
    base: str
    cash: Mapping[str, CashThen] = MappingProxyType({})
    rates: Mapping[str, Decimal] = MappingProxyType({})
    total: Decimal | None = None
    futures: Mapping[int, FutureThen] = MappingProxyType({})

    def rate(self, currency: str) -> Decimal | None:
        """One unit of a currency in the base currency."""
        return Decimal(1) if currency == self.base else self.rates.get(currency)

    @property
    def is_whole(self) -> bool:
        """Whether cash of every currency is told: those without any may be left out."""
        if self.total is None:
            return False
        known = ZERO
        for currency, held in self.cash.items():
            rate = self.rate(currency)
            if rate is None:
                return False
            known += held.cash * rate
        size = sum((abs(held.cash * (self.rate(name) or ZERO)) for name, held in self.cash.items()), ZERO)
        return abs(known - self.total) <= 1 + _TOTAL * size


class Traded(NamedTuple):
    """What an execution did to cash, by currency, commissions included.

    ``future`` is its conid and what was bought of it (quantity × price × multiplier): no cash moves for that.
    ``inexact`` names the currency in which what it cost cannot be told from its price, as a bond's.
    """

    at: datetime
    cash: tuple[tuple[str, Decimal], ...]
    future: tuple[int, str, Decimal] | None = None
    inexact: str | None = None


class Moved(NamedTuple):
    """A holding that changed without an execution. ``value`` is what came, in the base currency, if known."""

    at: datetime
    cause: Cause
    value: Decimal | None = None


class Came(NamedTuple):
    """What was brought less what was taken; ``None``: it cannot be told."""

    amount: Decimal | None
    quality: Quality


NOTHING: Final = Came(ZERO, "complete")
UNKNOWN: Final = Came(None, "incomplete")


class Residual(NamedTuple):
    """What is left of the change of one currency's cash. ``leeway`` is what rounding can make of it."""

    currency: str
    amount: Decimal
    leeway: Decimal
    accrued: Decimal | None
    rate: Decimal | None
    futures: "Settlement | None" = None
    inexact: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether it is rounding."""
        return abs(self.amount) <= self.leeway


class Settlement(NamedTuple):
    """What futures are thought to have settled into cash, if known. ``leeway`` is for their marks."""

    amount: Decimal | None
    leeway: Decimal


class Residuals(NamedTuple):
    """What is left between two snapshots, and up to when executions are in the later one's cash."""

    by_currency: tuple[Residual, ...]
    trades_until: datetime


def residuals(before: Moment, after: Moment, trades: Sequence[Traded]) -> Residuals | None:
    """What is left once ``trades`` are taken off: those not in the cash before, some beyond ``after`` too.

    Of executions near the later snapshot so many are taken for being in its cash as leave nothing, if any
    number does; otherwise all up to its time. ``None``: the cash of one of the two is not told.
    """
    if before.base != after.base or not (before.is_whole and after.is_whole):
        return None
    with localcontext(EXACT):
        cuts = list(_cuts(after.at, trades))
        for until in cuts:
            found = _left(before, after, [one for one in trades if one.at <= until])
            if all(one.is_nothing for one in found):
                return Residuals(found, until)
        return Residuals(_left(before, after, [one for one in trades if one.at <= cuts[0]]), cuts[0])


def _cuts(at: datetime, trades: Iterable[Traded]) -> Iterator[datetime]:
    """Moments up to which executions may be in the cash of a snapshot, the likeliest first."""
    near = {one.at for one in trades if abs(one.at - at) <= UNCERTAIN}
    yield at
    earlier = [moment for moment in near if moment <= at]
    if earlier:
        # Those before the first that is near are in it for certain.
        near.add(min(earlier) - timedelta(microseconds=1))
        near.discard(max(earlier))
    yield from sorted(near, key=lambda moment: (abs(moment - at), moment))


def _left(before: Moment, after: Moment, trades: Sequence[Traded]) -> tuple[Residual, ...]:
    traded: dict[str, Decimal] = {}
    for one in trades:
        for currency, amount in one.cash:
            traded[currency] = traded.get(currency, ZERO) + amount
    leeway = _CENTS + MONEY_LEEWAY * len(trades)
    inexact = {one.inexact for one in trades if one.inexact is not None}
    settled = _settlements(before, after, trades)
    nothing = CashThen(ZERO)
    found = []
    for currency in sorted({*before.cash, *after.cash, *traded}):
        then, now = before.cash.get(currency, nothing), after.cash.get(currency, nothing)
        amount = now.cash - then.cash - traded.get(currency, ZERO)
        accrued = None
        if then.accrued is not None and now.accrued is not None:
            accrued = now.accrued - then.accrued
        found.append(
            Residual(
                currency,
                amount,
                leeway,
                accrued,
                after.rate(currency) or before.rate(currency),
                settled.get(currency),
                currency in inexact,
            )
        )
    return tuple(found)


def _settlements(before: Moment, after: Moment, trades: Sequence[Traded]) -> dict[str, Settlement]:
    """By currency, what futures gained by their marks less what of it is still to be settled."""
    bought: dict[int, tuple[str, Decimal]] = {}
    for one in trades:
        if one.future is not None:
            conid, currency, amount = one.future
            bought[conid] = (currency, bought.get(conid, ("", ZERO))[1] + amount)
    gains: dict[str, Decimal | None] = {}
    sizes: dict[str, Decimal] = {}
    for conid in {*before.futures, *after.futures, *bought}:
        then, now = before.futures.get(conid), after.futures.get(conid)
        told = now or then
        currency = told.currency if told is not None else bought[conid][0]
        values = [ZERO if one is None else one.value for one in (then, now)]
        cost = bought.get(conid, ("", ZERO))[1]
        known = [value for value in values if value is not None]
        before_it = gains.get(currency, ZERO)
        if len(known) < len(values) or before_it is None:
            gains[currency] = None
        else:
            gains[currency] = before_it + known[1] - known[0] - cost
        sizes[currency] = sizes.get(currency, ZERO) + max(abs(cost), *map(abs, known))
    settled: dict[str, Settlement] = {}
    untold = CashThen(ZERO)
    for currency, gained in gains.items():
        owed = before.cash.get(currency, untold).futures
        still = after.cash.get(currency, untold).futures
        due: Decimal | None = None
        if gained is not None and owed is not None and still is not None:
            due = owed + gained - still
        settled[currency] = Settlement(due, _SETTLEMENT * sizes[currency])
    return settled


def estimate(before: Moment, after: Moment, left: Residuals, moved: Sequence[Moved] = ()) -> Came:
    """What was brought between two snapshots, by what is left of the change in cash and by what moved."""
    with localcontext(EXACT):
        worth = max(abs(before.net_liquidation), abs(after.net_liquidation))
        came = _of_cash(left.by_currency, worth)
        in_kind = _of_holdings(moved, without_cash=came == NOTHING)
        if came.amount is None or in_kind.amount is None:
            return UNKNOWN
        quality: Quality = "complete" if came.quality == in_kind.quality == "complete" else "estimated"
        return Came(came.amount + in_kind.amount, quality)


def _of_holdings(moved: Sequence[Moved], *, without_cash: bool) -> Came:
    if not moved:
        return NOTHING
    amount = ZERO
    for one in moved:
        if one.cause == "transfer" and one.value is not None:
            amount += one.value
        elif one.cause not in _HARMLESS or not without_cash:
            return UNKNOWN
    return Came(amount, "estimated")


def _of_cash(left: Sequence[Residual], worth: Decimal) -> Came:
    open_ones = [one for one in left if not one.is_nothing]
    if not open_ones:
        return NOTHING
    in_base = [None if one.rate is None else one.amount * one.rate for one in open_ones]
    if None in in_base:
        return UNKNOWN
    known = [amount or ZERO for amount in in_base]
    cancels = min(known) < ZERO < max(known)
    if cancels and abs(sum(known, ZERO)) <= _CANCELLED * max(map(abs, known)):
        return Came(ZERO, "estimated")
    amount = ZERO
    for one, in_its_base in zip(open_ones, known, strict=True):
        match judge(one, in_its_base, worth):
            case "unknown":
                return UNKNOWN
            case "brought":
                amount += in_its_base
    return Came(amount, "estimated")


def judge(left: Residual, in_base: Decimal, worth: Decimal) -> Verdict:
    """What the residual of one currency is, by the rule above; ``worth`` is the account's value."""
    if left.is_nothing:
        return "nothing"
    size = abs(left.amount)
    if left.accrued is not None and abs(left.amount + left.accrued) <= left.leeway + _ACCRUED * size:
        return "earned"
    doubt = ZERO
    if left.futures is not None:
        settled, doubt = left.futures
        is_settled = settled is not None and abs(settled) > doubt
        if is_settled:
            return "earned" if abs(left.amount - (settled or ZERO)) <= doubt else "unknown"
    if abs(in_base) <= EARNED_AT_MOST * worth:
        return "earned"
    unsettled = left.futures is not None and left.futures.amount is None
    if left.inexact or unsettled or size <= 2 * doubt:
        return "unknown"
    is_not_accrued = left.accrued is not None and left.amount > ZERO
    least = BROUGHT_UNACCRUED_AT_LEAST if is_not_accrued else BROUGHT_AT_LEAST
    return "brought" if abs(in_base) >= least * worth else "unknown"
