"""An account's gain between two moments taken apart: what was held, traded, paid and converted meanwhile.

What is traded moves between a holding and cash at one rate, so that it is in neither's gain; what is paid or
earned is a part of its own, valued with the rate of its time. What cash changed by beyond all that is told is
no part: it stays unexplained.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final, Literal, NamedTuple, TypeAlias

from core.domain.disputes import MONEY_LEEWAY
from core.domain.measures.attribution import Attribution, Part, PartKind, Traded, attribute, price_and_fx
from core.domain.money import ZERO
from core.domain.pnl import EXACT

FlowKind: TypeAlias = PartKind | Literal["external", "other"]
"""``external``: the owner brought or took it; ``other``: nobody says what it was for."""

Reason: TypeAlias = Literal[
    "trades_missing",
    "not_valued",
    "no_mark",
    "no_rate",
    "cash_not_told",
    "commission_awaited",
    "contribution_not_known",
]
"""Why something is not known.

``trades_missing``: what was held at the end is not what was held at the start and what came and went.
``not_valued``: it came or went without a trade, and nobody says what it was worth. ``no_mark``: it has no
value at one of the ends. ``no_rate``: there is none within a week. ``cash_not_told``: how much there was of
that currency at one of the ends. ``commission_awaited``: it was never told. ``contribution_not_known``: what
the owner brought or took is told in sum only, or cannot be valued.
"""

_RATES_APART: Final = Decimal("0.01")
"""What was brought in another currency may be worth so much more or less at the rate of another hour."""

SETTLED_BY_DIFFERENCE: Final = frozenset({"FUT", "CFD"})
"""What is worth nothing by itself: its price is not paid, and what it gains is settled in cash."""


class Worth(NamedTuple):
    """How much was held of an instrument at an end, and its value in its currency; ``None``: not known."""

    quantity: Decimal
    value: Decimal | None


class Move(NamedTuple):
    """What changed a holding at one time, all in its currency.

    ``amount`` is what was put into it, at ``rate`` to the base currency; ``None``: not known. ``given``: the
    owner brought (or took) it. ``cash`` is what came into the account's cash for it.
    """

    quantity: Decimal
    amount: Decimal | None
    cash: Decimal
    rate: Decimal | None
    given: bool = False


class Holding(NamedTuple):
    """What was held of an instrument at both ends, and what changed that in between."""

    conid: int
    asset_class: str
    currency: str
    before: Worth
    after: Worth
    moves: Sequence[Move] = ()


class Replaced(NamedTuple):
    """An instrument that left for another one, at the rate of then."""

    left: int
    came: int
    rate: Decimal | None


class Flow(NamedTuple):
    """Cash that came in ``currency`` (below zero: went), other than for a holding.

    ``amount`` is ``None`` where it is not told. ``counted_to`` is the currency that it is a part of, which of
    a conversion is the foreign one, whichever of the two this is.
    """

    kind: FlowKind
    amount: Decimal | None
    currency: str
    rate: Decimal | None
    conid: int | None = None
    asset_class: str | None = None
    counted_to: str = ""


class End(NamedTuple):
    """What is known of one end. Rates are to the base currency; ``cash`` is ``None`` where none is told.

    A currency that is not among those told had no cash. ``accrued`` is what had been earned or was owed and
    not been paid, by what it is. ``settled``: what closed futures gained until then is in ``cash``.
    """

    value: Decimal
    rates: Mapping[str, Decimal]
    cash: Mapping[str, Decimal] | None = None
    accrued: Mapping[PartKind, Decimal] | None = None
    settled: bool = True


class Unknown(NamedTuple):
    """A part without an amount, and why. Of a contribution that is not known there is no part."""

    part: Part | None
    reason: Reason


class Unclassified(NamedTuple):
    """Cash that came (below zero: went) and of which nothing tells what it was; ``worth``: in base."""

    currency: str
    amount: Decimal
    worth: Decimal | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A gain and its parts. ``contribution`` is as far as it is known."""

    attribution: Attribution
    contribution: Decimal
    unknown: tuple[Unknown, ...]
    unclassified: tuple[Unclassified, ...]


class _Told(NamedTuple):
    """An amount in a currency at a rate, which may not be known."""

    amount: Decimal
    rate: Decimal | None


class _Account:
    """One account between its ends, while its parts are found."""

    def __init__(self, base: str, before: End, after: End) -> None:
        self._base = base
        self._before = before
        self._after = after
        self.parts: list[Part] = []
        self.unknown: list[Unknown] = []
        self._moved: dict[str, list[_Told]] = defaultdict(list)
        self._settled: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._unsettled: set[str] = set()
        self._other: list[Unclassified] = []
        self.given = ZERO
        self.is_given_known = True

    def hold(self, one: Holding) -> None:
        """Take in a holding."""
        by_difference = one.asset_class in SETTLED_BY_DIFFERENCE
        for move in one.moves:
            if move.cash:
                self._moved[one.currency].append(_Told(move.cash, move.rate))
            if move.given and not by_difference:
                self._give(move.amount, self._rate_of(one.currency, move.rate))
        reason = self._reason_against(one)
        if reason is not None:
            self._unsettled |= {one.currency} if by_difference else set()
            self._lacks("price", one, reason)
            if one.currency != self._base and not by_difference:
                self._lacks("fx", one, reason)
            return
        if by_difference:
            self._settle(one)
            return
        self._price(one)

    def flow(self, one: Flow) -> None:
        """Take in what was paid, earned, brought or converted."""
        rate = self._rate_of(one.currency, one.rate)
        worth = None if one.amount is None or rate is None else one.amount * rate
        if one.amount is not None:
            self._moved[one.currency].append(_Told(one.amount, rate))
        if one.kind == "external":
            self._give(one.amount, rate)
        elif one.kind == "other":
            if one.amount is not None:
                self._other.append(Unclassified(one.currency, one.amount, worth))
        else:
            part = Part(one.kind, worth, one.conid, one.asset_class, one.counted_to or one.currency)
            self._add(part, "commission_awaited" if one.amount is None else "no_rate")

    def accrue(self) -> None:
        """Take in what was earned or owed, and is not paid yet."""
        before, after = self._before.accrued, self._after.accrued
        if before is None or after is None:
            return
        for kind in sorted({*before, *after}):
            change = after.get(kind, ZERO) - before.get(kind, ZERO)
            if change:
                self.parts.append(Part(kind, change, None, None, self._base))

    def convert_cash(self) -> None:
        """What rates did to the cash of other currencies than the base one."""
        held = {*(self._before.cash or {}), *(self._after.cash or {}), *self._moved, *self._settled}
        for currency in sorted(held - {self._base}):
            part = Part("fx", self._fx_of_cash(currency), None, None, currency)
            told = self._before.cash is not None and self._after.cash is not None
            if part.amount != ZERO:
                self._add(part, "no_rate" if told else "cash_not_told")

    def unclassified(self) -> tuple[Unclassified, ...]:
        """What cash changed by beyond what is told, and what is told without saying what it was."""
        before, after = self._before.cash, self._after.cash
        found = list(self._other)
        if before is None or after is None:
            return tuple(found)
        for currency in sorted({*before, *after, *self._moved, *self._settled}):
            if currency in self._unsettled:
                continue
            came = sum((one.amount for one in self._moved[currency]), ZERO) + self._settled[currency]
            left = after.get(currency, ZERO) - before.get(currency, ZERO) - came
            if abs(left) > MONEY_LEEWAY:
                rate = self._rate_at(self._after, currency)
                found.append(Unclassified(currency, left, None if rate is None else left * rate))
        return tuple(found)

    def _reason_against(self, one: Holding) -> Reason | None:
        if any(move.amount is None for move in one.moves):
            return "not_valued"
        if one.before.quantity + sum((move.quantity for move in one.moves), ZERO) != one.after.quantity:
            return "trades_missing"
        if one.before.value is None or one.after.value is None:
            return "no_mark"
        if self._rate_at(self._before, one.currency) is None and one.before.value:
            return "no_rate"
        return None if self._rate_at(self._after, one.currency) is not None else "no_rate"

    def _price(self, one: Holding) -> None:
        before, after = one.before.value or ZERO, one.after.value or ZERO
        moved = [
            _Told(move.amount, self._rate_of(one.currency, move.rate)) for move in one.moves if move.amount
        ]
        rate_after = self._rate_at(self._after, one.currency) or ZERO
        # Where nothing was held a rate is not needed, and where one is not known only the FX is not.
        rate_before = self._rate_at(self._before, one.currency) or ZERO
        traded = [Traded(told.amount, told.rate or ZERO) for told in moved]
        price, fx = price_and_fx(before, rate_before, after, rate_after, traded)
        self.parts.append(Part("price", price, one.conid, one.asset_class, one.currency))
        if one.currency != self._base:
            known = all(told.rate is not None for told in moved)
            part = Part("fx", fx if known else None, one.conid, one.asset_class, one.currency)
            self._add(part, "no_rate")

    def _settle(self, one: Holding) -> None:
        """What it gained came into cash, at the last rate, whenever that was."""
        put = sum((move.amount for move in one.moves if move.amount), ZERO)
        gained = (one.after.value or ZERO) - (one.before.value or ZERO) - put
        self._settled[one.currency] += gained
        is_open = one.before.quantity or one.after.quantity
        if is_open or not (self._before.settled and self._after.settled):
            self._unsettled.add(one.currency)  # how much of it is in cash is not told
        rate = self._rate_at(self._after, one.currency) or ZERO
        self.parts.append(Part("price", gained * rate, one.conid, one.asset_class, one.currency))

    def _fx_of_cash(self, currency: str) -> Decimal | None:
        before, after = self._before.cash, self._after.cash
        rate_before, rate_after = (self._rate_at(end, currency) for end in (self._before, self._after))
        if before is None or after is None or rate_after is None:
            return None
        held, moved = before.get(currency, ZERO), self._moved[currency]
        if any(one.rate is None for one in moved) or (held and rate_before is None):
            return None
        traded = [Traded(one.amount, one.rate or ZERO) for one in moved]
        # What futures settled counts at the last rate: no rate did anything to it.
        return price_and_fx(held, rate_before or ZERO, ZERO, rate_after, traded)[1]

    def _give(self, amount: Decimal | None, rate: Decimal | None) -> None:
        if amount is None or rate is None:
            self.is_given_known = False
        else:
            self.given += amount * rate

    def _lacks(self, kind: PartKind, one: Holding, reason: Reason) -> None:
        self._add(Part(kind, None, one.conid, one.asset_class, one.currency), reason)

    def _add(self, part: Part, reason: Reason) -> None:
        self.parts.append(part)
        if part.amount is None:
            self.unknown.append(Unknown(part, reason))

    def _rate_at(self, end: End, currency: str) -> Decimal | None:
        return self._rate_of(currency, end.rates.get(currency))

    def _rate_of(self, currency: str, rate: Decimal | None) -> Decimal | None:
        return Decimal(1) if currency == self._base else rate


def explain(
    base: str,
    before: End,
    after: End,
    holdings: Iterable[Holding],
    flows: Iterable[Flow],
    contribution: Decimal | None = None,
    *,
    is_itemized: bool | None = True,
) -> Explained:
    """Take a gain apart. ``contribution`` is what the owner brought less what he took, where that is known.

    Without it that is the sum of what is told. ``is_itemized`` is false where it is known that not all is
    told, and ``None`` where nobody knows: then not all is, if cash came or went of which nothing tells what
    it was.
    """
    account = _Account(base, before, after)
    with localcontext(EXACT):
        for holding in holdings:
            account.hold(holding)
        for flow in flows:
            account.flow(flow)
        account.accrue()
        account.convert_cash()
        left = account.unclassified()
    unknown = account.unknown
    if is_itemized is None:
        is_itemized = not left
    if contribution is None:
        contribution = account.given
        if not (account.is_given_known and is_itemized):
            unknown = [*unknown, Unknown(None, "contribution_not_known")]
    elif _is_contribution(left, contribution - account.given):
        left = ()
    found = attribute(before.value, after.value, contribution, account.parts)
    assert found is not None  # noqa: S101 - all three are known
    return Explained(found, contribution, tuple(unknown), left)


def _is_contribution(left: Sequence[Unclassified], amount: Decimal) -> bool:
    """Whether the cash that nothing tells of is what was brought beyond what is told, at whatever rates."""
    worths = [one.worth for one in left if one.worth is not None]
    if not left or len(worths) < len(left):
        return False
    return abs(sum(worths, ZERO) - amount) <= max(MONEY_LEEWAY, abs(amount) * _RATES_APART)


def handed_on(holdings: Mapping[int, Holding], replaced: Iterable[Replaced]) -> dict[int, Holding]:
    """The holdings, where what took another one's place goes on with what was put into that.

    So what a share lost that a merger took is no loss of it, and no gain of the one that came for it.
    """
    found = dict(holdings)
    with localcontext(EXACT):
        for one in replaced:
            left, came = found.get(one.left), found.get(one.came)
            if left is None or came is None or left.currency != came.currency or left.after.quantity:
                continue
            amounts = [left.before.value, *(move.amount for move in left.moves)]
            known = [amount for amount in amounts if amount is not None]
            if len(known) < len(amounts):
                continue
            value = sum(known, ZERO)
            for holding, amount in ((left, -value), (came, value)):
                move = Move(ZERO, amount, ZERO, one.rate)
                found[holding.conid] = holding._replace(moves=(*holding.moves, move))
    return found
