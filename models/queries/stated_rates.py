"""Rates of past days, as the statements that stand state them, and the commissions that need one."""

from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import TextClause, text

from core.domain.books import BookKey
from core.domain.days import BROKER_ZONE
from models.book_keys import BOOKS, book_arrays
from models.session import Reader, Writer


def _lacking_of(executions: str) -> TextClause:
    return text(
        "SELECT c.exec_id, c.currency, i.currency AS into_currency, "  # noqa: S608 - no input in it
        f"CAST(e.executed_at AT TIME ZONE :zone AS date) AS day FROM {executions} e "
        "JOIN instruments i USING (conid) JOIN commission_reports c USING (exec_id) "
        "WHERE c.rate IS NULL AND c.currency <> i.currency AND c.currency <> '' AND i.currency <> ''"
    )


_lacking = _lacking_of(f"(SELECT x.* FROM {BOOKS} JOIN executions x USING (account, conid))")  # noqa: S608 - the same
_lacking_of_staged = _lacking_of("staged_executions")
_rates = text(
    "SELECT DISTINCT ON (f.as_of, f.currency, f.into_currency) f.as_of, f.currency, f.into_currency, "
    "f.rate, f.import_id FROM fx_rates f JOIN imports i ON i.id = f.import_id AND i.status = 'done' "
    "WHERE f.as_of BETWEEN :first AND :last "
    "ORDER BY f.as_of, f.currency, f.into_currency, i.stated_at DESC, i.id DESC"
)


class Lacking(NamedTuple):
    """A commission in another currency than its instrument's that nothing converts yet."""

    exec_id: str
    currency: str
    into: str
    day: date


class DayRate(NamedTuple):
    """What one unit of ``currency`` was worth in ``into`` at the end of a day, and which import says so."""

    as_of: date
    currency: str
    into: str
    rate: Decimal
    import_id: int


async def lacking_rates(
    connection: Reader | Writer, keys: Iterable[BookKey], *, staged: bool = False
) -> list[Lacking]:
    """The commissions of these books that need a rate and have none.

    With ``staged`` also those of the executions in ``staged_executions``.
    """
    zone = {"zone": BROKER_ZONE.key}
    rows = list(await connection.execute(_lacking, {**book_arrays(keys), **zone}))
    if staged:
        rows += await connection.execute(_lacking_of_staged, zone)
    return [Lacking(*row) for row in rows]


async def day_rates(connection: Reader | Writer, days: Collection[date], back: int) -> list[DayRate]:
    """The rates of these days, or of up to so many days before each; of several statements the latest."""
    first, last = min(days), max(days)
    earliest = date.fromordinal(max(first.toordinal() - back, 1))
    rows = await connection.execute(_rates, {"first": earliest, "last": last})
    return [DayRate(*row) for row in rows]
