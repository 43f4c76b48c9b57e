"""What was held before the first fill that is known, as far as the broker tells.

A word of what was held later fixes how much that was. A statement says of trades whether they only opened or
only closed, and what they closed had cost: a trade that only closed had something to close. The oldest lots
are closed first, so each closing that reaches into what was held before tells the cost of one lot of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from core.domain.anchors import Anchor, first_holding
from core.domain.carried import cost_of
from core.domain.fills import Fill
from core.domain.money import ZERO
from core.domain.pnl import EXACT, QUANTUM, per_unit, share


class Effect(NamedTuple):
    """What a statement says of a trade: whether it only opened, or only closed, and at what cost.

    ``cost`` is signed like the trade and that of all it closed, commissions in it; ``None``: not stated.
    """

    opens: bool
    closes: bool
    cost: Decimal | None


Effects = Mapping[str, Effect]
"""By execution id."""

NO_EFFECTS: Final[Effects] = {}

_FINER: Final = Decimal("1E-20")
"""So that a split of what was a third before makes it whole again."""


class OpeningLot(NamedTuple):
    """A lot of unknown origin: its signed quantity, and its total cost, signed alike; ``None``: not known.

    ``certain``: the cost is the broker's; ``final``: no commission that is still awaited has a say in it.
    ``unit_cost`` is told instead where it is the broker's average.
    """

    quantity: Decimal
    cost: Decimal | None
    certain: bool
    final: bool
    unit_cost: Decimal | None = None


class Opening(NamedTuple):
    """What a book begins with: at least one lot, opened ``at`` that time as far as anybody knows."""

    at: datetime
    lots: tuple[OpeningLot, ...]


class Step(NamedTuple):
    """A fill, or a stated change, as far as it matters for what was held before.

    ``value`` and ``fee`` are what was paid for what it opens, ``closed`` what had been paid for what it
    closes, signed like that; ``None`` where nobody told. ``is_stated``: a statement tells of it.
    """

    quantity: Decimal
    value: Decimal | None
    fee: Decimal = ZERO
    opens: bool = False
    closes: bool = False
    closed: Decimal | None = None
    final: bool = True
    is_stated: bool = True
    is_split: bool = False


def opening_of(
    fills: Sequence[Fill], anchors: Sequence[Anchor], effects: Effects, point_value: Decimal
) -> Opening | None:
    """What was held before all these, by what they tell of it; ``None`` for nothing."""
    first = first_holding(anchors)
    changes = [one for one in anchors if one.relative and (first is None or one.as_of <= first.as_of)]
    if changes or effects:
        before = [fill for fill in fills if first is None or fill.executed_at <= first.as_of]
        steps = steps_of(before, changes, effects, point_value)
        if any(step.is_stated for step in steps):
            times = [one.executed_at for one in before[:1]] + [
                one.as_of for one in [*changes[:1], first] if one
            ]
            return _stated(first, steps, min(times))
    return None if first is None else balance_before(first, fills, point_value)


def balance_before(word: Anchor, fills: Sequence[Fill], point_value: Decimal) -> Opening | None:
    """What the broker's ``word`` says was held, less what ``fills`` brought before it."""
    with localcontext(EXACT):
        before = [fill for fill in fills if fill.executed_at <= word.as_of]
        quantity = word.quantity - sum((fill.quantity for fill in before), ZERO)
        if not quantity:
            return None
        at = min(before[0].executed_at, word.as_of) if before else word.as_of
        counting = [fill for fill in before if fill.quantity]
        unit_cost, cost, certain = _cost_before(word, counting, quantity, point_value)
        # The broker's cost has each commission in it: one that is still unknown is taken for ours.
        final = certain and all(fill.complete for fill in counting)
        return Opening(at, (OpeningLot(quantity, cost, certain, final, unit_cost),))


def _cost_before(
    word: Anchor, before: Sequence[Fill], quantity: Decimal, point_value: Decimal
) -> tuple[Decimal | None, Decimal | None, bool]:
    """Its cost per unit or in all, and whether that is certain."""
    total = word.total_cost
    if total is None or not word.quantity:
        return None, None, False
    average = word.average_cost
    average = per_unit(total, word.quantity) if average is None else average
    if any((fill.quantity > ZERO) is not (quantity > ZERO) for fill in before):
        # What was sold in between took cost with it that nobody can name now.
        return average, None, False
    bought = [fill.quantity * fill.price * point_value + (fill.commission or ZERO) for fill in before]
    cost = total - sum(bought, ZERO)
    if word.cost is not None:
        return None, cost, True
    return (per_unit(cost, quantity) if bought else average), None, True


def _stated(word: Anchor | None, steps: Sequence[Step], at: datetime) -> Opening | None:
    """What was held before ``steps``, of some of which statements tell more.

    ``word`` is the first of what was held, after them; without one only what must have been held was.
    """
    with localcontext(EXACT):
        likely = ZERO
        if word is not None:
            likely = word.quantity - sum((step.quantity for step in steps), ZERO)
        quantity = held_before(steps, likely)
        return Opening(at, tuple(opening_lots(quantity, steps, word))) if quantity else None


def steps_of(
    fills: Sequence[Fill], changes: Sequence[Anchor], effects: Effects, point_value: Decimal
) -> list[Step]:
    """Fills and changes in the order of the fold.

    Once something has left for another book, what came with lots from one has no known value here: what was
    held before must not depend on it, or what left would depend on what may have come of itself.
    """
    steps: list[Step] = []
    done = 0
    has_handed_on = False
    with localcontext(EXACT):
        for change in changes:
            while done < len(fills) and fills[done].executed_at <= change.as_of:
                steps += _of_fill(fills[done], effects, point_value)
                done += 1
            steps += _of_change(change._replace(taken=()) if has_handed_on else change, point_value)
            has_handed_on = has_handed_on or bool(change.carried and change.key)
        for fill in fills[done:]:
            steps += _of_fill(fill, effects, point_value)
    return steps


def _of_fill(fill: Fill, effects: Effects, point_value: Decimal) -> Iterator[Step]:
    quantity, effect = fill.quantity, effects.get(fill.exec_id)
    if not quantity:
        return
    step = Step(quantity, quantity * fill.price * point_value, fill.commission or ZERO, final=fill.complete)
    if effect is None:
        yield step._replace(is_stated=False)
    else:
        closed = None if effect.cost is None else -effect.cost
        yield step._replace(opens=effect.opens, closes=effect.closes, closed=closed)


def _of_change(change: Anchor, point_value: Decimal) -> Iterator[Step]:
    quantity, cost, price = change.quantity, cost_of(change), change.price
    if not quantity:
        return
    if cost is None and price is not None:
        cost = quantity * price * point_value
    closed = None if change.cost is None or not change.only_closes else -change.cost
    is_split = change.cause == "split"
    yield Step(quantity, cost, closes=change.only_closes, closed=closed, is_split=is_split)


def held_before(steps: Sequence[Step], likely: Decimal) -> Decimal:
    """What was held before, as near to ``likely`` as what the trades say of themselves allows.

    One that only closed needs something to close, one that only opened nothing that it would close. Of two
    that contradict each other the earlier counts: in between something is missing.
    """
    least: Decimal | None = None
    most: Decimal | None = None
    running = ZERO
    for step in steps:
        after = running + step.quantity
        if step.opens or step.closes:
            bound = -running if step.opens else -after
            # A purchase that opened covered nothing, a sale that closed had as much to sell.
            if (step.quantity > ZERO) is step.opens:
                if most is None or bound <= most:
                    least = bound if least is None else max(least, bound)
            elif least is None or bound >= least:
                most = bound if most is None else min(most, bound)
        running = after
    if least is not None and likely < least:
        return least
    return most if most is not None and likely > most else likely


def opening_lots(quantity: Decimal, steps: Sequence[Step], word: Anchor | None) -> list[OpeningLot]:
    """The lots that ``quantity`` held before ``steps`` was made of, in the order in which FIFO closes them.

    ``word`` tells what is held after them, and maybe what that had cost. What a trade closed of which no
    statement tells is taken to have cost the average. To be called in the ``EXACT`` context.
    """
    walk = _Walk(1 if quantity > ZERO else -1, abs(quantity), quantity)
    for step in steps:
        if not walk.left:
            break
        if not walk.take(step):
            word = None  # it is of something else than what is left here
            break
    if walk.rest:
        walk.keep(word)
    if word is not None and word.total_cost is not None and word.quantity * quantity > ZERO:
        average = word.total_cost / word.quantity * walk.per_original
        for number in walk.unstated:
            part = walk.lots[number].quantity
            walk.lots[number] = OpeningLot(part, (average * part).quantize(QUANTUM), False, False)
    return walk.lots


class _Opened(NamedTuple):
    """What came since, unsigned, with what was paid for it, signed as for something long."""

    size: Decimal
    value: Decimal | None
    fee: Decimal


@dataclass
class _Walk:
    """Goes through the steps with what is ``left`` of what was held before, unsigned, in units of the time.

    ``rest`` is the same, signed, in units of the beginning; ``per_original`` as many of now one of those is.
    """

    sign: int
    left: Decimal
    rest: Decimal
    per_original: Decimal = Decimal(1)
    lots: list[OpeningLot] = field(default_factory=list)
    unstated: list[int] = field(default_factory=list)
    """Which lots were closed by trades of which no statement tells."""
    opened: list[_Opened] = field(default_factory=list)
    final: bool = True

    def take(self, step: Step) -> bool:
        """Go on by a step; returns whether anything can be said after it."""
        size = step.quantity * self.sign
        if step.is_split:
            return self._split(size)
        if size > ZERO:
            value = None if step.value is None else step.value * self.sign
            self.opened.append(_Opened(size, value, step.fee * self.sign))
            self.final = self.final and step.final
        else:
            self._close(step, -size)
        return True

    def _split(self, change: Decimal) -> bool:
        held = self.left + sum((one.size for one in self.opened), ZERO)
        if held + change <= ZERO:
            return False
        ratio = (held + change) / held
        self.per_original *= ratio
        self.opened = [one._replace(size=(one.size * ratio).quantize(QUANTUM)) for one in self.opened]
        self.left = held + change - sum((one.size for one in self.opened), ZERO)
        return True

    def _close(self, step: Step, size: Decimal) -> None:
        taken = min(size, self.left)
        part = self.rest
        if taken < self.left:
            part = taken * self.sign
            if self.per_original != 1:
                part = (part / self.per_original).quantize(_FINER)
        others = self._cost_of_first(size - taken)
        cost = None if step.closed is None or others is None else step.closed - others * self.sign
        if not step.is_stated:
            self.unstated.append(len(self.lots))
        self.lots.append(OpeningLot(part, cost, cost is not None, cost is not None and self.final))
        self.rest -= part
        self.left -= taken

    def keep(self, word: Anchor | None) -> None:
        """What is held of it in the end: what all has cost by the broker's word, less what came since."""
        since = self._cost_of_first(sum((one.size for one in self.opened), ZERO))
        total = None if word is None else word.total_cost
        cost = None if total is None or since is None else total - since * self.sign
        self.lots.append(OpeningLot(self.rest, cost, cost is not None, cost is not None and self.final))

    def _cost_of_first(self, size: Decimal) -> Decimal | None:
        """What the first ``size`` of those opened since had cost; ``None`` where nobody knows."""
        total = ZERO
        for held, value, fee in self.opened:
            if not size:
                break
            if value is None:
                return None
            part = min(held, size)
            total += share(value, part, held) + share(fee, part, held)
            size -= part
        return None if size else total
