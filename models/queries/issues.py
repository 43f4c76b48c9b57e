"""The inbox of issues, and when the rules were last looked at."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import eq
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, and_, func, select, true, tuple_

from core.domain.rules import AcknowledgementEnd, Severity
from models.queries.narrowing import narrowed
from models.session import Reader, Writer
from models.tables import issue_acknowledgements, issues, rule_checks

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
    magnitude: Decimal | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_magnitude: Decimal | None
    note: str | None

    @property
    def status(self) -> IssueStatus:
        """Where it stands."""
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"


class IssueKey(NamedTuple):
    """Where an issue stands in the list: what opened last is first."""

    opened_at: datetime
    id: int


class PastAcknowledgement(NamedTuple):
    """What somebody knew of an issue, and since when and why that counts no more."""

    acknowledged_at: datetime
    acknowledged_by: str
    magnitude: Decimal | None
    note: str | None
    ended_at: datetime
    ended: AcknowledgementEnd


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


class UnresolvedCount(NamedTuple):
    """Issues of a rule: how many want attention, since when, and of how many somebody knows."""

    rule: str
    severity: Severity
    open: int
    acknowledged: int
    oldest: datetime | None


_MOST_PAST: Final = 100
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
    after: IssueKey | None = None,
    limit: int,
) -> list[IssueRow]:
    """At most ``limit`` issues after ``after``, the one that opened last first."""
    query = (
        select(*_COLUMNS)
        .where(_STATUS[status])
        .order_by(_table.opened_at.desc(), _table.id.desc())
        .limit(limit)
    )
    query = narrowed(
        query,
        (_table.severity, eq, severity),
        (_table.rule, eq, rule),
        (_table.account, eq, account),
    )
    if after is not None:
        query = query.where(tuple_(_table.opened_at, _table.id) < tuple_(*after))
    return [IssueRow._make(row) for row in await reader.execute(query)]


async def issue_by_id(reader: Reader, issue_id: int) -> IssueRow | None:
    """One issue, or ``None``."""
    row = (await reader.execute(select(*_COLUMNS).where(_table.id == issue_id))).one_or_none()
    return None if row is None else IssueRow._make(row)


async def past_acknowledgements(reader: Reader, issue_id: int) -> list[PastAcknowledgement]:
    """What somebody knew of an issue before it came again or became worse, the last first."""
    table = issue_acknowledgements.c
    query = (
        select(*(table[name] for name in PastAcknowledgement._fields))
        .where(table.issue_id == issue_id)
        .order_by(table.id.desc())
        .limit(_MOST_PAST)
    )
    return [PastAcknowledgement._make(row) for row in await reader.execute(query)]


async def acknowledged_of(reader: Reader, rules: Sequence[str]) -> set[tuple[str, str | None, str]]:
    """What somebody knows of, of these rules: rule, account and subject."""
    query = select(_table.rule, _table.account, _table.subject).where(
        _STATUS["acknowledged"], _table.rule.in_(rules)
    )
    return {(row.rule, row.account, row.subject) for row in await reader.execute(query)}


async def unresolved_of(reader: Reader, rules: Sequence[str]) -> set[tuple[str, str | None, str]]:
    """What these rules find, acknowledged or not: rule, account and subject."""
    query = select(_table.rule, _table.account, _table.subject).where(
        _table.resolved_at.is_(None), _table.rule.in_(rules)
    )
    return {(row.rule, row.account, row.subject) for row in await reader.execute(query)}


async def unresolved_counts(reader: Reader, accounts: Sequence[str] | None = None) -> list[UnresolvedCount]:
    """How many issues of each rule want attention, and of how many somebody knows.

    Of all, or of some accounts and of those that are no account's.
    """
    is_open = _table.acknowledged_at.is_(None)
    query = (
        select(
            _table.rule,
            _table.severity,
            func.count().filter(is_open),
            func.count().filter(~is_open),
            func.min(_table.opened_at).filter(is_open),
        )
        .where(_table.resolved_at.is_(None))
        .group_by(_table.rule, _table.severity)
        .order_by(_table.rule, _table.severity)
    )
    if accounts is not None:
        query = query.where(_table.account.is_(None) | _table.account.in_(accounts))
    return [UnresolvedCount._make(row) for row in await reader.execute(query)]


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
