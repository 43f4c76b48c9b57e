"""What a statement tells both as a whole and in parts: only one of the two may count."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec.structs import replace

from core.domain.stated import (
    Ignored,
    StatedBalance,
    StatedCashFlow,
    StatedChange,
    StatedPosition,
    StatedValue,
    Statement,
    passed_over,
)
from services.statements.rows import Owned
from services.statements.values import said

Summed: TypeAlias = StatedPosition | StatedBalance | StatedValue | StatedChange
Key: TypeAlias = tuple[object, ...]

_FIGURES: Final[dict[type[Summed], tuple[str, ...]]] = {
    StatedPosition: ("quantity", "cost", "market_value", "unrealized_pnl"),
    StatedBalance: (
        *("cash", "settled_cash", "starting_cash"),
        *("trades", "commissions", "futures", "flows"),
    ),
    StatedValue: (
        *("net_liquidation", "cash", "stock", "options", "bonds", "funds", "accruals"),
        *("dividend_accruals", "other", "gross"),
    ),
    StatedChange: ("starting", "ending", "contribution", "gain"),
}


class Itemized:
    """Flows that a query can ask for one by one and summed: sums wait until it is clear that they are all.

    An account of which a statement has something finer needs none of its sums.
    """

    def __init__(self) -> None:
        self._itemized: set[tuple[str, str]] = set()
        self._waiting: list[tuple[tuple[str, str], StatedCashFlow]] = []

    def state(self, flow: StatedCashFlow, kind: str, *, is_summary: bool) -> Iterable[Statement]:
        """The flow, unless it has to wait; ``kind`` is what has levels of detail of its own."""
        key = kind, flow.account
        if not is_summary:
            self._itemized.add(key)
            return (flow,)
        if key in self._itemized:
            return (_told(flow),)
        self._waiting.append((key, flow))
        return ()

    def close(self) -> Iterator[Statement]:
        """The sums of what nothing finer was told of."""
        for key, flow in self._waiting:
            yield _told(flow) if key in self._itemized else flow
        self._waiting.clear()
        self._itemized.clear()


class Wholes:
    """Holdings, balances and values that come whole, or in parts: lots, or models of one account.

    The models of an account are told apart in rows of their own, and nothing tells their sum. Lots tell a
    position again that is also told as a whole, if a query asks for both.
    """

    def __init__(self) -> None:
        self._told: set[Key] = set()
        self._parts: dict[Key, Summed] = {}
        self._lots: dict[Key, list[Summed]] = {}

    def state(self, record: Summed, key: Key, row: Owned) -> Iterable[Statement]:
        """What is whole; what is of one model waits for the others."""
        if _is_of_a_model(row):
            self._parts[key] = _sum([self._parts[key], record]) if key in self._parts else record
            return ()
        if key in self._told:
            return (_told(record),)
        self._told.add(key)
        return (record,)

    def lot(self, record: Summed, key: Key) -> Iterable[Statement]:
        """A part of what may be told as a whole as well."""
        if key in self._told or key in self._parts:
            return (_told(record),)
        self._lots.setdefault(key, []).append(record)
        return ()

    def close(self) -> Iterator[Statement]:
        """The sums of what was told in parts alone."""
        for key, record in self._parts.items():
            yield _told(record) if key in self._told else record
        for key, lots in self._lots.items():
            if key in self._told or key in self._parts:
                yield from map(_told, lots)
            else:
                yield _sum(lots)
        self._told.clear()
        self._parts.clear()
        self._lots.clear()


def _is_of_a_model(row: Owned) -> bool:
    return "model" in row.names and bool(said(row.attributes["model"]))


def _sum(parts: Sequence[Summed]) -> Summed:
    """The parts taken together, at the place of the first. What is unknown of one is unknown of all."""
    first = parts[0]
    figures: dict[str, Decimal | None] = {}
    for name in _FIGURES[type(first)]:
        amounts = [getattr(one, name) for one in parts]
        figures[name] = None if None in amounts else sum(amounts, Decimal(0))
    return replace(first, **figures)


def _told(record: Summed | StatedCashFlow) -> Ignored:
    return passed_over(record, record.account, "summary_of_other_rows")
