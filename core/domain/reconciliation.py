"""Whether a book agrees with the broker, as pure questions about a stored book.

The broker is the authority on what is held. Its position and execution callbacks come in no fixed order, so a
difference counts only once both have been quiet for a while and the broker has spoken after the last fill.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Literal

from core.domain.books import Book
from core.domain.money import ZERO

DifferenceKind = Literal["quantity_mismatch", "missing_local", "missing_broker"]


class Verdict(Enum):
    """What comparing a book with the broker's last word comes to."""

    UNKNOWN = "the broker has not spoken of it"
    UNSETTLED = "something came in a moment ago: ask again"
    OUTDATED = "the broker has not spoken since the last fill: its next word will tell"
    MATCHED = "equal"
    DIFFERENT = "not equal, and nothing more is on its way"


def judge(book: Book, now: datetime, settle: timedelta) -> Verdict:
    """Compare a book with the broker's last word."""
    if book.broker_quantity is None or book.broker_as_of is None:
        return Verdict.UNKNOWN
    if book.touched_at is not None and now - book.touched_at < settle:
        return Verdict.UNSETTLED
    if book.quantity == book.broker_quantity:
        return Verdict.MATCHED
    return Verdict.DIFFERENT if covers(book) else Verdict.OUTDATED


def covers(book: Book) -> bool:
    """Whether the broker's last word came after the last fill, so that the one can be held to the other."""
    if book.broker_as_of is None:
        return False
    return book.last_executed_at is None or book.last_executed_at <= book.broker_as_of


def difference_kind(ours: Decimal, brokers: Decimal) -> DifferenceKind:
    """How to call a difference in quantity."""
    if ours == ZERO:
        return "missing_local"
    return "missing_broker" if brokers == ZERO else "quantity_mismatch"
