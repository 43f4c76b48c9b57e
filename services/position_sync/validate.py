"""Prove that the stored ledger is what a fresh fold of its facts gives, and hold it to the broker's word."""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from core.domain.books import BookKey
from models.queries.realized_differences import (
    DifferingFill,
    FillKey,
    RealizedTotal,
    differing_fills,
    realized_days,
    realized_totals,
)
from models.queries.sync import DeadRow, dead_by_category
from models.queries.validation import Awaited, StandingOpen, awaited_commissions, open_by_kind
from models.session import Database, Reader
from services.position_sync.examine import RowDifference
from services.position_sync.rebuild import EXECUTIONS_AT_ONCE, Progress, examine_all

WRONG_KINDS = frozenset({"quantity_mismatch", "missing_local", "missing_broker"})
"""Differences in what is held. A cost that differs, or is provisional, is told and is no failure."""
_FILLS_A_PAGE = 1_000


@dataclass(slots=True)
class LedgerFound:
    """What comparing every stored row with a fresh fold came to."""

    books: int = 0
    executions: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    """How many rows of each table were compared."""
    differing: set[BookKey] = field(default_factory=set)
    differences: Counter[str] = field(default_factory=Counter)
    """Differing fields, and rows too many or too few, by table."""
    waiting: list[BookKey] = field(default_factory=list)
    """Books that are to be folded again anyhow, so that nothing there can be called wrong yet."""


async def validate_ledger(
    database: Database,
    report: Callable[[RowDifference], None] | None = None,
    *,
    account: str | None = None,
    progress: Progress | None = None,
    executions_at_once: int = EXECUTIONS_AT_ONCE,
) -> LedgerFound:
    """Compare every stored row (of ``account``) with a fresh fold, bit for bit; ``report`` hears it.

    Reads only, each batch of books at one moment, so that what workers write meanwhile disturbs nothing.
    """
    found = LedgerFound()
    async for examined, total in examine_all(database, account, executions_at_once):
        found.books += len(examined.books)
        found.executions += examined.executions
        for table, lines in examined.stored.items():
            found.rows[table] += len(lines)
        found.waiting.extend(sorted(examined.waiting))
        for one in examined.differences():
            key = (one.account, one.conid)
            if key in examined.waiting:
                continue
            found.differing.add(key)
            found.differences[one.table] += 1
            if report is not None:
                report(one)
        if progress is not None:
            progress(found.executions, total)
    return found


class BrokerFound(NamedTuple):
    """Our figures against the broker's own, and what is still open between us."""

    totals: list[RealizedTotal]
    largest: list[DifferingFill]
    """The fills whose figures are furthest apart."""
    days: list[tuple[str, RealizedTotal]]
    open_differences: list[StandingOpen]
    awaited_commissions: list[Awaited]
    dead_facts: list[DeadRow]

    @property
    def differs(self) -> bool:
        """Whether something is wrong, not merely unknown, awaited or an estimate."""
        return any(total.differing > total.estimated for total in self.totals) or any(
            one.kind in WRONG_KINDS and one.books for one in self.open_differences
        )


async def compare_with_broker(
    database: Database, *, account: str | None = None, largest: int = 20, by_day: bool = False
) -> BrokerFound:
    """Hold what is stored to what the broker said, all at one moment. Dead facts are those of everyone."""
    async with database.read_one_moment() as reader:
        return BrokerFound(
            await realized_totals(reader, account=account),
            await _largest(reader, account, largest),
            await realized_days(reader, account=account) if by_day else [],
            await open_by_kind(reader, account),
            await awaited_commissions(reader, account),
            await dead_by_category(reader),
        )


async def _largest(reader: Reader, account: str | None, most: int) -> list[DifferingFill]:
    found: list[DifferingFill] = []
    after: FillKey | None = None
    while True:
        page = await differing_fills(reader, account=account, after=after, limit=_FILLS_A_PAGE)
        found = heapq.nlargest(most, [*found, *page], key=lambda fill: abs(fill.difference))
        if len(page) < _FILLS_A_PAGE:
            return found
        after = FillKey(page[-1].executed_at, page[-1].exec_id)
