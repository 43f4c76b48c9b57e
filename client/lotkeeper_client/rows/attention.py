"""Issues, alerts, jobs, and what was set aside."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from lotkeeper_client.rows.common import Freshness


class Issue(Struct, frozen=True, kw_only=True):
    """Something that a rule found, once however often it is found."""

    id: int
    rule: str
    severity: str
    status: str
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


class RuleTolerance(Struct, frozen=True, kw_only=True):
    """How far something may be off: `value` is a number, or a time as `5 min`."""

    name: str
    value: str
    meaning: str


class RuleInfo(Struct, frozen=True, kw_only=True):
    """A rule, what to do about what it finds, and when it was last looked at."""

    name: str
    title: str
    severity: str
    checks: str
    tolerances: tuple[RuleTolerance, ...]
    magnitude: str | None
    magnitude_kind: str | None
    worse: str | None
    remedy: str
    checked_at: datetime | None
    since: datetime | None
    seconds: Decimal | None
    found: int | None
    is_cut: bool
    error: str | None


class Alert(Struct, frozen=True, kw_only=True):
    """Something that wants attention now."""

    id: str
    source: str
    severity: str
    account: str | None
    summary: str
    remedy: str
    since: datetime | None
    href: str


class OpenIssues(Struct, frozen=True, kw_only=True):
    """How many issues want attention, by how grave they are, and of how many somebody knows."""

    error: int
    warning: int
    review: int
    acknowledged: int


class RuleState(Struct, frozen=True, kw_only=True):
    """A rule and how it stands: `ok` where its last look came to an end and nothing wants attention."""

    name: str
    title: str
    severity: str
    ok: bool
    open: int
    acknowledged: int
    oldest: datetime | None
    checked_at: datetime | None
    seconds: Decimal | None
    found: int | None
    error: str | None


class Job(Struct, frozen=True, kw_only=True):
    """Long work that was asked for. `progress` runs from 0 to 1 where it is known."""

    id: str
    kind: str
    status: str
    progress: Decimal | None
    error: str | None
    result: dict[str, Any] | None = None


class Validation(Struct, frozen=True, kw_only=True):
    """How what is kept stands to the rules. `ok`: each rule was looked at, and no error wants attention."""

    ok: bool
    checked_at: datetime | None
    open: OpenIssues
    rules: tuple[RuleState, ...]
    job: Job | None
    freshness: Freshness


class JobRecord(Struct, frozen=True, kw_only=True):
    """A job with its times."""

    id: str
    kind: str
    status: str
    progress: Decimal | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class DeadFact(Struct, frozen=True, kw_only=True):
    """Something that could not be read or applied and was set aside whole."""

    id: int
    status: str
    category: str
    reason: str
    source: str
    account: str | None
    epoch: int | None
    seq: int | None
    occurrences: int
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    retries: int
