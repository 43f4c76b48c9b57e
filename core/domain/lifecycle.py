"""The life of a position: a pure fold of fills and anchors into episodes, events, lots and realized P&L.

What always holds:

- The result is a function of the fills and anchors alone: folding from the start and carrying on from a
  stored state give equal rows.
- An episode runs from flat to flat and keeps one sign. A fill through zero ends one and begins the next.
- The sum of an episode's event quantities is its quantity, and so is the sum of its lots' remainders.
- Fills are never invented: what the broker holds and no fill explains is an ``adjusted`` event with a cause.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from functools import cached_property
from typing import Literal, NamedTuple

from msgspec import Struct

from core.domain.fills import Fill, Replaced
from core.domain.lots import Closing, CostMethod, Disposal, Lot, Pool, consume, lot_queue
from core.domain.money import ZERO
from core.domain.pnl import EXACT, per_unit, share

EventType = Literal["opened", "increased", "reduced", "closed", "flipped", "adjusted", "corrected"]
Cause = Literal[
    "opening_balance",
    "expiry",
    "exercise_or_assignment",
    "split",
    "transfer",
    "missed_executions",
    "unexplained",
]
"""Why the ledger was adjusted to what the broker says is held."""

NAMESPACE = uuid.UUID("6f1c1f2e-8d5b-4a57-9f0b-0c6b3d0a7e11")
"""The root of our deterministic ids (RFC 9562 version 5): the same input gives the same row id."""

OPENING_BALANCE = "opening_balance"
_UNCERTAIN = frozenset({"unexplained", "missed_executions"})


class Anchor(NamedTuple):
    """A statement of the broker that the ledger is held to: what was held after all fills up to ``as_of``.

    ``cause`` says why the ledger lacks what it tells, should it lack anything; ``inferred`` that the cause
    was concluded from circumstances. ``price`` is what those units were worth, as a quoted price, where that
    is known; ``carried`` that they took their cost with them.
    """

    as_of: datetime
    quantity: Decimal
    average_cost: Decimal | None
    cause: Cause | None = None
    price: Decimal | None = None
    carried: bool = False
    inferred: bool = False


class Event(Struct, gc=False, frozen=True):
    """What happened to an episode. ``quantity`` is the signed change, ``seq`` counts from 1.

    A ``corrected`` event stands after the event of the fill that counts: it changes nothing itself (its
    quantity is zero) and tells what ``exec_id`` had reported before, as ``replaced_quantity`` at ``price``.
    """

    seq: int
    type: EventType
    executed_at: datetime
    quantity: Decimal
    price: Decimal | None
    position_after: Decimal
    realized_pnl: Decimal | None
    commission: Decimal | None
    exec_id: str | None
    cause: Cause | None
    inferred: bool = False
    replaced_quantity: Decimal | None = None


class Episode:
    """A position from flat to flat.

    ``cost`` and ``realized`` are ``None`` from the moment on that a part of them is unknown. ``events``,
    ``lots`` and ``disposals`` hold only what is not stored yet.
    """

    def __init__(
        self,
        account: str,
        conid: int,
        ordinal: int,
        opening: str,
        opened_at: datetime,
        method: CostMethod = "fifo",
    ) -> None:
        self.account = account
        self.conid = conid
        self.ordinal = ordinal
        self.opening = opening
        self.opened_at = opened_at
        self.closed_at: datetime | None = None
        self.long = True
        self.quantity = ZERO
        self.max_quantity = ZERO
        self.cost: Decimal | None = ZERO
        self.realized: Decimal | None = ZERO
        self.commission = ZERO
        self.open_commission = ZERO
        self.missing_commissions = 0
        self.provisional_lots = 0
        self.estimated = False
        self.event_count = 0
        self.lot_count = 0
        self.disposal_count = 0
        self.open_lots = lot_queue(method)
        self.events: list[Event] = []
        self.lots: list[Lot] = []
        self.disposals: list[Disposal] = []

    @cached_property
    def id(self) -> uuid.UUID:
        """Named by what opened it, so that a replay gives the same id."""
        return uuid.uuid5(NAMESPACE, f"position/{self.account}/{self.conid}/{self.opening}")

    @property
    def average_cost(self) -> Decimal | None:
        """Per unit, with multiplier and commission, as IBKR's; ``None`` when flat or unknown."""
        return per_unit(self.cost, self.quantity) if self.quantity and self.cost is not None else None

    @property
    def provisional(self) -> bool:
        """Whether a figure may still change: a commission is awaited, or a cost was concluded."""
        return self.estimated or self.missing_commissions > 0


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

    def open_balance(self, anchor: Anchor, fills: Sequence[Fill]) -> None:
        """Begin with what ``anchor`` says was held, less what ``fills`` brought before it."""
        with localcontext(EXACT):
            before = [fill for fill in fills if fill.quantity and fill.executed_at <= anchor.as_of]
            quantity = anchor.quantity - sum((fill.quantity for fill in before), ZERO)
            if not quantity:
                return
            opened_at = min(before[0].executed_at, anchor.as_of) if before else anchor.as_of
            episode = self._begin(OPENING_BALANCE, opened_at, quantity)
            unit_cost, certain = self._opening_cost(anchor, before, quantity)
            episode.estimated = not certain
            self._grow(episode, None, opened_at, quantity, None, unit_cost, ZERO, final=certain)
            self._note(episode, "adjusted", opened_at, quantity, cause="opening_balance")

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
            fee = commission or ZERO
            unit_value = price * point_value
            episode = self.episode
            if not quantity:
                self._bust(exec_id, executed_at, fee, replaced)
                continue
            if episode is None:
                episode = self._begin(base_id, executed_at, quantity)
                self._grow(episode, exec_id, executed_at, quantity, price, unit_value, fee, final=complete)
                self._note(episode, "opened", executed_at, quantity, price, None, commission, exec_id)
                booked[exec_id] = Booked(episode, None)
            elif (quantity > ZERO) is episode.long:
                self._grow(episode, exec_id, executed_at, quantity, price, unit_value, fee, final=complete)
                self._note(episode, "increased", executed_at, quantity, price, None, commission, exec_id)
                booked[exec_id] = Booked(episode, None)
            else:
                held = episode.quantity
                after = held + quantity
                if not after or (after > ZERO) is episode.long:
                    realized = self._shrink(
                        episode,
                        quantity,
                        Closing(exec_id, executed_at, price, unit_value, fee, complete),
                    )
                    kind: EventType = "reduced" if after else "closed"
                    self._note(episode, kind, executed_at, quantity, price, realized, commission, exec_id)
                    if not after:
                        self._end(executed_at)
                else:
                    realized = self._flip(
                        base_id, exec_id, executed_at, quantity, price, commission, complete
                    )
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
            self._note(
                episode,
                "corrected",
                at,
                ZERO,
                price,
                None if cost is None else -cost,
                cost,
                exec_id,
                replaced_quantity=quantity,
            )

    def _flip(
        self,
        base_id: str,
        exec_id: str,
        executed_at: datetime,
        quantity: Decimal,
        price: Decimal,
        commission: Decimal | None,
        complete: bool,
    ) -> Decimal | None:
        ending = self.episode
        assert ending is not None  # noqa: S101 - only an open position can flip
        closing = -ending.quantity
        opening = quantity - closing
        unit_value = price * self.point_value
        closing_fee = None if commission is None else share(commission, closing, quantity)
        opening_fee = None if commission is None or closing_fee is None else commission - closing_fee
        realized = self._shrink(
            ending,
            closing,
            Closing(exec_id, executed_at, price, unit_value, closing_fee or ZERO, complete),
        )
        self._note(ending, "flipped", executed_at, closing, price, realized, closing_fee, exec_id)
        self._end(executed_at)
        episode = self._begin(base_id, executed_at, opening)
        self._grow(
            episode, exec_id, executed_at, opening, price, unit_value, opening_fee or ZERO, final=complete
        )
        self._note(episode, "opened", executed_at, opening, price, None, opening_fee, exec_id)
        if not complete:
            episode.missing_commissions += 1
        return realized

    def _hold_to(self, anchor: Anchor) -> None:
        """Adjust to what the broker held at ``anchor``, as far as no fill explains it."""
        delta = anchor.quantity - self.quantity
        if not delta:
            return
        at, _, average_cost, named, price, carried, inferred = anchor
        cause: Cause = named or "unexplained"
        certain = not inferred and cause not in _UNCERTAIN
        episode = self.episode
        if cause == "split" and episode is not None and (anchor.quantity > ZERO) is episode.long:
            episode.estimated = episode.estimated or not certain
            self._split(episode, anchor.quantity)
            self._note(episode, "adjusted", at, delta, cause=cause, inferred=inferred)
            return
        unit_value = None if price is None else price * self.point_value
        if episode is not None and (delta > ZERO) is not episode.long:
            leaving = -episode.quantity if abs(delta) > abs(episode.quantity) else delta
            closing = Closing(None, at, price, unit_value, ZERO, certain, carried)
            realized = self._shrink(episode, leaving, closing)
            episode.estimated = episode.estimated or not certain or realized is None
            self._note(
                episode, "adjusted", at, leaving, price, realized, None, cause=cause, inferred=inferred
            )
            if not episode.quantity:
                self._end(at)
            delta -= leaving
            if not delta:
                return
            episode = self.episode
        unit_cost = average_cost if average_cost is not None else unit_value
        if episode is None:
            episode = self._begin(f"anchor {at.isoformat()}", at, delta)
        elif average_cost is not None and episode.cost is not None:
            unit_cost = per_unit(average_cost * anchor.quantity - episode.cost, delta)
        certain = certain and unit_cost is not None
        episode.estimated = episode.estimated or not certain
        self._grow(episode, None, at, delta, price, unit_cost, ZERO, final=certain)
        self._note(episode, "adjusted", at, delta, price, cause=cause, inferred=inferred)

    @staticmethod
    def _split(episode: Episode, quantity: Decimal) -> None:
        """Restate what is open as ``quantity`` in all: each lot keeps its cost and its share."""
        held, left = episode.quantity, quantity
        for lot in sorted(episode.open_lots, key=lambda one: one.seq):
            remaining = share(left, lot.remaining, held)
            held -= lot.remaining
            left -= remaining
            lot.quantity += remaining - lot.remaining
            lot.remaining = remaining
            if lot.remaining_cost is not None:
                lot.unit_cost = per_unit(lot.remaining_cost, remaining)
            if lot.written:
                lot.written = False
                episode.lots.append(lot)
        episode.quantity = quantity
        episode.max_quantity = max(episode.max_quantity, abs(quantity))

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

    @staticmethod
    def _grow(
        episode: Episode,
        exec_id: str | None,
        at: datetime,
        quantity: Decimal,
        price: Decimal | None,
        unit_cost: Decimal | None,
        fee: Decimal,
        *,
        final: bool,
    ) -> None:
        episode.lot_count += 1
        cost = None if unit_cost is None else quantity * unit_cost
        lot = Lot(
            episode.lot_count,
            exec_id,
            at,
            quantity,
            quantity,
            price,
            unit_cost,
            fee,
            fee,
            cost,
            cost,
            not final,
        )
        episode.open_lots.append(lot)
        episode.lots.append(lot)
        episode.quantity = held = episode.quantity + quantity
        size = held if episode.long else -held
        if size > episode.max_quantity:  # noqa: PLR1730 - max() takes three times as long
            episode.max_quantity = size
        if fee:
            episode.commission += fee
            episode.open_commission += fee
        if not final:
            episode.provisional_lots += 1
        if cost is None:
            episode.cost = None
        elif episode.cost is not None:
            episode.cost += cost + fee

    def _shrink(self, episode: Episode, quantity: Decimal, closing: Closing) -> Decimal | None:
        """Take ``-quantity`` from the lots; returns what that realized, ``None`` when it cannot be known."""
        already = len(episode.disposals)
        pool: Pool | None = None
        if self.method == "average":
            pool = Pool(
                episode.quantity,
                None if episode.cost is None else episode.cost - episode.open_commission,
                episode.open_commission,
                provisional=episode.provisional_lots > 0,
            )
        cost, opening_fee, realized = consume(
            episode.open_lots,
            -quantity,
            closing,
            episode.lots,
            episode.disposals,
            episode.disposal_count + 1,
            pool,
        )
        episode.disposal_count += len(episode.disposals) - already
        episode.quantity += quantity
        episode.commission += closing.commission
        episode.open_commission -= opening_fee
        if cost is None:
            episode.cost = None
        elif episode.cost is not None:
            episode.cost -= cost + opening_fee
        if realized is None:
            episode.realized = None
        elif episode.realized is not None:
            episode.realized += realized
        return realized

    @staticmethod
    def _note(
        episode: Episode,
        kind: EventType,
        at: datetime,
        quantity: Decimal,
        price: Decimal | None = None,
        realized: Decimal | None = None,
        commission: Decimal | None = None,
        exec_id: str | None = None,
        cause: Cause | None = None,
        inferred: bool = False,
        replaced_quantity: Decimal | None = None,
    ) -> None:
        episode.event_count += 1
        episode.events.append(
            Event(
                episode.event_count,
                kind,
                at,
                quantity,
                price,
                episode.quantity,
                realized,
                commission,
                exec_id,
                cause,
                inferred,
                replaced_quantity,
            )
        )


def fold_book(
    account: str,
    conid: int,
    point_value: Decimal,
    fills: Sequence[Fill],
    anchors: Sequence[Anchor] = (),
    *,
    method: CostMethod = "fifo",
) -> Ledger:
    """Fold a book from the start: its first anchor gives the opening balance, the others are held to."""
    ledger = Ledger(account, conid, point_value, method=method)
    if anchors:
        ledger.open_balance(anchors[0], fills)
    ledger.run(fills, anchors)
    return ledger
