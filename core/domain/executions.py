"""Executions (fills) and the identity IBKR gives them."""

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
