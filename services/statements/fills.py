"""Trade rows to what the ledger folds: one book for each account and instrument.

Nothing is dropped: a row that is no fill of a position's ledger is kept aside with the reason.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

from core.domain.books import BookKey
from core.domain.executions import split_exec_id
from core.domain.fills import Report
from core.domain.instruments import COMBO_CONID
from core.domain.lifecycle import NAMESPACE, Anchor
from core.domain.money import ZERO, plain
from core.domain.pnl import EXACT, per_unit
from services.statements.rows import Trade

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
    "cancellation",
    "repeated",
    "disputed",
]
"""Why a row is kept aside.

A currency trade changes balances, not a position with a cost; a combo's legs are the fills; ``disputed`` has
an id that an earlier row has with other content: the first stays.
"""

_CARRYING: Final = frozenset({"A", "Ex", "AEx", "MEx", "GEA"})
"""Codes of assignments and exercises (IBKR's Reporting Guide, "Codes"); GEA may be an expiration as well."""

_OPTIONS: Final = frozenset({"OPT", "FOP", "FSFOP", "WAR", "IOPT"})
_UNIT_PRICED: Final = frozenset({"STK", "FUND"})
_CANCELLED: Final = "Ca"
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
        self.rows: dict[str, Trade] = {}

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
        exec_id = row.exec_id or self._id_of(row, book)
        known = book.rows.get(exec_id)
        if known is not None:
            self.aside.append(Aside(row, "repeated" if _same(known, row) else "disputed"))
            return
        book.rows[exec_id] = row
        if carries(row):
            assert row.executed_at is not None  # noqa: S101
            assert row.quantity is not None  # noqa: S101
            book.carried.append(Carried(row.executed_at.at, row.quantity, row.cost, row))
        else:
            book.reports.append(report_of(row, exec_id))

    def _id_of(self, row: Trade, book: StatementBook) -> str:
        """An id for what the broker booked without one: the same for the same row in whichever statement.

        Of several rows with the same content each is one trade, unless they bear one transaction's number.
        """
        content = booked_id(row, 0)
        twins = self._twins.get(content, 0)
        for ordinal in range(twins):
            exec_id = booked_id(row, ordinal)
            if row.transaction_id and book.rows[exec_id].transaction_id == row.transaction_id:
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
        (_CANCELLED in row.codes or row.transaction_type == "TradeCancel", "cancellation"),
        (row.quantity is None, "no_quantity"),
        (row.price is None, "no_price"),
        (row.executed_at is None, "no_time"),
        (not row.multiplier and row.asset_category not in _UNIT_PRICED, "no_multiplier"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _same(one: Trade, other: Trade) -> bool:
    """Whether two rows with the same id say the same, as far as the ledger is concerned."""
    return _content(one) == _content(other)


def _content(row: Trade) -> tuple[object, ...]:
    return (
        row.currency,
        row.executed_at,
        row.quantity,
        row.price,
        row.multiplier,
        row.stated_commission,
        row.commission_currency,
    )
