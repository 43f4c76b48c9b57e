"""Comparisons with the broker as they are listed, and the differences they found."""

from datetime import datetime
from decimal import Decimal
from operator import eq, lt
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Select, and_, literal_column, not_, select, text, true

from core.domain.episodes import Cause
from core.domain.reconciliation import ComparisonKind, DifferenceKind
from models.queries.narrowing import narrowed
from models.session import Reader
from models.tables import instruments, positions, reconciliation_differences, reconciliations

DifferenceStatus: TypeAlias = Literal["open", "acknowledged", "resolved"]
"""``open``: it wants attention; ``acknowledged``: somebody knows of it as it is; ``resolved``: it is gone."""

DifferenceChoice: TypeAlias = Literal["open", "acknowledged", "resolved", "all"]


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
    """A difference with its instrument, and the newest position of its book.

    What somebody said of it was said of ``acknowledged_ours`` and ``acknowledged_brokers``, and counts until
    ``acknowledgement_ended_at``.
    """

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
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    acknowledged_ours: Decimal | None
    acknowledged_brokers: Decimal | None
    acknowledgement_ended_at: datetime | None
    position_id: UUID | None

    @property
    def status(self) -> DifferenceStatus:
        """Where it stands."""
        if self.resolved_at is not None:
            return "resolved"
        is_known = self.acknowledged_at is not None and self.acknowledgement_ended_at is None
        return "acknowledged" if is_known else "open"


_table: Final = reconciliation_differences.c
_STANDS: Final = _table.resolved_at.is_(None)
IS_KNOWN: Final = "(acknowledged_at IS NOT NULL AND acknowledgement_ended_at IS NULL)"
"""Whether somebody knows of a difference as it is, in SQL."""

_IS_KNOWN: Final = literal_column(IS_KNOWN, Boolean)
_STATUS: Final[dict[DifferenceChoice, ColumnElement[bool]]] = {
    "open": and_(_STANDS, not_(_IS_KNOWN)),
    "acknowledged": and_(_STANDS, _IS_KNOWN),
    "resolved": _table.resolved_at.is_not(None),
    "all": true(),
}


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


# The last one of an account that is compared no longer would say nothing of the others.
_compared_at = text(
    "SELECT CASE WHEN count(*) = count(n.at) THEN min(n.at) END FROM broker_accounts b "
    "LEFT JOIN LATERAL (SELECT coalesce(r.finished_at, r.started_at) AS at FROM reconciliations r "
    "WHERE r.account = b.account ORDER BY r.id DESC LIMIT 1) n ON true "
    "WHERE b.listed AND b.account = coalesce(CAST(:account AS text), b.account)"
)


async def compared_at(reader: Reader, account: str | None = None) -> datetime | None:
    """When every account of the login had been compared: the oldest of the newest comparison of each.

    ``None`` while one of them was never compared, or there is none.
    """
    found: datetime | None = (await reader.execute(_compared_at, {"account": account})).scalar_one()
    return found


async def differences_page(
    reader: Reader,
    *,
    status: DifferenceChoice | Literal["standing"],
    account: str | None = None,
    conid: int | None = None,
    symbol: str | None = None,
    kind: DifferenceKind | None = None,
    after: int | None = None,
    limit: int,
) -> list[DifferenceRow]:
    """At most ``limit`` differences before the number ``after``, newest first; ``standing``: not resolved."""
    query = _described().order_by(_table.id.desc()).limit(limit)
    query = query.where(_STANDS if status == "standing" else _STATUS[status])
    query = narrowed(
        query,
        (_table.account, eq, account),
        (_table.conid, eq, conid),
        (instruments.c.symbol, eq, symbol),
        (_table.kind, eq, kind),
        (_table.id, lt, after),
    )
    return [DifferenceRow._make(row) for row in await reader.execute(query)]


async def difference_by_id(reader: Reader, difference_id: int) -> DifferenceRow | None:
    """One difference, or ``None``."""
    row = (await reader.execute(_described().where(_table.id == difference_id))).one_or_none()
    return None if row is None else DifferenceRow._make(row)


def _described() -> Select[Any]:
    instrument = instruments.c
    newest = (
        select(positions.c.id)
        .where(positions.c.account == _table.account, positions.c.conid == _table.conid)
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
    return select(
        *(described[name] if name in described else _table[name] for name in DifferenceRow._fields)
    ).select_from(reconciliation_differences.join(instruments, instrument.conid == _table.conid))
