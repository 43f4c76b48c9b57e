"""A seeded market: marks that wander and return, and orders of people who never tell us about them."""

import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from services.simulator.book import Book
from services.simulator.executions import MANUAL_ORDER_IDS, Key, Order, Side
from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument

# Marks are pulled back by this share of their distance from where they began, each tick: they wander for
# days and stay within a few percent.
PULL = 0.002
TYPICAL_ORDER_VALUE = Decimal(15_000)
OTHER_CLIENTS = (7, 12)
CLOSE_SHARE, FLIP_SHARE, NEW_SHARE, SPLIT_SHARE, MANUAL_SHARE = 0.06, 0.02, 0.15, 0.35, 0.4


@dataclass(frozen=True, slots=True)
class Intent:
    """A fill that is about to happen. ``filled`` and ``average_price`` are those of its order after it."""

    account: str
    conid: int
    side: Side
    quantity: Decimal
    price: Decimal
    order: Order
    filled: Decimal
    average_price: Decimal


class Market:
    """Moves the marks of a book and thinks up fills for it.

    Each account has a target per instrument (what the scenario lets it hold): fills wander around it, so
    quantities stay sane however long this runs.
    """

    def __init__(
        self,
        book: Book,
        targets: Mapping[Key, Decimal],
        anchors: Mapping[int, Decimal],
        *,
        rng: random.Random,
        fewest_positions: int = 0,
    ) -> None:
        self._book = book
        self._targets = targets
        self._anchors = anchors
        self._rng = rng
        self._fewest = fewest_positions
        self._parts: deque[tuple[Key, Side, Decimal, Order]] = deque()
        self._filled: dict[int, tuple[Decimal, Decimal]] = {}
        self._order_id = 100

    def move(self) -> None:
        """One tick: every mark takes a small random step and is drawn back a little."""
        for conid, instrument in self._book.instruments.items():
            mark = self._book.marks[conid]
            anchor = self._anchors.get(conid, mark)
            drift = PULL * math.log(float(anchor / mark))
            step = math.exp(drift + self._rng.gauss(0, instrument.volatility))
            self._book.marks[conid] = instrument.on_tick(mark * Decimal(step))

    def next_fill(self) -> Intent:
        """The next fill: the rest of an order in progress, or the first of a new one."""
        if not self._parts:
            self._new_order()
        key, side, quantity, order = self._parts.popleft()
        account, conid = key
        instrument = self._book.instruments[conid]
        slip = instrument.min_tick * self._rng.choice((-1, 0, 0, 1))
        price = instrument.on_tick(self._book.marks[conid] + slip)
        filled, spent = self._filled.pop(order.perm_id, (ZERO, ZERO))
        filled, spent = filled + quantity, spent + quantity * price
        if filled < order.total:
            self._filled[order.perm_id] = (filled, spent)
        return Intent(account, conid, side, quantity, price, order, filled, spent / filled)

    def _new_order(self) -> None:
        key = self._choose_key()
        change = self._choose_change(key)
        quantity = abs(change)
        order = self._order(quantity)
        side: Side = "BOT" if change > 0 else "SLD"
        lot = self._book.instruments[key[1]].lot_size
        parts = self._rng.randint(2, 4) if self._rng.random() < SPLIT_SHARE else 1
        part = _whole_lots(quantity / parts, lot)
        left = quantity
        while left > 0:
            piece = min(part, left)
            self._parts.append((key, side, piece, order))
            left -= piece

    def _choose_key(self) -> Key:
        account = self._rng.choice(list(self._book.accounts))
        held = [key for key in self._book.positions if key[0] == account]
        wanted = [key for key, target in self._targets.items() if key[0] == account and target]
        known = sorted({*held, *wanted})
        if not known or self._rng.random() < NEW_SHARE:
            return account, self._rng.choice(list(self._book.instruments))
        return self._rng.choice(known)

    def _choose_change(self, key: Key) -> Decimal:
        """A signed quantity, never zero."""
        instrument = self._book.instruments[key[1]]
        quantity, target = self._book.position(key).quantity, self._targets.get(key, ZERO)
        scale = self._scale(key, instrument)
        fate = self._rng.random()
        if quantity and fate < FLIP_SHARE:
            return -quantity - _sign(quantity) * _whole_lots(abs(quantity) / 2, instrument.lot_size)
        if quantity and fate < FLIP_SHARE + CLOSE_SHARE and self._may_close():
            return -quantity
        distance = target - quantity
        # The further away, the surer the way back; at one scale's distance it is certain.
        homeward = 0.5 + min(abs(float(distance / scale)), 1.0) / 2
        direction = _sign(distance) if self._rng.random() < homeward else -_sign(distance)
        units = _whole_lots(scale * Decimal(self._rng.uniform(0.05, 0.4)), instrument.lot_size)
        change = direction * units
        if not quantity + change and not self._may_close():
            change -= direction * instrument.lot_size
        return change or direction * instrument.lot_size * 2

    def _scale(self, key: Key, instrument: Instrument) -> Decimal:
        """How much of this is a lot of it, for this account."""
        target = abs(self._targets.get(key, ZERO))
        value = self._book.marks[key[1]] * instrument.point_value
        return target or _whole_lots(TYPICAL_ORDER_VALUE / value, instrument.lot_size)

    def _may_close(self) -> bool:
        return len(self._book.positions) > self._fewest

    def _order(self, quantity: Decimal) -> Order:
        perm_id = self._book.next_perm_id()
        if self._rng.random() < MANUAL_SHARE:
            return Order(self._rng.choice(MANUAL_ORDER_IDS), perm_id, 0, quantity)
        self._order_id += 1
        return Order(self._order_id, perm_id, self._rng.choice(OTHER_CLIENTS), quantity)


def _sign(value: Decimal) -> int:
    return 1 if value >= 0 else -1


def _whole_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    return max((quantity / lot).quantize(Decimal(1), rounding=ROUND_HALF_EVEN), Decimal(1)) * lot
