"""Comparisons with the broker as they are listed, and the differences they found."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import select

from core.domain.episodes import Cause
from core.domain.reconciliation import ComparisonKind, DifferenceKind
from models.session import Reader
from models.tables import instruments, positions, reconciliation_differences, reconciliations

DifferenceStatus = Literal["open", "resolved", "all"]


class ComparisonRow(NamedTuple):
    """One comparison of an account. ``counts``: its books by what comparing them came to."""

    id: int
    account: str
    started_at: datetime
    finished_at: datetime | None
    trigger: str
    checked: int
    differences: int
    counts: dict[ComparisonKind, int]


class DifferenceRow(NamedTuple):
    """A difference with its instrument, and the newest position of its book."""

    id: int
    account: str
    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
    currency: str
    kind: DifferenceKind
    cause: Cause | None
    inferred: bool
    ours: Decimal | None
    brokers: Decimal | None
    since: datetime
    resolved_at: datetime | None
    position_id: UUID | None


async def comparisons_page(
    reader: Reader, *, account: str | None = None, after: int | None = None, limit: int
) -> list[ComparisonRow]:
    """At most ``limit`` comparisons before the number ``after``, newest first."""
    table = reconciliations.c
    query = select(*(table[name] for name in ComparisonRow._fields)).order_by(table.id.desc()).limit(limit)
    if account is not None:
        query = query.where(table.account == account)
    if after is not None:
        query = query.where(table.id < after)
    return [ComparisonRow._make(row) for row in await reader.execute(query)]


async def differences_page(
    reader: Reader,
    *,
    status: DifferenceStatus,
    account: str | None = None,
    conid: int | None = None,
    symbol: str | None = None,
    kind: DifferenceKind | None = None,
    after: int | None = None,
    limit: int,
) -> list[DifferenceRow]:
    """At most ``limit`` differences before the number ``after``, newest first."""
    table, instrument = reconciliation_differences.c, instruments.c
    newest = (
        select(positions.c.id)
        .where(positions.c.account == table.account, positions.c.conid == table.conid)
        .order_by(positions.c.ordinal.desc())
        .limit(1)
        .correlate(reconciliation_differences)
        .scalar_subquery()
        .label("position_id")
    )
    described = {
        **{name: instrument[name] for name in ("symbol", "local_symbol", "sec_type", "currency")},
        "position_id": newest,
    }
    query = (
        select(*(described[name] if name in described else table[name] for name in DifferenceRow._fields))
        .select_from(reconciliation_differences.join(instruments, instrument.conid == table.conid))
        .order_by(table.id.desc())
        .limit(limit)
    )
    if status != "all":
        query = query.where(
            table.resolved_at.is_(None) if status == "open" else table.resolved_at.is_not(None)
        )
    for column, value in (
        (table.account, account),
        (table.conid, conid),
        (instrument.symbol, symbol),
        (table.kind, kind),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(table.id < after)
    return [DifferenceRow._make(row) for row in await reader.execute(query)]
