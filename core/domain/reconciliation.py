"""Whether a book agrees with the broker, as pure questions about a stored book.

The broker is the authority on what is held. Its position and execution callbacks come in no fixed order, so a
difference counts only once both have been quiet for a while and the broker has spoken after the last fill.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Literal, NamedTuple

from core.domain.books import Book
from core.domain.money import ZERO

QuantityKind = Literal["quantity_mismatch", "missing_local", "missing_broker"]
DifferenceKind = Literal[
    "quantity_mismatch", "cost_mismatch", "missing_local", "missing_broker", "provisional"
]
ComparisonKind = Literal[
    "matched", "quantity_mismatch", "cost_mismatch", "missing_local", "missing_broker", "provisional"
]
"""What comparing one book comes to: exactly one of these."""

COST_LEEWAY = Decimal("0.01")
"""On a whole position: what two ways of rounding to cents may differ by."""

UNIT_COST_LEEWAY = Decimal("0.0000001")
"""On each unit: IBKR's average cost is a quotient, sent with seven decimals (``201.8829709``)."""


class Verdict(Enum):
    """Whether a book can be compared with the broker's last word, and what that comes to."""

    UNKNOWN = "the broker has not spoken of it"
    UNSETTLED = "something came in a moment ago: ask again"
    OUTDATED = "the broker has not spoken since the last fill: its next word will tell"
    MATCHED = "equal"
    DIFFERENT = "not equal, and nothing more is on its way"


class Candidate(NamedTuple):
    """A book to compare, what its open position cost in all, whether that may still change, and of what."""

    book: Book
    cost: Decimal | None
    provisional: bool
    sec_type: str


def judge(book: Book, known_until: datetime | None, settle: timedelta) -> Verdict:
    """Compare a book's quantity with the broker's last word.

    ``known_until``: all that was told before is applied; ``None``: nobody can say that of any time.
    """
    if book.broker_quantity is None or book.broker_as_of is None:
        return Verdict.UNKNOWN
    if book.touched_at is not None and (known_until is None or known_until - book.touched_at < settle):
        return Verdict.UNSETTLED
    if book.quantity == book.broker_quantity:
        return Verdict.MATCHED
    return Verdict.DIFFERENT if covers(book) else Verdict.OUTDATED


def covers(book: Book) -> bool:
    """Whether the broker's last word came after the last fill, so that the one can be held to the other."""
    if book.broker_as_of is None:
        return False
    return book.last_executed_at is None or book.last_executed_at <= book.broker_as_of


def is_settled(book: Book) -> bool:
    """Whether the book was found equal after all that came in, so that its anchor has proved right."""
    if book.first_anchor_at is None or book.reconciled_at is None:
        return False
    return book.touched_at is None or book.reconciled_at >= book.touched_at


def difference_kind(ours: Decimal, brokers: Decimal) -> QuantityKind:
    """How to call a difference in quantity."""
    if ours == ZERO:
        return "missing_local"
    return "missing_broker" if brokers == ZERO else "quantity_mismatch"


def costs_agree(quantity: Decimal, cost: Decimal, average_cost: Decimal) -> bool:
    """Whether a position's ``cost`` is what the broker's ``average_cost`` makes it.

    The broker tells no total, only a quotient per unit. So both are compared on the whole position, where a
    cent is the smallest amount that anybody pays, and what the quotient lost in rounding is granted per unit:
    with it 10,000,000 shares may be a whole unit of currency apart, which a comparison per unit would allow
    a hundred shares.
    """
    return abs(cost - average_cost * quantity) <= COST_LEEWAY + UNIT_COST_LEEWAY * abs(quantity)


def cost_kind(candidate: Candidate) -> Literal["matched", "cost_mismatch", "provisional"]:
    """What comparing the costs of a book whose quantity is the broker's comes to.

    They are compared only where both are known and the broker spoke after the last fill. Of a currency they
    are never: IBKR realizes nothing on one, and charges in another currency than the trade's.
    """
    book, cost, provisional, sec_type = candidate
    if sec_type == "CASH":
        return "matched"
    if cost is None or book.broker_average_cost is None or not book.quantity or not covers(book):
        return "matched"
    if costs_agree(book.quantity, cost, book.broker_average_cost):
        return "matched"
    return "provisional" if provisional else "cost_mismatch"
