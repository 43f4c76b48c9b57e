from datetime import date

from msgspec import Struct

from core.domain.formats import Format
from services.api.schemas.common import Freshness, Moment


class Statement(Struct, frozen=True, kw_only=True):
    """What an imported file states of one account, and of which of the broker's days.

    ``days`` from ``first_day`` to ``last_day``, both included; ``complete``: it tells of all executions of
    theirs. ``generated_at`` is when it was written, by its own word. In ``differences`` of its figures the
    ledger comes to something else: ``GET /api/v1/statements/differences?import_id=`` lists them. A file that
    states no time, as one of trades in CSV, is an import and no statement. ``name`` is empty for who has
    access to some accounts only, and not to all of which the file tells.
    """

    import_id: int
    account: str
    kind: Format
    name: str
    trigger: str
    first_day: date
    last_day: date
    days: int
    complete: bool
    generated_at: Moment
    imported_at: Moment
    differences: int


class StatementPage(Struct, frozen=True, kw_only=True):
    """Statements, the one that ends last first."""

    items: tuple[Statement, ...]
    next_cursor: str | None
    freshness: Freshness


class StatementGap(Struct, frozen=True, kw_only=True):
    """Days of which no statement tells, though others tell of days before and after; not weekends alone."""

    first_day: date
    last_day: date
    days: int


class StatementCoverage(Struct, frozen=True, kw_only=True):
    """Of which days the ``statements`` of an account tell all executions, and between which they do not.

    ``gaps`` are at most a hundred, the newest first, of ``gaps_found``. All null or none: no statement is
    of this account.
    """

    account: str
    statements: int
    first_day: date | None
    last_day: date | None
    days_covered: int
    gaps_found: int
    gaps: tuple[StatementGap, ...]


class StatementCoveragePage(Struct, frozen=True, kw_only=True):
    """Coverage by account."""

    items: tuple[StatementCoverage, ...]
    next_cursor: str | None
    freshness: Freshness
