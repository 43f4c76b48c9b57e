"""Statements, and what differs."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct


class Import(Struct, frozen=True, kw_only=True):
    """A file that was imported. `stated_at` is when it was written, by its own word."""

    id: int
    kind: str
    name: str
    sha256: str
    status: str
    trigger: str
    stated_at: datetime
    imported_at: datetime
    undone_at: datetime | None
    report: dict[str, Any]


class StatementDifference(Struct, frozen=True, kw_only=True):
    """A figure of a statement that is not the one that the ledger comes to."""

    id: str
    account: str
    day: date
    kind: str
    cause: str
    conid: int | None
    symbol: str | None
    currency: str
    reference: str
    ours: Decimal | None
    stated: Decimal
    difference: Decimal | None
    import_id: int
    line: int
    found_at: datetime


class Statement(Struct, frozen=True, kw_only=True):
    """What an imported file states of one account, and of which of the broker's days."""

    import_id: int
    account: str
    kind: str
    name: str
    trigger: str
    first_day: date
    last_day: date
    days: int
    complete: bool
    generated_at: datetime
    imported_at: datetime
    differences: int


class StatementGap(Struct, frozen=True, kw_only=True):
    """Days of which no statement tells, though others tell of days before and after; not weekends alone."""

    first_day: date
    last_day: date
    days: int


class StatementCoverage(Struct, frozen=True, kw_only=True):
    """Of which days the `statements` of an account tell all executions, and between which they do not."""

    account: str
    statements: int
    first_day: date | None
    last_day: date | None
    days_covered: int
    gaps_found: int
    gaps: tuple[StatementGap, ...]


class Reconciliation(Struct, frozen=True, kw_only=True):
    """One comparison of an account with what the broker says is held."""

    id: int
    account: str
    started_at: datetime
    finished_at: datetime | None
    trigger: str
    checked: int
    differences: int
    counts: dict[str, int]


class Difference(Struct, frozen=True, kw_only=True):
    """Something in which our ledger and the broker did not agree, and do not until `resolved_at`."""

    id: int
    account: str
    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
    currency: str
    kind: str
    cause: str | None
    inferred: bool
    ours: Decimal | None
    brokers: Decimal | None
    since: datetime
    resolved_at: datetime | None
    position_id: str | None
    status: str
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    acknowledged_ours: Decimal | None
    acknowledged_brokers: Decimal | None
    acknowledgement_ended_at: datetime | None
