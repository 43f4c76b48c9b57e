"""What a rule is, and how it reads: streamed, of a bounded time, or of what is open only."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Row, TextClause, text

from core.domain.rules import Finding, Magnitude, Severity, Tolerance
from models.session import Reader

LOOKED_BACK: Final = timedelta(days=35)
"""How far back is looked, where a rule looks at what happened: so long nobody may look at all, and nothing is
missed."""

FOR_ACCOUNT: Final = "(CAST(:account AS text) IS NULL OR {}.account = :account)"
"""The condition that a row is of the account that is looked at."""

_prepare = text(
    "SELECT set_config('statement_timeout', :milliseconds, true), set_config('jit', 'off', true), now()"
)


class Scope(NamedTuple):
    """What is looked at: what happened from ``since`` until ``now``, and of which account (``None``: all)."""

    now: datetime
    since: datetime
    account: str | None = None


Findings: TypeAlias = AsyncIterator[Finding]
Check: TypeAlias = Callable[[Reader, Scope], Findings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Something that has to be true of what is kept.

    ``checks`` says what that is and ``remedy`` what to do where it is not. ``magnitude`` says by what it is
    told how bad a finding is, and when it is worse; ``None``: by nothing. ``of_accounts``: what it finds
    belongs to accounts; otherwise it is passed over where one account is asked for.
    """

    name: str
    title: str
    severity: Severity
    checks: str
    remedy: str
    check: Check
    tolerances: tuple[Tolerance, ...] = ()
    magnitude: Magnitude | None = None
    of_accounts: bool = True


async def begin_look(reader: Reader, statement_seconds: float) -> datetime:
    """Let no query of this transaction take longer; returns PostgreSQL's time of what it sees."""
    row = (await reader.execute(_prepare, {"milliseconds": str(round(statement_seconds * 1000))})).one()
    moment: datetime = row[2]
    return moment


async def rows_of(
    reader: Reader, query: TextClause, scope: Scope, **parameters: Any
) -> AsyncIterator[Row[Any]]:
    """The rows of a query, as they come. It is given the scope, as far as it names what is in it."""
    given = {**scope._asdict(), **parameters}
    wanted = {name: given[name] for name in query.compile().params}
    async with reader.stream(query, wanted) as rows:
        async for row in rows:
            yield row
