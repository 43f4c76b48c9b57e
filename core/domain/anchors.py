"""What the ledger is held to: the broker's words of what was held, and a statement's of what changed."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import groupby
from typing import Final, NamedTuple

from core.domain.days import TradingDays, moment_of
from core.domain.episodes import Cause
from core.domain.fills import Fill
from core.domain.lots import CarriedLot
from core.domain.money import ZERO
from core.domain.pnl import EXACT

SEEN_WITHIN: Final = timedelta(days=1)
"""Statements often have only the day of a change; a word of the broker that shows it knows better."""


class Anchor(NamedTuple):
    """A statement of the broker that the ledger is held to: what was held after all fills up to ``as_of``.

    ``cause`` says why the ledger lacks what it tells, should it lack anything; ``inferred`` that the cause
    was concluded from circumstances. ``price`` is what those units were worth, as a quoted price, where that
    is known; ``carried`` that they took their cost with them. ``cost`` is what all that was held had cost,
    where that is told rather than an ``average_cost``.

    A ``relative`` one tells of a change instead, as a broker's statement does of a split, an exercise or a
    transfer: ``quantity`` is what came (or, negative, went) at that time, and ``cost``, signed like it, what
    that had cost in all, where it is known. With a quantity of zero only the cost of what is held changed.

    One that tells what was held at the end of a broker's ``day`` is of the trades of that day, whenever they
    were made.

    One with a ``key`` is a leg of what moves cost from one book to another (``core.domain.carried``).
    ``taken`` are the lots that came so, in the old book's units. ``cash`` is the money that moved with it;
    with what left for it in part, ``realized`` is what the statement says that realized, ``kept`` the share
    of its cost that went on.
    """

    as_of: datetime
    quantity: Decimal
    average_cost: Decimal | None
    cause: Cause | None = None
    price: Decimal | None = None
    carried: bool = False
    inferred: bool = False
    relative: bool = False
    cost: Decimal | None = None
    day: date | None = None
    key: str = ""
    cash: Decimal | None = None
    realized: Decimal | None = None
    kept: Decimal | None = None
    taken: tuple[CarriedLot, ...] = ()

    @property
    def total_cost(self) -> Decimal | None:
        """What all of ``quantity`` had cost."""
        if self.cost is not None or self.average_cost is None:
            return self.cost
        return EXACT.multiply(self.average_cost, self.quantity)

    @property
    def only_closes(self) -> bool:
        """Whether a change can only have taken away what was held: it took its cost along, or expired."""
        return self.relative and bool(self.quantity) and (self.carried or self.cause == "expiry")


def first_holding(anchors: Iterable[Anchor]) -> Anchor | None:
    """The first of them that tells what was held: it fixes the opening balance."""
    return next((anchor for anchor in anchors if not anchor.relative), None)


def in_order(anchors: Iterable[Anchor]) -> list[Anchor]:
    """By time; at one time what changed goes before what was held after all that."""
    return sorted(anchors, key=lambda one: (one.as_of, not one.relative))


def counted(
    anchors: Sequence[Anchor], fills: Sequence[Fill], days: TradingDays, point_value: Decimal
) -> list[Anchor]:
    """The anchors as of their time: those of a day with what was traded by then and is of another day.

    And without what was traded later and is of that day or one before. What is traded in the evening, or in
    the morning of another continent, is the next day's, and not among what was held at the end of the day.
    """
    words = [one for one in anchors if one.day is not None]
    if not words:
        return list(anchors)
    times = [fill.executed_at for fill in fills]
    moved: dict[datetime, list[tuple[Fill, int]]] = {}
    for word in words:
        assert word.day is not None  # noqa: S101 - they were chosen by it
        evening = bisect_left(times, moment_of(word.day, days.ends))
        moved[word.as_of] = [
            (fill, 1)
            for fill in fills[evening : bisect_right(times, word.as_of)]
            if fill.base_id not in days.told
        ]
    for fill in fills if days.told else ():
        day = days.told.get(fill.base_id)
        for word in () if day is None else _between(words, fill.executed_at, day):
            moved[word.as_of].append((fill, 1 if fill.executed_at <= word.as_of else -1))
    with localcontext(EXACT):
        return [
            _with(one, moved[one.as_of], point_value) if one.day is not None and moved[one.as_of] else one
            for one in anchors
        ]


def _between(words: Sequence[Anchor], executed_at: datetime, day: date) -> Sequence[Anchor]:
    """Those of the words that a trade is before by its time and after by its day, or the reverse."""
    by_time = bisect_left(words, executed_at, key=lambda one: one.as_of)
    by_day = bisect_left(words, day, key=lambda one: one.day or date.min)
    return words[min(by_time, by_day) : max(by_time, by_day)]


def _with(word: Anchor, moved: Iterable[tuple[Fill, int]], point_value: Decimal) -> Anchor:
    """A word with these fills added (1) or taken away (-1), and its cost where none closed anything."""
    quantity, cost = word.quantity, word.cost if word.quantity else ZERO
    for fill, sign in moved:
        quantity += sign * fill.quantity
        if fill.quantity * word.quantity < ZERO or not fill.complete:
            cost = None
        elif cost is not None:
            cost += sign * (fill.quantity * fill.price * point_value + (fill.commission or ZERO))
    if quantity * word.quantity < ZERO or any(fill.quantity * quantity < ZERO for fill, _ in moved):
        cost = None
    return word._replace(quantity=quantity, cost=cost)


def placed(anchors: Sequence[Anchor], fills: Sequence[Fill]) -> list[Anchor]:
    """The anchors with each change at the time at which the broker's words show it, where they do.

    Between two words of what was held, fills and changes should add up to the difference. A change that does
    not fit between the two that its own time is between, but makes up the difference between two others
    within ``SEEN_WITHIN``, happened there. Changes of one time are tried together, then each alone.

    Those that move cost between books keep their order, or a cost could come to be handed round: where they
    would not, they stay where they are.
    """
    if not any(one.relative for one in anchors) or all(one.relative for one in anchors):
        return list(anchors)
    told = _placed(anchors, fills, keep_keyed=False)
    return told if _keys(told) == _keys(anchors) else _placed(anchors, fills, keep_keyed=True)


def _keys(anchors: Iterable[Anchor]) -> list[str]:
    return [one.key for one in anchors if one.key]


def _placed(anchors: Sequence[Anchor], fills: Sequence[Fill], *, keep_keyed: bool) -> list[Anchor]:
    """The same; with ``keep_keyed`` what moves cost between books stays where it is."""
    words = [one for one in anchors if not one.relative]
    spans = _Spans(words, fills)
    for change in anchors:
        if change.relative:
            spans.add(change.quantity, change.as_of)
    changes = [one for one in anchors if one.relative and not (keep_keyed and one.key)]
    told = [one for one in anchors if not one.relative or (keep_keyed and one.key)]
    for _, group in groupby(changes, key=lambda one: one.as_of):
        together = list(group)
        moved_to = spans.move(sum((one.quantity for one in together), ZERO), together[0].as_of)
        for change in together:
            at = moved_to or (spans.move(change.quantity, change.as_of) if len(together) > 1 else None)
            told.append(change if at is None else change._replace(as_of=at))
    return in_order(told)


class _Spans:
    """The times between words of what was held, each with what neither fills nor changes explain of it."""

    def __init__(self, words: Sequence[Anchor], fills: Sequence[Fill]) -> None:
        self._ends = [word.as_of for word in words]
        # What was held before the first, and after the last, nobody knows.
        self._lacking: list[Decimal | None] = []
        before: Decimal | None = None
        number = 0
        for word in words:
            lacking = None if before is None else EXACT.subtract(word.quantity, before)
            while number < len(fills) and fills[number].executed_at <= word.as_of:
                if lacking is not None:
                    lacking = EXACT.subtract(lacking, fills[number].quantity)
                number += 1
            self._lacking.append(lacking)
            before = word.quantity
        self._lacking.append(None)

    def _of(self, at: datetime) -> int:
        return bisect_left(self._ends, at)

    def add(self, quantity: Decimal, at: datetime) -> None:
        """Let a change explain what is lacking at its time."""
        self._take(self._of(at), quantity)

    def _take(self, number: int, quantity: Decimal) -> None:
        lacking = self._lacking[number]
        if lacking is not None:
            self._lacking[number] = EXACT.subtract(lacking, quantity)

    def move(self, quantity: Decimal, at: datetime) -> datetime | None:
        """The end of the nearest other span that lacks just this, which then lacks nothing any more.

        ``None`` where there is none, or where the change explains what its own span would lack.
        """
        own = self._of(at)
        if not quantity or self._lacking[own] == ZERO:
            return None
        fitting = [
            (abs(end - at), number)
            for number, end in enumerate(self._ends)
            if number != own and self._lacking[number] == quantity and abs(end - at) <= SEEN_WITHIN
        ]
        if not fitting:
            return None
        _, number = min(fitting)
        self._take(own, ZERO - quantity)
        self._take(number, quantity)
        return self._ends[number]
