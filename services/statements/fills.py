"""Trade rows to what the ledger folds: one book for each account and instrument.

Nothing is dropped: a row that is no fill of a position's ledger is kept aside with the reason.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

from core.domain.books import BookKey
from core.domain.episodes import NAMESPACE
from core.domain.executions import split_exec_id
from core.domain.fills import Report
from core.domain.instruments import COMBO_CONID
from core.domain.lifecycle import Anchor
from core.domain.money import ZERO, plain
from core.domain.pnl import EXACT, per_unit
from services.statements.rows import Trade
from services.statements.values import Moment

Reason: TypeAlias = Literal[
    "not_an_execution",
    "no_account",
    "no_instrument",
    "no_quantity",
    "no_price",
    "no_time",
    "no_multiplier",
    "currency_trade",
    "combo",
    "cancels_what_is_not_here",
    "repeated",
    "disputed",
]
"""Why a row is kept aside.

A currency trade changes balances, not a position with a cost; a combo's legs are the fills; a trade that is
cancelled may be in another statement; ``disputed`` has an id that an earlier row has with other content: the
first stays.
"""

_CARRYING: Final = frozenset({"A", "Ex", "AEx", "MEx", "GEA"})
"""Codes of assignments and exercises (IBKR's Reporting Guide, "Codes"); GEA may be an expiration as well."""

_OPTIONS: Final = frozenset({"OPT", "FOP", "FSFOP", "WAR", "IOPT"})
_UNIT_PRICED: Final = frozenset({"STK", "FUND"})
_MAGNIFIERS: Final = tuple(Decimal(10) ** power for power in range(5))


class Aside(NamedTuple):
    """A row that the ledger does not fold, and why."""

    row: Trade
    reason: Reason


class Carried(NamedTuple):
    """Options that left by exercise or assignment: they realize nothing, their cost goes to the underlying.

    ``quantity`` is the signed change, ``cost`` what Flex says they had cost.
    """

    at: datetime
    quantity: Decimal
    cost: Decimal | None
    row: Trade


class Content(NamedTuple):
    """What a row says, as far as the ledger is concerned."""

    currency: str
    at: Moment | None
    quantity: Decimal | None
    price: Decimal | None
    multiplier: Decimal | None
    commission: Decimal | None
    commission_currency: str


class Booking(NamedTuple):
    """What is remembered of a row that is in a book. ``line`` is where it stands in its file."""

    line: int
    trade_id: str
    transaction_id: str
    content: Content
    cancelled: bool = False

    def followed_by(self, later: "Booking") -> bool:
        """Whether ``later``, with the same id, books anew what was cancelled, rather than tells it again."""
        return self.cancelled and self.transaction_id != later.transaction_id


class StatementBook:
    """What the executions of one account in one instrument come to, in the order of the rows."""

    def __init__(self, account: str, conid: int, first: Trade) -> None:
        self.account = account
        self.conid = conid
        self.currency = first.currency
        self.asset_category = first.asset_category
        self.multiplier = first.multiplier or Decimal(1)
        self.price_magnifier = price_magnifier(first)
        self.reports: list[Report] = []
        self.carried: list[Carried] = []
        self.bookings: dict[str, Booking] = {}

    @property
    def point_value(self) -> Decimal:
        """The value of one whole point of quoted price per unit of quantity, in ``currency``."""
        return self.multiplier / self.price_magnifier


class StatementBooks:
    """The books that rows of trades come to, and the rows that are in none."""

    def __init__(self) -> None:
        self.books: dict[BookKey, StatementBook] = {}
        self.aside: list[Aside] = []
        self._twins: dict[str, int] = {}

    def add(self, row: Trade) -> None:
        """Put one row where it belongs."""
        reason = _not_foldable(row)
        if reason is not None:
            self.aside.append(Aside(row, reason))
            return
        assert row.conid is not None  # noqa: S101 - seen to by the reason above, for this and the next two
        book = self.books.get((row.account, row.conid))
        if book is None:
            book = self.books[row.account, row.conid] = StatementBook(row.account, row.conid, row)
        if row.cancels:
            self._cancel(row, book)
            return
        exec_id = row.exec_id or self._id_of(row, book)
        known = book.bookings.get(exec_id)
        booking = Booking(row.line, row.trade_id, row.transaction_id, _content(row))
        if known is not None and not known.followed_by(booking):
            self.aside.append(Aside(row, "repeated" if known.content == booking.content else "disputed"))
            return
        book.bookings[exec_id] = booking
        if carries(row):
            assert row.executed_at is not None  # noqa: S101
            assert row.quantity is not None  # noqa: S101
            book.carried.append(Carried(row.executed_at.at, row.quantity, row.cost, row))
        else:
            book.reports.append(report_of(row, exec_id))

    def _cancel(self, row: Trade, book: StatementBook) -> None:
        """Report what ``row`` takes back as a revision with no quantity; its commission is a difference.

        A booking that follows, with the same id or a correction's, counts.
        """
        cancel_id = self._id_of(row, book)
        if cancel_id in book.bookings:
            self.aside.append(Aside(row, "repeated"))
            return
        exec_id = _cancelled_by(row, book)
        if exec_id is None:
            self.aside.append(Aside(row, "cancels_what_is_not_here"))
            return
        book.bookings[exec_id] = book.bookings[exec_id]._replace(cancelled=True)
        book.bookings[cancel_id] = Booking(row.line, "", row.transaction_id, _content(row))
        base_id, revision = split_exec_id(exec_id)
        taken_back = report_of(row, cancel_id)
        book.reports.append(taken_back._replace(base_id=base_id, revision=revision, quantity=ZERO))

    def _id_of(self, row: Trade, book: StatementBook) -> str:
        """An id for what the broker booked without one: the same for the same row in whichever statement.

        Of several rows with the same content each is one trade, unless they bear one transaction's number.
        """
        content = booked_id(row, 0)
        twins = self._twins.get(content, 0)
        for ordinal in range(twins):
            exec_id = booked_id(row, ordinal)
            known = book.bookings.get(exec_id)
            if row.transaction_id and known and known.transaction_id == row.transaction_id:
                return exec_id
        self._twins[content] = twins + 1
        return booked_id(row, twins)


def books_of(rows: Iterable[Trade]) -> StatementBooks:
    """Sort trade rows into books, ready for ``effective_fills`` and ``fold_book``."""
    books = StatementBooks()
    for row in rows:
        books.add(row)
    return books


def report_of(row: Trade, exec_id: str) -> Report:
    """An execution as the ledger takes it. ``row`` has a time, a quantity and a price.

    A commission that Flex leaves empty is unknown, not zero.
    """
    assert row.executed_at is not None  # noqa: S101 - the callers see to it, for all three
    assert row.quantity is not None  # noqa: S101
    assert row.price is not None  # noqa: S101
    base_id, revision = split_exec_id(exec_id)
    return Report(
        row.executed_at.at,
        base_id,
        revision,
        exec_id,
        row.quantity,
        row.price,
        row.commission,
        row.commission_currency or row.currency,
    )


def booked_id(row: Trade, ordinal: int) -> str:
    """The id of a row without an execution's: a function of what it says.

    ``ordinal`` tells rows apart that say the same. Neither ``tradeID`` nor ``transactionID`` is in it: a
    query may leave these columns out, and then the same trade would get another id.
    """
    at = row.executed_at
    said = (
        row.account,
        str(row.conid),
        at.at.isoformat() if at else "",
        row.transaction_type,
        plain(row.quantity or ZERO),
        plain(row.price or ZERO),
        str(ordinal),
    )
    return f"flex-{uuid.uuid5(NAMESPACE, 'statement-trade/' + '/'.join(said))}"


def carries(row: Trade) -> bool:
    """Whether options left by exercise or assignment, taking their cost with them.

    Where something was realized they did not: an option that settles in cash, or expires among others.
    """
    if row.price or row.stated_realized_pnl or _CARRYING.isdisjoint(row.codes):
        return False
    return bool(row.right) or row.asset_category in _OPTIONS


def opening_of(row: Trade, just_before: datetime) -> Anchor | None:
    """What must have been held for ``row`` to close it, by the cost that the row states.

    ``None`` for a row that does not only close, or states no cost. The cost has the opening's commission in
    it, as the broker's average cost.
    """
    if row.open_close != "C" or row.cost is None or not row.quantity:
        return None
    return Anchor(just_before, -row.quantity, per_unit(row.cost, row.quantity))


def price_magnifier(row: Trade) -> int:
    """How much of its money's unit one unit of its price is: 100 where prices are in cents or percent.

    Concluded from the trade's money, which Flex states beside price and quantity; 1 where that says nothing.
    """
    if not (row.price and row.quantity and row.multiplier and row.trade_money):
        return 1
    value = EXACT.multiply(EXACT.multiply(row.quantity, row.price), row.multiplier)
    ratio = abs(EXACT.divide(value, row.trade_money))
    nearest = min(_MAGNIFIERS, key=lambda one: abs(EXACT.divide(ratio, one) - 1))
    return int(nearest)


def _not_foldable(row: Trade) -> Reason | None:
    """The first reason why a row is no fill of a position's ledger; ``None`` for one that is."""
    reasons: tuple[tuple[bool, Reason], ...] = (
        (row.detail != "execution", "not_an_execution"),
        (not row.account, "no_account"),
        (row.asset_category == "CASH", "currency_trade"),
        (row.conid == COMBO_CONID or row.asset_category == "BAG", "combo"),
        (row.conid is None, "no_instrument"),
        (row.quantity is None, "no_quantity"),
        (row.price is None, "no_price"),
        (row.executed_at is None, "no_time"),
        (not row.multiplier and row.asset_category not in _UNIT_PRICED, "no_multiplier"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _cancelled_by(row: Trade, book: StatementBook) -> str | None:
    """The id of what ``row`` takes back.

    It names the trade by its number, which several executions may have: quantity and price must fit, too.
    """
    number = row.orig_trade_id or row.trade_id
    taken = ZERO - (row.quantity or ZERO), row.price
    for exec_id, booking in book.bookings.items():
        content = booking.content
        fits = number and booking.trade_id == number and (content.quantity, content.price) == taken
        if fits and not booking.cancelled:
            return exec_id
    return None


def _content(row: Trade) -> Content:
    return Content(
        row.currency,
        row.executed_at,
        row.quantity,
        row.price,
        row.multiplier,
        row.commission,
        row.commission_currency,
    )
