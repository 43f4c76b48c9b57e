"""Rows as the contract spells them."""

from decimal import Decimal
from typing import Any, Protocol

from core.domain.money import plain


class Row(Protocol):
    """A named tuple of a query."""

    def _asdict(self) -> dict[str, Any]: ...


def spelled(row: Row, *but: str) -> dict[str, Any]:
    """The row's fields with amounts as text, without those in ``but``."""
    return {
        name: plain(value) if isinstance(value, Decimal) else value
        for name, value in row._asdict().items()
        if name not in but
    }
