"""Compare an account with its statements, and list what was found."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from operator import eq, ge, lt
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text, tuple_

from core.domain.disputes import DisputeCause, DisputeKind
from models.queries.disputes.holdings import HOLDINGS
from models.queries.disputes.sums import CASH, CHANGES, VALUES
from models.queries.disputes.trades import DISPUTED, EVENTS, LOTS, REALIZED
from models.queries.narrowing import narrowed
from models.queries.performance import base_currency_of
from models.session import Reader
from models.tables import instruments, statement_comparisons, statement_differences

COMPARED: Final = (DISPUTED, REALIZED, EVENTS, LOTS, HOLDINGS, CASH, VALUES, CHANGES)
"""The queries, each of which needs ``:account`` and ``:base``, its base currency."""

_found = [
    text(
        "SELECT c.day, c.kind, c.cause, c.conid, c.currency, c.reference, trim_scale(c.ours), "  # noqa: S608 - constants of this program's own
        f"trim_scale(c.stated), c.import_id, c.line, n.symbol FROM ({query}) c "
        "LEFT JOIN instruments n USING (conid) WHERE c.differs "
        "AND (CAST(:import_id AS bigint) IS NULL OR c.import_id = :import_id) "
        "ORDER BY c.day, c.kind, c.line, c.reference, c.conid"
    )
    for query in COMPARED
]
_counted = [
    text(
        f"SELECT c.kind, count(*) AS figures FROM ({query}) c "  # noqa: S608 - as above
        "WHERE CAST(:import_id AS bigint) IS NULL OR c.import_id = :import_id GROUP BY c.kind"
    )
    for query in COMPARED
]
_TELLING = (
    *("stated_trades", "stated_positions", "corporate_actions"),
    *("cash_balances WHERE source = 'statement'", "stated_values", "stated_changes"),
)
_accounts = text(
    " UNION ".join(f"SELECT account FROM {name}" for name in _TELLING) + " ORDER BY account"  # noqa: S608 - as above
)


class Found(NamedTuple):
    """Where a statement says something else. Amounts are in ``currency``; ``ours`` is ``None``: unknown."""

    day: date
    kind: DisputeKind
    cause: DisputeCause
    conid: int | None
    currency: str
    reference: str
    ours: Decimal | None
    stated: Decimal
    import_id: int
    line: int
    symbol: str | None


class DifferenceKey(NamedTuple):
    """Where a difference stands in the list: newest day first."""

    day: date
    id: UUID


class StatedDifference(NamedTuple):
    """A difference as the last comparison found it."""

    id: UUID
    account: str
    day: date
    kind: DisputeKind
    cause: DisputeCause
    conid: int | None
    symbol: str | None
    currency: str
    reference: str
    ours: Decimal | None
    stated: Decimal
    import_id: int
    line: int
    found_at: datetime


async def stated_accounts(reader: Reader) -> list[str]:
    """The accounts that statements tell anything of."""
    return [row.account for row in await reader.execute(_accounts)]


async def differences_found(
    reader: Reader, account: str, import_id: int | None = None
) -> AsyncIterator[Found]:
    """Compare now, all at one moment if the reader is of one; what is found is streamed."""
    base = await base_currency_of(reader, account)
    for query in _found:
        async with reader.stream(query, {"account": account, "base": base, "import_id": import_id}) as rows:
            async for row in rows:
                yield Found(*row)


async def figures_compared(reader: Reader, account: str, import_id: int | None = None) -> Counter[str]:
    """How many figures of each kind there are to be compared."""
    base = await base_currency_of(reader, account)
    counts: Counter[str] = Counter()
    for query in _counted:
        rows = await reader.execute(query, {"account": account, "base": base, "import_id": import_id})
        for row in rows:
            counts[row.kind] += row.figures
    return counts


async def differences_page(
    reader: Reader,
    *,
    account: str | None = None,
    import_id: int | None = None,
    kind: DisputeKind | None = None,
    cause: DisputeCause | None = None,
    since: date | None = None,
    until: date | None = None,
    after: DifferenceKey | None = None,
    limit: int,
) -> list[StatedDifference]:
    """At most ``limit`` differences of the last comparison after ``after``, newest day first."""
    table = statement_differences.c
    query = (
        select(
            *(instruments.c.symbol if name == "symbol" else table[name] for name in StatedDifference._fields)
        )
        .select_from(statement_differences.outerjoin(instruments, instruments.c.conid == table.conid))
        .order_by(table.day.desc(), table.id.desc())
        .limit(limit)
    )
    query = narrowed(
        query,
        (table.account, eq, account),
        (table.import_id, eq, import_id),
        (table.kind, eq, kind),
        (table.cause, eq, cause),
        (table.day, ge, since),
        (table.day, lt, until),
        (tuple_(table.day, table.id), lt, after),
    )
    return [StatedDifference._make(row) for row in await reader.execute(query)]


async def difference_counts(
    reader: Reader, *, import_id: int | None = None
) -> list[tuple[DisputeKind, DisputeCause, int]]:
    """How many differences of each kind and cause stand, in all or of one import."""
    table = statement_differences.c
    query = (
        select(table.kind, table.cause, func.count())
        .group_by(table.kind, table.cause)
        .order_by(table.kind, table.cause)
    )
    if import_id is not None:
        query = query.where(table.import_id == import_id)
    return [(row[0], row[1], row[2]) for row in await reader.execute(query)]


async def compared_at(reader: Reader, account: str | None = None) -> datetime | None:
    """When an account, or the one of all whose turn is longest ago, was last compared."""
    query = select(func.min(statement_comparisons.c.compared_at))
    if account is not None:
        query = query.where(statement_comparisons.c.account == account)
    moment: datetime | None = (await reader.execute(query)).scalar_one()
    return moment
