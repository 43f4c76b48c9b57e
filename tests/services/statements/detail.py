"""Of rows that tell the same twice, once each and once summed, those that count."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from services.statements.rows import Statement


class Detailed(Protocol):
    """A row of a section that a query can ask for at several levels of detail."""

    @property
    def statement(self) -> Statement | None:
        """The statement that it is part of."""

    @property
    def account(self) -> str:
        """Whose row it is."""

    @property
    def is_summary(self) -> bool:
        """Whether rows of more detail say the same."""


Line = TypeVar("Line", bound=Detailed)


def finest(rows: Iterable[Line]) -> list[Line]:
    """The rows of one section that count: sums only of an account of which a statement has nothing finer."""
    kept = list(rows)
    itemized = {_whose(row) for row in kept if not row.is_summary}
    return [row for row in kept if not row.is_summary or _whose(row) not in itemized]


def _whose(row: Detailed) -> tuple[int | None, str]:
    return (row.statement.line if row.statement else None), row.account
