from typing import Annotated, Any

from msgspec import Meta, Struct

from core.domain.rules import AcknowledgementEnd, MagnitudeKind, Severity
from models.queries.issues import IssueStatus
from services.api.schemas.common import Amount, Freshness, Moment


class Issue(Struct, frozen=True, kw_only=True):
    """Something that a rule found, once however often it is found.

    ``status``: ``open`` wants attention, of ``acknowledged`` somebody knows, ``resolved`` is found no more.
    It is the same issue as long as ``rule``, ``account`` (null: of none) and ``subject`` are; ``about_at`` is
    the moment that it is about, null where it is about none. Found again after it was resolved, or worse than
    what was acknowledged (``magnitude``, in what its rule says; null: it is so or is not), it is open again:
    ``opened_at`` is since when, ``reopened`` how often, and it wants to be acknowledged anew.
    ``details`` are those of the last time.
    """

    id: int
    rule: str
    severity: Severity
    status: IssueStatus
    account: str | None
    subject: str
    summary: str
    details: dict[str, Any]
    about_at: Moment | None
    first_seen: Moment
    opened_at: Moment
    last_seen: Moment
    times_seen: int
    reopened: int
    resolved_at: Moment | None
    magnitude: Amount | None
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    acknowledged_magnitude: Amount | None
    note: str | None


class EarlierAcknowledgement(Struct, frozen=True, kw_only=True):
    """What somebody knew of an issue until it came ``again`` or became ``worse``."""

    acknowledged_at: Moment
    acknowledged_by: str
    magnitude: Amount | None
    note: str | None
    ended_at: Moment
    ended: AcknowledgementEnd


class IssueDetail(Issue, frozen=True, kw_only=True):
    """An issue with what its rule says to do about it, and when it was acknowledged before, last first."""

    remedy: str | None
    acknowledged_before: tuple[EarlierAcknowledgement, ...]
    freshness: Freshness


class IssuePage(Struct, frozen=True, kw_only=True):
    """Issues, the one that opened last first.

    ``checked_at`` is when the rule whose turn is longest ago was last looked at; null: one never was.
    """

    items: tuple[Issue, ...]
    next_cursor: str | None
    checked_at: Moment | None
    freshness: Freshness


class Acknowledgement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody has to say of an issue."""

    note: Annotated[str, Meta(min_length=1, max_length=2_000)] | None = None


class RuleTolerance(Struct, frozen=True, kw_only=True):
    """How far something may be off: ``value`` is a number, or a time as ``5 min``."""

    name: str
    value: str
    meaning: str


class RuleInfo(Struct, frozen=True, kw_only=True):
    """A rule, what to do about what it finds, and when it was last looked at.

    ``magnitude`` is by what it is told how bad a finding is, of which ``magnitude_kind``; null: by nothing.
    ``worse`` says how much it has to grow for what was acknowledged to be open again. ``found`` is how much
    was found when it was last looked at, of what happened since ``since``; ``is_cut``: there was more than is
    kept. ``error`` says why the last look came to no end: what it found before stands.
    """

    name: str
    title: str
    severity: Severity
    checks: str
    tolerances: tuple[RuleTolerance, ...]
    magnitude: str | None
    magnitude_kind: MagnitudeKind | None
    worse: str | None
    remedy: str
    checked_at: Moment | None
    since: Moment | None
    seconds: Amount | None
    found: int | None
    is_cut: bool
    error: str | None


class RulePage(Struct, frozen=True, kw_only=True):
    """All rules."""

    items: tuple[RuleInfo, ...]
    next_cursor: str | None
    freshness: Freshness
