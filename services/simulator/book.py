"""The broker's own books: accounts, cash, lots, marks and fills. No clock and no I/O: the time is handed in.

Always true, whatever is filled or corrected: the position is the sum of the opening lots and of the fills in
force; the cash is the opening cash plus what every fill in force moved; a correction gives the same book as
if the fill had been right from the start.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from services.simulator.executions import Execution, Key, Order, Side, next_revision
from services.simulator.holdings import ZERO, Holding, Lot, Outcome
from services.simulator.instruments import Instrument, commission_for

# IBKR's business day and the gateway's default for execution times.
ACCOUNT_ZONE = ZoneInfo("US/Eastern")
FIRST_PERM_ID = 1_000_000_000


@dataclass(slots=True)
class Account:
    """One account: an id, the currency it is kept in, its cash by currency."""

    account: str
    base_currency: str
    cash: dict[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Position:
    """What is held: signed quantity, and cost per unit with multiplier and commission."""

    quantity: Decimal
    average_cost: Decimal


@dataclass(frozen=True, slots=True)
class OpeningLot:
    """A lot that no retained fill explains."""

    account: str
    conid: int
    quantity: Decimal
    cost: Decimal
    gross: Decimal


class Book:
    """Accounts, instruments, marks, lots and fills."""

    def __init__(
        self,
        accounts: Iterable[Account],
        instruments: Iterable[Instrument],
        marks: dict[int, Decimal],
        *,
        opening: Iterable[OpeningLot] = (),
        tag: int,
        day: date,
    ) -> None:
        self.accounts = {account.account: account for account in accounts}
        self.instruments = {instrument.conid: instrument for instrument in instruments}
        self.marks = dict(marks)
        self.executions: dict[str, Execution] = {}
        self.tag = tag
        self.serial = 0
        self.order_serial = 0
        self.day = day
        self.realized_today: dict[Key, Decimal] = defaultdict(lambda: ZERO)
        self.unrealized_at_open: dict[Key, Decimal] = {}
        self._opening: dict[Key, Holding] = {}
        self._live: dict[Key, Holding] = {}
        self._history: dict[Key, list[str]] = defaultdict(list)
        grouped: dict[Key, list[Lot]] = defaultdict(list)
        for lot in opening:
            grouped[lot.account, lot.conid].append(Lot(lot.quantity, lot.cost, lot.gross))
        for key, lots in grouped.items():
            self._opening[key], self._live[key] = Holding(lots), Holding(lots)
        self.unrealized_at_open = {key: self.unrealized(key) for key in self._live}

    def copy(self) -> "Book":
        """The book as it is now, untouched by what is filled later."""
        twin = Book([], self.instruments.values(), self.marks, tag=self.tag, day=self.day)
        twin.accounts = {
            name: Account(account.account, account.base_currency, dict(account.cash))
            for name, account in self.accounts.items()
        }
        # Fills change after the fact: a correction works out anew what those after it have realized.
        twin.executions = {exec_id: copy(fill) for exec_id, fill in self.executions.items()}
        twin.realized_today.update(self.realized_today)
        twin.unrealized_at_open = dict(self.unrealized_at_open)
        twin._live = {key: Holding(holding.lots) for key, holding in self._live.items()}
        return twin

    # what is held

    @property
    def positions(self) -> dict[Key, Position]:
        """Everything that is not flat."""
        return {
            key: Position(holding.quantity, holding.average_cost)
            for key, holding in self._live.items()
            if holding.quantity
        }

    def position(self, key: Key) -> Position:
        """One position; zero when flat."""
        holding = self._live.get(key)
        return Position(holding.quantity, holding.average_cost) if holding else Position(ZERO, ZERO)

    def holding(self, key: Key) -> Holding:
        """The lots behind one position."""
        return self._live.get(key) or Holding()

    def opening_lots(self) -> list[OpeningLot]:
        """What was held before the first retained fill."""
        return [
            OpeningLot(account, conid, lot.quantity, lot.cost, lot.gross)
            for (account, conid), holding in self._opening.items()
            for lot in holding.lots
        ]

    @property
    def held(self) -> Collection[Key]:
        """Every account and contract that has ever been held, flat ones included."""
        return self._live.keys()

    def open_gain(self, key: Key) -> Decimal:
        """What the price has gained since opening, without commissions, in the instrument's currency."""
        holding = self._live.get(key)
        if not holding or not holding.quantity:
            return ZERO
        value = self.market_value(key)
        return value - holding.gross if holding.quantity > 0 else value + holding.gross

    def unrealized(self, key: Key) -> Decimal:
        """Market value less cost, in the instrument's currency."""
        holding = self._live.get(key)
        if not holding or not holding.quantity:
            return ZERO
        value = self.market_value(key)
        return value - holding.cost if holding.quantity > 0 else value + holding.cost

    def market_value(self, key: Key) -> Decimal:
        """Quantity × mark × point value, in the instrument's currency; negative for shorts."""
        holding = self._live.get(key)
        if not holding or not holding.quantity:
            return ZERO
        return holding.quantity * self.marks[key[1]] * self.instruments[key[1]].point_value

    def daily(self, key: Key) -> Decimal:
        """Profit since the day began, in the instrument's currency."""
        return self.unrealized(key) - self.unrealized_at_open.get(key, ZERO) + self.realized_today[key]

    def exchange_rate(self, currency: str, base: str) -> Decimal:
        """Units of ``base`` for one unit of ``currency``, from the marks of the currency pairs."""
        if currency == base:
            return Decimal(1)
        for instrument in self.instruments.values():
            if instrument.sec_type == "CASH":
                pair = (instrument.symbol, instrument.currency)
                if pair == (currency, base):
                    return self.marks[instrument.conid]
                if pair == (base, currency):
                    return 1 / self.marks[instrument.conid]
        return Decimal(1)

    # what happens

    def next_perm_id(self) -> int:
        """A permanent order id that was never used before."""
        self.order_serial += 1
        return FIRST_PERM_ID + self.order_serial

    def fill(
        self,
        account: str,
        conid: int,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        at: datetime,
        *,
        order: Order,
        exchange: str | None = None,
        filled: Decimal | None = None,
        average_price: Decimal | None = None,
        commission_reported: bool = True,
    ) -> Execution:
        """Book a new fill and return it; ``filled`` and ``average_price`` are those of its order so far."""
        instrument = self.instruments[conid]
        commission, currency = commission_for(instrument, quantity, price)
        execution = Execution(
            exec_id=f"{self.tag:08x}.{self.serial + 1:08x}.01.01",
            account=account,
            conid=conid,
            side=side,
            quantity=quantity,
            price=price,
            executed_at=at,
            exchange=exchange or instrument.exchange,
            order=order,
            filled=quantity if filled is None else filled,
            average_price=price if average_price is None else average_price,
            commission=commission,
            commission_currency=currency,
            commission_reported=commission_reported,
        )
        self.apply(execution)
        return execution

    def correct(self, exec_id: str, quantity: Decimal, price: Decimal, at: datetime) -> Execution:
        """Replace quantity and price of a fill; the new version's commission is the difference.

        Raises:
            KeyError: no such fill, or it has been corrected already.
        """
        old = self.executions[exec_id]
        if old.corrected_by is not None:
            raise KeyError(exec_id)
        # What was cancelled costs nothing: the difference gives back all that was charged.
        commission = commission_for(self.instruments[old.conid], quantity, price)[0] if quantity else ZERO
        corrected = Execution(
            exec_id=next_revision(exec_id),
            account=old.account,
            conid=old.conid,
            side=old.side,
            quantity=quantity,
            price=price,
            executed_at=max(at, old.executed_at),
            exchange=old.exchange,
            order=old.order,
            filled=old.filled - old.quantity + quantity,
            average_price=price if old.filled == old.quantity else old.average_price,
            commission=commission - self._commission(old.root),
            commission_currency=old.commission_currency,
            corrects=exec_id,
        )
        self.apply(corrected)
        return corrected

    def apply(self, execution: Execution) -> None:
        """Book a fill or a correction as it stands; the journal is replayed through here."""
        key = execution.key
        if execution.corrects is None:
            self._record(execution)
            holding = self._live.setdefault(key, Holding())
            self._settle(key, *self._book(holding, execution, execution.commission), 1)
            return
        self._fold(key, -1)
        self._record(execution)
        self._fold(key, 1)

    def restore(self, executions: Iterable[Execution]) -> None:
        """Book what is known to begin with: the same as ``apply`` of one after the other, but at once."""
        for execution in executions:
            execution.corrected_by = None
            self._record(execution)
        for key in self._history:
            self._fold(key, 1)

    def roll_day(self, today: date) -> None:
        """Begin a new business day: daily figures start at zero, fills before yesterday are folded away."""
        if today <= self.day:
            return
        self.day = today
        self.realized_today.clear()
        self.unrealized_at_open = {key: self.unrealized(key) for key in self._live}
        oldest = datetime.combine(today, datetime.min.time(), ACCOUNT_ZONE) - timedelta(days=1)
        for key, roots in list(self._history.items()):
            while roots and self._in_force(roots[0]).executed_at < oldest:
                execution = self._in_force(roots.pop(0))
                self._book(
                    self._opening.setdefault(key, Holding()), execution, self._commission(execution.root)
                )
                for version in self._versions(execution.root):
                    del self.executions[version.exec_id]

    # inside

    def _record(self, execution: Execution) -> None:
        self.executions[execution.exec_id] = execution
        if execution.corrects is not None:
            self.executions[execution.corrects].corrected_by = execution.exec_id
            return
        self.serial = max(self.serial, int(execution.exec_id.split(".")[1], 16))
        self.order_serial = max(self.order_serial, execution.order.perm_id - FIRST_PERM_ID)
        self._history[execution.key].append(execution.root)

    def _book(
        self, holding: Holding, execution: Execution, commission: Decimal
    ) -> tuple[Outcome, dict[str, Decimal]]:
        """Put a fill into ``holding``; return what it realized and the cash it moved."""
        instrument = self.instruments[execution.conid]
        quantity = execution.signed_quantity
        unit = execution.price * instrument.point_value
        # A commission in another currency cannot be part of the cost in this one.
        own = commission if execution.commission_currency == instrument.currency else ZERO
        outcome = holding.apply(quantity, unit, own)
        cash: dict[str, Decimal] = defaultdict(lambda: ZERO)
        cash[execution.commission_currency] -= commission
        if instrument.sec_type == "FUT":
            cash[instrument.currency] += outcome.gross_realized
        else:
            cash[instrument.currency] -= quantity * unit
        if instrument.sec_type == "CASH":
            cash[instrument.symbol] += quantity
            # The broker realizes nothing on currency conversions.
            outcome = Outcome(None if outcome.realized is None else ZERO, ZERO)
        execution.realized = outcome.realized
        return outcome, cash

    def _fold(self, key: Key, sign: int) -> None:
        """Rebuild a holding from its opening lots, adding (or taking back) what its fills did."""
        holding = Holding(self._opening[key].lots if key in self._opening else ())
        for root in self._history[key]:
            self._settle(key, *self._book(holding, self._in_force(root), self._commission(root)), sign)
        self._live[key] = holding

    def _settle(self, key: Key, outcome: Outcome, moved: dict[str, Decimal], sign: int) -> None:
        cash = self.accounts[key[0]].cash
        for currency, amount in moved.items():
            cash[currency] = cash.get(currency, ZERO) + sign * amount
        self.realized_today[key] += sign * (outcome.realized or ZERO)

    def _versions(self, root: str) -> list[Execution]:
        versions = [self.executions[f"{root}.01"]]
        while versions[-1].corrected_by is not None:
            versions.append(self.executions[versions[-1].corrected_by])
        return versions

    def _in_force(self, root: str) -> Execution:
        return self._versions(root)[-1]

    def _commission(self, root: str) -> Decimal:
        return sum((version.commission for version in self._versions(root)), ZERO)
