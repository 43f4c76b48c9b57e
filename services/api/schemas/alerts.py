from typing import Literal

from msgspec import Struct

from core.domain.rules import Severity
from services.api.schemas.common import Freshness, Moment

AlertSource = Literal[
    "link", "dataset", "issue", "gap", "difference", "job", "work", "dead_fact", "rule", "watch"
]


class Alert(Struct, frozen=True, kw_only=True):
    """Something that wants attention now.

    ``source`` is where it comes from: the broker ``link``; a ``dataset`` that is not complete or too old; an
    ``issue`` that a rule found; a ``gap`` in what was observed, a ``difference`` from the broker, or a
    ``dead_fact``, that no rule has looked at yet; a ``job`` that failed and was not mended since; ``work`` of
    the workers' own that fails; a ``rule`` whose last look came to no end; what is looked at to tell people
    (``watch``): limits that were met, the disk, how the API itself does. ``id`` is the same as long as it is
    the same thing. ``href`` is where more of it is told.
    """

    id: str
    source: AlertSource
    severity: Severity
    account: str | None
    summary: str
    remedy: str
    since: Moment | None
    href: str


class AlertCounts(Struct, frozen=True, kw_only=True):
    """How many there are of each severity, on all pages."""

    error: int
    warning: int
    review: int


class AlertPage(Struct, frozen=True, kw_only=True):
    """What wants attention now, the gravest first, of the same the one that came last.

    ``is_cut``: of one source there are more than can be listed here.
    """

    items: tuple[Alert, ...]
    next_cursor: str | None
    counts: AlertCounts
    is_cut: bool
    freshness: Freshness
