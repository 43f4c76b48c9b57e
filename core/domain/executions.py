"""Executions (fills) and the identity IBKR gives them."""

from decimal import Decimal
from typing import Literal

Side = Literal["BOT", "SLD"]


def split_exec_id(exec_id: str) -> tuple[str, int]:
    """Split an execution id into what stays the same under correction, and the revision.

    IBKR sends a correction as a new execution whose id differs from the earlier one only in the digits after
    the last dot; the highest revision counts. An id without a numeric last part has revision 0.

    >>> split_exec_id("0000e0d5.69cbfe2a.01.02")
    ('0000e0d5.69cbfe2a.01', 2)
    """
    base, dot, revision = exec_id.rpartition(".")
    if not dot or not (revision.isascii() and revision.isdigit()):
        return exec_id, 0
    return base, int(revision)


def has_quantity(exec_id: str, quantity: Decimal) -> bool:
    """Whether an execution may report ``quantity`` (unsigned): zero only as a correction, which cancels it.

    >>> has_quantity("0000e0d5.69cb.01.01", Decimal(0)), has_quantity("0000e0d5.69cb.01.02", Decimal(0))
    (False, True)
    """
    return quantity > 0 or (quantity == 0 and split_exec_id(exec_id)[1] > 1)
