"""The life of a position: a pure fold of fills and anchors into episodes, events, lots and realized P&L.

What always holds:

- The result is a function of the fills and anchors alone: folding from the start and carrying on from a
  stored state give equal rows.
- An episode runs from flat to flat and keeps one sign. A fill through zero ends one and begins the next.
- The sum of an episode's event quantities is its quantity, and so is the sum of its lots' remainders.
- Fills are never invented: what the broker holds and no fill explains is an ``adjusted`` event with a cause.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from core.domain.episodes import Cause, Episode, EventType, is_certain
from core.domain.fills import Fill, Replaced
from core.domain.lots import Closing, CostMethod
from core.domain.money import ZERO
from core.domain.openings import Closings, OpeningLot, held_before, opening_lots
from core.domain.pnl import EXACT, per_unit, share

OPENING_BALANCE: Final = "opening_balance"
NO_CLOSINGS: Final[Closings] = {}


class Anchor(NamedTuple):
    """A statement of the broker that the ledger is held to: what was held after all fills up to ``as_of``.

    ``cause`` says why the ledger lacks what it tells, should it lack anything; ``inferred`` that the cause
    was concluded from circumstances. ``price`` is what those units were worth, as a quoted price, where that
    is known; ``carried`` that they took their cost with them.

    A ``relative`` one tells of a change instead, as a broker's statement does of a split, an exercise or a
    transfer: ``quantity`` is what came (or, negative, went) at that time, and ``cost``, signed like it, what
    that had cost in all, where it is known.
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

    @property
    def quantity(self) -> Decimal:
        """What the ledger says is held, signed."""
        return self.episode.quantity if self.episode else ZERO

    def open_balance(
        self,
        anchor: Anchor,
        fills: Sequence[Fill],
        changes: Sequence[Anchor] = (),
        closings: Closings = NO_CLOSINGS,
    ) -> None:
        """Begin with what ``anchor`` says was held, less what ``fills`` and ``changes`` brought before it."""
        with localcontext(EXACT):
            before = [fill for fill in fills if fill.executed_at <= anchor.as_of]
            changed = [change for change in changes if change.as_of <= anchor.as_of]
            bought = sum((fill.quantity for fill in before), ZERO)
            quantity = anchor.quantity - bought - sum((one.quantity for one in changed), ZERO)
            if not quantity:
                return
            first = [fill.executed_at for fill in before[:1]] + [change.as_of for change in changed[:1]]
            opened_at = min([anchor.as_of, *first])
            counting = [fill for fill in before if fill.quantity]
            if closings and not changed:
                average = anchor.average_cost
                total = None if average is None else average * anchor.quantity
                lots = opening_lots(quantity, counting, closings, self.point_value, total)
                if lots is not None:
                    self._open_lots(lots, opened_at)
                    return
            unit_cost, certain = self._opening_cost(anchor, counting, quantity)
            # What came or went otherwise had a cost that is in the broker's, too: only a split has none.
            certain = certain and all(change.cause == "split" for change in changed)
            episode = self._begin(OPENING_BALANCE, opened_at, quantity)
            episode.estimated = not certain
            # The broker's cost has each commission in it: one that is still unknown is taken for ours.
            final = certain and all(fill.complete for fill in counting)
            self._open_with(episode, opened_at, quantity, unit_cost, final=final)

    def open_before(self, fills: Sequence[Fill], changes: Sequence[Anchor], closings: Closings) -> None:
        """Begin with what must have been held, so that what closed or was taken away had been there."""
        with localcontext(EXACT):
            told = dict(closings)
            counting = [fill for fill in fills if fill.quantity]
            for number, one in enumerate(changes):
                # Behind every fill of its time.
                name = f"~{number:06}"
                counting.append(Fill(one.as_of, name, name, one.quantity, ZERO, None, complete=True))
                if one.carried or one.cause == "expiry":
                    told[name] = None if one.cost is None else abs(one.cost)
            counting.sort()
            quantity = held_before(counting, told)
            if not quantity:
                return
            # What came otherwise than by a fill, or was split, makes it another question what had which cost.
            plain = all(one.carried or one.cause == "expiry" for one in changes)
            lots = opening_lots(quantity, counting, told, self.point_value, None) if plain else None
            self._open_lots(lots or [OpeningLot(quantity, None)], counting[0].executed_at)

    def _open_lots(self, lots: Sequence[OpeningLot], at: datetime) -> None:
        episode = self._begin(OPENING_BALANCE, at, lots[0].quantity)
        for lot in lots:
            unit_cost = None if lot.cost is None else per_unit(lot.cost, lot.quantity)
            episode.estimated = episode.estimated or unit_cost is None
            self._open_with(episode, at, lot.quantity, unit_cost, final=unit_cost is not None)

    @staticmethod
    def _open_with(
        episode: Episode, at: datetime, quantity: Decimal, unit_cost: Decimal | None, *, final: bool
    ) -> None:
        episode.grow("adjusted", None, at, quantity, None, unit_cost, None, final, OPENING_BALANCE)

    def _opening_cost(
        self, anchor: Anchor, before: Sequence[Fill], quantity: Decimal
    ) -> tuple[Decimal | None, bool]:
        if anchor.average_cost is None or not anchor.quantity:
            return None, False
        if any((fill.quantity > ZERO) is not (quantity > ZERO) for fill in before):
            # What was sold in between took cost with it that nobody can name now.
            return anchor.average_cost, False
        bought = [
            fill.quantity * fill.price * self.point_value + (fill.commission or ZERO) for fill in before
        ]
        if not bought:
            return anchor.average_cost, True
        return per_unit(anchor.average_cost * anchor.quantity - sum(bought, ZERO), quantity), True

    def run(self, fills: Sequence[Fill], anchors: Iterable[Anchor] = ()) -> None:
        """Apply fills in order, and hold the ledger to each anchor once the fills up to its time are in."""
        with localcontext(EXACT):
            done = 0
            for anchor in anchors:
                upto = done
                while upto < len(fills) and fills[upto].executed_at <= anchor.as_of:
                    upto += 1
                self._apply(fills[done:upto])
                self._hold_to(anchor)
                done = upto
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

    def _hold_to(self, anchor: Anchor) -> None:
        """Adjust to what the broker held at ``anchor``, as far as no fill explains it."""
        target = self.quantity + anchor.quantity if anchor.relative else anchor.quantity
        if target == self.quantity:
            return
        if anchor.relative and anchor.cause == "split" and self.episode is None:
            return  # of nothing
        self._adjust(anchor, target)

    def _adjust(self, anchor: Anchor, target: Decimal) -> None:
        at, told, average_cost, named, price, carried, inferred, _, cost = anchor
        delta = target - self.quantity
        cause: Cause = named or "unexplained"
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
        unit_value = None if price is None else price * self.point_value
        if episode is not None and (delta > ZERO) is not episode.long:
            leaving = -episode.quantity if abs(delta) > abs(episode.quantity) else delta
            # What is carried is not sold at any price.
            worth = (None, None) if carried else (price, unit_value)
            closing = Closing(None, at, *worth, None, certain, carried)
            realized = episode.shrink("adjusted", leaving, closing, cause, inferred)
            episode.estimated = episode.estimated or not certain or realized is None
            if not episode.quantity:
                self._end(at)
            delta -= leaving
            if not delta:
                return
            episode = self.episode
        unit_cost = average_cost if average_cost is not None else unit_value
        unit_cost = unit_cost if cost is None else per_unit(cost, told)
        awaited = False
        if episode is None:
            episode = self._begin(self._opening_at(at), at, delta)
        elif average_cost is not None and episode.cost is not None:
            unit_cost = per_unit(average_cost * target - episode.cost, delta)
            awaited = episode.provisional_lots > 0
        elif average_cost is not None:
            certain = False  # the average of all, of which nobody knows what the rest had cost
        certain = certain and unit_cost is not None
        episode.estimated = episode.estimated or not certain
        final = certain and not awaited
        episode.grow("adjusted", None, at, delta, price, unit_cost, None, final, cause, inferred)

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
    closings: Closings = NO_CLOSINGS,
) -> Ledger:
    """Fold a book from the start: its first anchor gives the opening balance, the others are held to.

    ``closings`` are what a statement says of trades that only closed; without any anchor they tell what must
    have been held.
    """
    ledger = Ledger(account, conid, point_value, method=method)
    first = next((anchor for anchor in anchors if not anchor.relative), None)
    changes = [anchor for anchor in anchors if anchor.relative]
    if first is not None:
        ledger.open_balance(first, fills, changes, closings)
    elif closings or changes:
        ledger.open_before(fills, changes, closings)
    ledger.run(fills, anchors)
    return ledger
