"""Statements by what they are of: accounts, times, and how far what they state is kept otherwise."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from core.domain.days import BROKER_ZONE
from core.domain.formats import Format
from models.session import Reader
from models.standing import STANDING
from models.types import String

_FIRST_DAY: Final = f"CAST(p.starts_at AT TIME ZONE '{BROKER_ZONE}' AS date)"
_END_DAY: Final = f"CAST(p.ends_at AT TIME ZONE '{BROKER_ZONE}' AS date)"


def _page(*conditions: str) -> str:
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return (
        "SELECT p.import_id, p.account, i.kind, i.name, i.trigger, p.starts_at, p.ends_at, "  # noqa: S608 - words of this program's own
        f"{_FIRST_DAY} AS first_day, {_END_DAY} - 1 AS last_day, p.complete, i.stated_at, i.imported_at, "
        "(SELECT count(*) FROM statement_differences d WHERE d.import_id = p.import_id "
        f"AND d.account = p.account) AS differences FROM stated_periods p {STANDING.format('p')} {where}"
        "ORDER BY p.ends_at DESC, p.import_id DESC, p.account DESC, p.starts_at DESC LIMIT :limit"
    )


_AFTER: Final = (
    "(p.ends_at, p.import_id, p.account, p.starts_at) < "
    "(CAST(:ends_at AS timestamptz), :import_id, :after_account, CAST(:starts_at AS timestamptz))"
)
_OF_ONE: Final = "p.account = :account"
_pages: Final = {
    (of_one, goes_on): text(_page(*((_OF_ONE,) if of_one else ()), *((_AFTER,) if goes_on else ())))
    for of_one in (False, True)
    for goes_on in (False, True)
}
_covered: Final = text(
    "SELECT c.account, c.statements, lower(r) AS first_day, upper(r) - 1 AS last_day FROM ("  # noqa: S608 - as above
    f"SELECT p.account, count(*) AS statements, range_agg(daterange({_FIRST_DAY}, {_END_DAY})) AS days "
    f"FROM stated_periods p {STANDING.format('p')} WHERE p.account = ANY(:accounts) AND p.complete "
    "GROUP BY p.account) c, unnest(c.days) r ORDER BY c.account, 3"
).bindparams(bindparam("accounts", type_=ARRAY(String)))


class StatementKey(NamedTuple):
    """Where a statement stands in the list: what ends last first."""

    ends_at: datetime
    import_id: int
    account: str
    starts_at: datetime


class StatementRow(NamedTuple):
    """What an import states of one account: of which days, and in how many figures the ledger differs.

    ``complete``: it tells of all executions of these days.
    """

    import_id: int
    account: str
    kind: Format
    name: str
    trigger: str
    starts_at: datetime
    ends_at: datetime
    first_day: date
    last_day: date
    complete: bool
    stated_at: datetime
    imported_at: datetime
    differences: int


class CoveredDays(NamedTuple):
    """Days in a row, both included, of which the ``statements`` of an account tell all executions."""

    account: str
    statements: int
    first_day: date
    last_day: date


async def statements_page(
    reader: Reader, *, account: str | None = None, after: StatementKey | None = None, limit: int
) -> list[StatementRow]:
    """At most ``limit`` statements after ``after``, the one that ends last first."""
    asked: dict[str, object] = {"limit": limit}
    if after is not None:
        asked |= {
            "ends_at": after.ends_at,
            "import_id": after.import_id,
            "after_account": after.account,
            "starts_at": after.starts_at,
        }
    if account is not None:
        asked["account"] = account
    rows = await reader.execute(_pages[account is not None, after is not None], asked)
    return [StatementRow._make(row) for row in rows]


async def covered_days(reader: Reader, accounts: Sequence[str]) -> list[CoveredDays]:
    """The days that statements tell completely of, in as few spans as possible, by account, oldest first."""
    rows = await reader.execute(_covered, {"accounts": sorted(accounts)})
    return [CoveredDays._make(row) for row in rows]
