from msgspec import Struct

from core.domain.rules import Severity
from services.api.schemas.common import Amount, Freshness, Moment
from services.api.schemas.sync import Job


class OpenIssues(Struct, frozen=True, kw_only=True):
    """How many issues want attention, by how grave they are, and of how many somebody knows."""

    error: int
    warning: int
    review: int
    acknowledged: int


class RuleState(Struct, frozen=True, kw_only=True):
    """A rule and how it stands: ``ok`` where its last look came to an end and nothing wants attention.

    ``open`` issues of it want attention, the oldest since ``oldest``; of ``acknowledged`` ones somebody
    knows. ``checked_at`` is null before it was ever looked at; ``error``: why its last look came to no end.
    """

    name: str
    title: str
    severity: Severity
    ok: bool
    open: int
    acknowledged: int
    oldest: Moment | None
    checked_at: Moment | None
    seconds: Amount | None
    found: int | None
    error: str | None


class Validation(Struct, frozen=True, kw_only=True):
    """How what is kept stands to the rules. ``ok``: each rule was looked at, and no error wants attention.

    ``checked_at`` is when the rule whose turn is longest ago was last looked at; ``job`` the check that is
    under way, if one was asked for. ``POST /api/v1/issues/check`` asks for one.
    """

    ok: bool
    checked_at: Moment | None
    open: OpenIssues
    rules: tuple[RuleState, ...]
    job: Job | None
    freshness: Freshness
