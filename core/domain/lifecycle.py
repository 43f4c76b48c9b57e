"""The life of a position: a pure fold of fills and anchors into episodes, events, lots and realized P&L.

What always holds:

- The result is a function of the fills and anchors alone: folding from the start and carrying on from a
  stored state give equal rows.
- An episode runs from flat to flat and keeps one sign. A fill through zero ends one and begins the next.
- The sum of an episode's event quantities is its quantity, and so is the sum of its lots' remainders.
- Fills are never invented: what the broker holds and no fill explains is an ``adjusted`` event with a cause.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core.domain.anchors import Anchor, counted, placed
from core.domain.carried import gain_on, handed_on, left_by, part_of, with_cost
from core.domain.days import TradingDays
from core.domain.episodes import Cause, Episode, EventType, is_certain
from core.domain.fills import Fill, Replaced
from core.domain.lots import CarriedLot, Closing, CostMethod
from core.domain.money import ZERO
from core.domain.openings import NO_EFFECTS, Effects, Opening, opening_of
from core.domain.pnl import EXACT, per_unit, share

OPENING_BALANCE: Final = "opening_balance"


class Booked(Struct, gc=False, frozen=True):
    """Where a fill went: its episode (a flip's closing one) and what it realized, ``None`` if nothing."""

    episode: Episode
    realized_pnl: Decimal | None


class Ledger:
    """The fold of one book. Begin it flat, or with the open episode it left off with."""

    def __init__(
        self,
        account: str,
        conid: int,
        point_value: Decimal,
        *,
        method: CostMethod = "fifo",
        episodes: int = 0,
        episode: Episode | None = None,
    ) -> None:
        self.account = account
        self.conid = conid
        self.point_value = point_value
        self.method = method
        self.episodes = episodes
        self.episode = episode
        self.touched: list[Episode] = [episode] if episode else []
        self.booked: dict[str, Booked] = {}
        self.handed: dict[str, tuple[CarriedLot, ...]] = {}

    @property
    def quantity(self) -> Decimal:
        """What the ledger says is held, signed."""
        return self.episode.quantity if self.episode else ZERO

    def begin_by_flip(self, ended: Decimal, at: datetime) -> None:
        """Begin with the fill ``at`` this time, which ends ``ended`` of an episode that stands as it is."""
        before = Episode(self.account, self.conid, self.episodes, "", at, self.method)
        before.long = ended > ZERO
        before.grow("opened", None, at, ended, None, None, None, final=True)
        self.episode = before

    def begin_with(self, opening: Opening) -> None:
        """Begin with what was held before all that is known."""
        with localcontext(EXACT):
            episode = self._begin(OPENING_BALANCE, opening.at, opening.lots[0].quantity)
            for lot in opening.lots:
                episode.estimated = episode.estimated or not lot.certain
                episode.grow(
                    *("adjusted", None, opening.at, lot.quantity, None, lot.unit_cost, None, lot.final),
                    OPENING_BALANCE,
                    cost=lot.cost,
                )

    def run(self, fills: Sequence[Fill], anchors: Sequence[Anchor] = ()) -> None:
        """Apply fills in order, and hold the ledger to each anchor once the fills up to its time are in."""
        with localcontext(EXACT):
            done = 0
            for number, anchor in enumerate(anchors, 1):
                upto = done
                while upto < len(fills) and fills[upto].executed_at <= anchor.as_of:
                    upto += 1
                self._apply(fills[done:upto])
                done = upto
                if not anchor.relative:
                    self._hold_to(anchor, anchor.quantity)
                elif anchor.quantity:
                    word = anchors[number] if number < len(anchors) else None
                    left = left_by(anchor, self.episode, word, fills, upto, self.point_value)
                    self._change_by(with_cost(anchor, left, word, self.method))
                else:
                    self._recost(anchor)
            self._apply(fills[done:] if done else fills)

    def _apply(self, fills: Sequence[Fill]) -> None:
        booked = self.booked
        point_value = self.point_value
        for executed_at, base_id, exec_id, quantity, price, commission, complete, replaced in fills:
            unit_value = price * point_value
            episode = self.episode
            kind: EventType = "increased"
            realized: Decimal | None = None
            if not quantity:
                self._bust(
                    exec_id, executed_at, commission or ZERO, replaced or (Replaced(exec_id, ZERO, price),)
                )
                if episode is not None and not complete:
                    episode.missing_commissions += 1
                continue
            if episode is None:
                episode = self._begin(base_id, executed_at, quantity)
                kind = "opened"
            if (quantity > ZERO) is episode.long:
                episode.grow(kind, exec_id, executed_at, quantity, price, unit_value, commission, complete)
            else:
                closing = Closing(exec_id, executed_at, price, unit_value, commission, complete)
                after = episode.quantity + quantity
                if not after:
                    realized = episode.shrink("closed", quantity, closing)
                    self._end(executed_at)
                elif (after > ZERO) is episode.long:
                    realized = episode.shrink("reduced", quantity, closing)
                else:
                    realized = self._flip(base_id, quantity, closing)
            booked[exec_id] = Booked(episode, realized)
            if not complete:
                episode.missing_commissions += 1
            if replaced:
                self._correct(episode, executed_at, replaced)

    def _bust(self, exec_id: str, executed_at: datetime, fee: Decimal, replaced: Sequence[Replaced]) -> None:
        """A trade that was cancelled counts for nothing; what it still cost belongs to what is open then."""
        episode = self.episode
        if episode is None:
            return
        if fee:
            episode.commission += fee
            if episode.realized is not None:
                episode.realized -= fee
            self.booked[exec_id] = Booked(episode, -fee)
        self._correct(episode, executed_at, replaced, fee)

    def _correct(
        self, episode: Episode, at: datetime, replaced: Sequence[Replaced], fee: Decimal = ZERO
    ) -> None:
        for number, (exec_id, quantity, price) in enumerate(replaced, 1):
            cost = fee if number == len(replaced) and fee else None
            episode.note(
                "corrected",
                at,
                ZERO,
                price,
                None if cost is None else -cost,
                cost,
                exec_id,
                replaced_quantity=quantity,
            )

    def _flip(self, base_id: str, quantity: Decimal, closing: Closing) -> Decimal | None:
        """One fill ends an episode and begins the next; its commission goes with the quantity, pro rata."""
        ending = self.episode
        assert ending is not None  # noqa: S101 - only an open position can flip
        leaving = -ending.quantity
        opening = quantity - leaving
        commission, final = closing.commission, closing.final
        closing_fee = None if commission is None else share(commission, leaving, quantity)
        opening_fee = None if commission is None or closing_fee is None else commission - closing_fee
        realized = ending.shrink("flipped", leaving, replace(closing, commission=closing_fee))
        self._end(closing.closed_at)
        episode = self._begin(base_id, closing.closed_at, opening)
        episode.grow(
            "opened",
            closing.exec_id,
            closing.closed_at,
            opening,
            closing.price,
            closing.unit_value,
            opening_fee,
            final,
        )
        if not final:
            episode.missing_commissions += 1
        return realized

    def _change_by(self, change: Anchor) -> None:
        """What a statement says came or went."""
        if change.cause != "split" or self.episode is not None:  # of nothing it is none
            self._hold_to(change, self.quantity + change.quantity)

    def _recost(self, change: Anchor) -> None:
        """Another cost of what is held: part of it was paid back, or went to what was spun off."""
        episode, cause = self.episode, change.cause or "unexplained"
        if episode is None or not change.cost:
            return
        episode.recost(change.cost, by_cost=cause == "spin_off")
        episode.estimated = episode.estimated or not is_certain(cause, inferred=change.inferred)
        episode.note("adjusted", change.as_of, ZERO, cause=cause, inferred=change.inferred)

    def _hold_to(self, anchor: Anchor, target: Decimal) -> None:
        """Adjust to what the broker held at ``anchor``, as far as no fill explains it."""
        delta = target - self.quantity
        if not delta:
            return
        at, price, carried, inferred = anchor.as_of, anchor.price, anchor.carried, anchor.inferred
        cause: Cause = anchor.cause or "unexplained"
        certain = is_certain(cause, inferred=inferred)
        episode = self.episode
        same_side = episode is not None and target * episode.quantity > ZERO
        if cause == "split" and episode is not None and same_side:
            episode.split(target)
            episode.estimated = episode.estimated or not certain
            episode.note("adjusted", at, delta, cause=cause, inferred=inferred)
            return
        if cause == "split":
            cause, certain = "unexplained", False  # it is none: nothing of this side is left to be restated
        if episode is not None and (delta > ZERO) is not episode.long:
            leaving = -episode.quantity if abs(delta) > abs(episode.quantity) else delta
            unit_value = None if price is None else price * self.point_value
            # What is carried is not sold at any price.
            worth = (None, None) if carried else (price, unit_value)
            gain = gain_on(anchor, episode.cost if leaving == -episode.quantity else None)
            # What follows from a worth that is only looked up is an estimate.
            certain = certain and (not anchor.cash or bool(anchor.realized))
            closing = Closing(None, at, *worth, None, certain, carried, gain)
            already = len(episode.disposals)
            realized = episode.shrink("adjusted", leaving, closing, cause, inferred)
            if carried and anchor.key:
                self.handed[anchor.key] = handed_on(anchor, episode.disposals[already:], gain)
            episode.estimated = episode.estimated or not certain or realized is None
            if not episode.quantity:
                self._end(at)
            delta -= leaving
        if delta:
            self._take_in(anchor, delta, target, cause, certain=certain)

    def _take_in(
        self, anchor: Anchor, delta: Decimal, target: Decimal, cause: Cause, *, certain: bool
    ) -> None:
        at, price, average_cost, cost = anchor.as_of, anchor.price, anchor.average_cost, anchor.cost
        unit_cost = average_cost if average_cost is not None or price is None else price * self.point_value
        awaited = False
        episode = self.episode
        if anchor.taken:
            self._take_over(anchor, delta, cause, certain=certain)
            return
        if anchor.relative and cost is not None:
            cost = share(cost, delta, anchor.quantity)
        if episode is None:
            episode = self._begin(self._opening_at(at), at, delta)
        elif not anchor.relative and anchor.total_cost is not None:
            if episode.cost is None:
                certain = False  # the average of all, of which nobody knows what the rest had cost
                unit_cost, cost = average_cost or per_unit(anchor.total_cost, target), None
            elif cost is not None:
                cost -= episode.cost
            else:
                unit_cost = per_unit(anchor.total_cost - episode.cost, delta)
            awaited = certain and episode.provisional_lots > 0
        certain = certain and (unit_cost is not None or cost is not None)
        episode.estimated = episode.estimated or not certain
        final = certain and not awaited
        episode.grow(
            "adjusted", None, at, delta, price, unit_cost, None, final, cause, anchor.inferred, cost=cost
        )

    def _take_over(self, anchor: Anchor, delta: Decimal, cause: Cause, *, certain: bool) -> None:
        """Go on with the lots that came from another book."""
        at = anchor.as_of
        episode = self.episode or self._begin(self._opening_at(at), at, delta)
        for lot in part_of(anchor, delta):
            final = certain and lot.cost is not None and not lot.provisional
            episode.estimated = episode.estimated or not final
            episode.grow(
                *("adjusted", None, at, lot.quantity, None, None, None, final, cause, anchor.inferred),
                cost=lot.cost,
                opened_at=lot.opened_at,
            )

    def _opening_at(self, at: datetime) -> str:
        """What an anchor's episode is named by: each of one moment's is another."""
        name = f"anchor {at.isoformat()}"
        twins = sum(one.opening.startswith(name) for one in self.touched)
        return f"{name} {twins + 1}" if twins else name

    def _begin(self, opening: str, at: datetime, quantity: Decimal) -> Episode:
        self.episodes += 1
        episode = Episode(self.account, self.conid, self.episodes, opening, at, self.method)
        episode.long = quantity > ZERO
        self.episode = episode
        self.touched.append(episode)
        return episode

    def _end(self, at: datetime) -> None:
        if self.episode is not None:
            self.episode.closed_at = at
            self.episode = None


def fold_book(
    account: str,
    conid: int,
    point_value: Decimal,
    fills: Sequence[Fill],
    anchors: Sequence[Anchor] = (),
    *,
    method: CostMethod = "fifo",
    effects: Effects = NO_EFFECTS,
    days: TradingDays | None = None,
) -> Ledger:
    """Fold a book from the start: its first word of what was held gives the opening balance.

    The ledger is held to the other anchors. ``effects`` are what statements say of trades, by which something
    may have been held before them, too; ``days`` which trades are among what was held at the end of a day.
    """
    ledger = Ledger(account, conid, point_value, method=method)
    anchors = placed(counted(anchors, fills, days or TradingDays(), point_value), fills)
    opening = opening_of(fills, anchors, effects, point_value)
    if opening is not None:
        ledger.begin_with(opening)
    ledger.run(fills, anchors)
    return ledger
