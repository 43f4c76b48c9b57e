"""Rates of past days, as the statements that stand state them, and the commissions that need one."""

from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text

from core.domain.books import BookKey
from core.domain.days import BROKER_ZONE
from models.book_keys import BOOKS, book_arrays
from models.session import Reader, Writer
from models.standing import newest

_lacking = text(
    "SELECT c.exec_id, c.currency, i.currency AS into_currency, "  # noqa: S608 - no input in it
    "CAST(e.executed_at AT TIME ZONE :zone AS date) AS day "
    f"FROM {BOOKS} "
    "JOIN instruments i USING (conid) JOIN executions e USING (account, conid) "
    "JOIN commission_reports c USING (exec_id) WHERE c.rate IS NULL AND c.currency <> i.currency "
    "AND c.currency <> '' AND i.currency <> ''"
)
_rates = text(
    newest(
        "fx_rates f",
        ("as_of", "currency", "into_currency"),
        columns="f.as_of, f.currency, f.into_currency, f.rate, f.import_id",
        where="f.as_of BETWEEN :first AND :last",
    )
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


async def lacking_rates(connection: Reader | Writer, keys: Iterable[BookKey]) -> list[Lacking]:
    """The commissions of these books that need a rate and have none."""
    rows = await connection.execute(_lacking, {**book_arrays(keys), "zone": BROKER_ZONE.key})
    return [Lacking(*row) for row in rows]


async def day_rates(connection: Reader | Writer, days: Collection[date], back: int) -> list[DayRate]:
    """The rates of these days, or of up to so many days before each; of several statements the latest."""
    first, last = min(days), max(days)
    earliest = date.fromordinal(max(first.toordinal() - back, 1))
    rows = await connection.execute(_rates, {"first": earliest, "last": last})
    return [DayRate(*row) for row in rows]
