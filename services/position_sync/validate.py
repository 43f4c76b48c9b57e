"""Prove that the stored ledger is what a fresh fold of its facts gives."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from core.domain.books import BookKey
from models.session import Database
from services.position_sync.examine import RowDifference
from services.position_sync.rebuild import EXECUTIONS_AT_ONCE, Progress, examine_all


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
