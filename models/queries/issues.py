"""The inbox of issues, and when the rules were last looked at."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import eq, lt
from typing import Any, Literal, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, and_, func, select, true

from core.domain.rules import Severity
from models.queries.narrowing import narrowed
from models.session import Reader, Writer
from models.tables import issues, rule_checks

IssueStatus: TypeAlias = Literal["open", "acknowledged", "resolved"]
"""``open``: it wants attention; ``acknowledged``: somebody knows of it; ``resolved``: it is found no more."""

IssueChoice: TypeAlias = Literal["open", "acknowledged", "resolved", "all"]


class IssueRow(NamedTuple):
    """Something that a rule found."""

    id: int
    rule: str
    severity: Severity
    account: str | None
    subject: str
    summary: str
    details: dict[str, Any]
    about_at: datetime | None
    first_seen: datetime
    opened_at: datetime
    last_seen: datetime
    times_seen: int
    reopened: int
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None

    @property
    def status(self) -> IssueStatus:
        """Where it stands."""
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"


class CheckRow(NamedTuple):
    """When a rule was last looked at, how long that took and how much was found; ``error``: why it failed."""

    rule: str
    looked_at: datetime
    checked_at: datetime | None
    since: datetime | None
    seconds: Decimal | None
    found: int | None
    is_cut: bool
    error: str | None


class OpenCount(NamedTuple):
    """How many issues of a rule want attention."""

    rule: str
    severity: Severity
    issues: int


_table = issues.c
_STATUS: dict[IssueChoice, ColumnElement[bool]] = {
    "open": and_(_table.resolved_at.is_(None), _table.acknowledged_at.is_(None)),
    "acknowledged": and_(_table.resolved_at.is_(None), _table.acknowledged_at.is_not(None)),
    "resolved": _table.resolved_at.is_not(None),
    "all": true(),
}
_COLUMNS = [_table[name] for name in IssueRow._fields]


async def issues_page(
    reader: Reader,
    *,
    status: IssueChoice,
    severity: Severity | None = None,
    rule: str | None = None,
    account: str | None = None,
    after: int | None = None,
    limit: int,
) -> list[IssueRow]:
    """At most ``limit`` issues with a smaller number than ``after``, the one that was found last first."""
    query = select(*_COLUMNS).where(_STATUS[status]).order_by(_table.id.desc()).limit(limit)
    query = narrowed(
        query,
        (_table.severity, eq, severity),
        (_table.rule, eq, rule),
        (_table.account, eq, account),
        (_table.id, lt, after),
    )
    return [IssueRow._make(row) for row in await reader.execute(query)]


async def issue_by_id(reader: Reader, issue_id: int) -> IssueRow | None:
    """One issue, or ``None``."""
    row = (await reader.execute(select(*_COLUMNS).where(_table.id == issue_id))).one_or_none()
    return None if row is None else IssueRow._make(row)


async def acknowledged_of(reader: Reader, rules: Sequence[str]) -> set[tuple[str, str | None, str]]:
    """What somebody knows of, of these rules: rule, account and subject."""
    query = select(_table.rule, _table.account, _table.subject).where(
        _STATUS["acknowledged"], _table.rule.in_(rules)
    )
    return {(row.rule, row.account, row.subject) for row in await reader.execute(query)}


async def open_counts(reader: Reader | Writer) -> list[OpenCount]:
    """How many issues want attention, by rule."""
    query = (
        select(_table.rule, _table.severity, func.count())
        .where(_STATUS["open"])
        .group_by(_table.rule, _table.severity)
        .order_by(_table.rule, _table.severity)
    )
    return [OpenCount._make(row) for row in await reader.execute(query)]


async def rule_checks_of(reader: Reader | Writer) -> dict[str, CheckRow]:
    """When each rule was last looked at, by its name."""
    columns = [rule_checks.c[name] for name in CheckRow._fields]
    rows = await reader.execute(select(*columns).order_by(rule_checks.c.rule))
    return {row.rule: CheckRow._make(row) for row in rows}


def last_checked(checks: dict[str, CheckRow], rules: Iterable[str]) -> datetime | None:
    """When the rule of these whose turn is longest ago was last looked at; ``None``: one never was."""
    moments = [checks[rule].checked_at if rule in checks else None for rule in rules]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None
