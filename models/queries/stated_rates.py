"""Rates of past days, as the statements that stand state them, and the commissions that need one."""

from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import TextClause, text

from core.domain.books import BookKey
from core.domain.days import BROKER_ZONE
from core.domain.rates import OTHER_DAYS_RATE
from models.book_keys import BOOKS, book_arrays
from models.session import Reader, Writer
from models.standing import newest

# Not converted yet, or with a rate of another day for want of the right one; ``i`` was traded.
_LACKS = (
    f"(c.rate IS NULL OR c.rate_source = '{OTHER_DAYS_RATE}') "
    "AND c.currency <> i.currency AND c.currency <> '' AND i.currency <> ''"
)
_DAY = f"CAST(e.executed_at AT TIME ZONE '{BROKER_ZONE}' AS date)"


def _lacking_of(executions: str) -> TextClause:
    return text(
        f"SELECT c.exec_id, c.currency, i.currency AS into_currency, {_DAY} AS day FROM {executions} e "  # noqa: S608 - no input in it
        f"JOIN instruments i USING (conid) JOIN commission_reports c USING (exec_id) WHERE {_LACKS}"
    )


_lacking = _lacking_of(f"(SELECT x.* FROM {BOOKS} JOIN executions x USING (account, conid))")  # noqa: S608 - the same
_lacking_of_staged = _lacking_of("staged_executions")
_lacking_anywhere = text(
    "SELECT DISTINCT e.account, e.conid FROM (SELECT exec_id FROM executions WHERE NOT commission_folded "  # noqa: S608 - no input in it
    f"UNION SELECT exec_id FROM commission_reports WHERE rate_source = '{OTHER_DAYS_RATE}') k "
    "CROSS JOIN LATERAL (SELECT * FROM executions WHERE exec_id = k.exec_id OFFSET 0) e "
    "CROSS JOIN LATERAL (SELECT * FROM commission_reports WHERE exec_id = k.exec_id OFFSET 0) c "
    f"JOIN instruments i ON i.conid = e.conid AND i.sec_type <> 'BAG' WHERE {_LACKS} "
    "AND EXISTS (SELECT FROM fx_rates f WHERE f.import_id = :id AND f.currency IN (c.currency, i.currency) "
    f"AND f.as_of BETWEEN {_DAY} - CAST(:back AS integer) AND {_DAY})"
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
    """A commission in another currency than its instrument's that no rate of its day converts."""

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
    """The commissions of these books that need a rate and have none, or that of another day.

    With ``staged`` also those of the executions in ``staged_executions``.
    """
    rows = list(await connection.execute(_lacking, book_arrays(keys)))
    if staged:
        rows += await connection.execute(_lacking_of_staged)
    return [Lacking(*row) for row in rows]


async def books_lacking_rates(connection: Reader | Writer, import_id: int, back: int) -> set[BookKey]:
    """Books with commissions that need a rate of which an import may state what it is made of.

    That is one of the commission's day, or of up to so many days before it.
    """
    rows = await connection.execute(_lacking_anywhere, {"id": import_id, "back": back})
    return {(row.account, row.conid) for row in rows}


async def day_rates(connection: Reader | Writer, days: Collection[date], back: int) -> list[DayRate]:
    """The rates of these days, or of up to so many days before each; of several statements the latest."""
    first, last = min(days), max(days)
    earliest = date.fromordinal(max(first.toordinal() - back, 1))
    rows = await connection.execute(_rates, {"first": earliest, "last": last})
    return [DayRate(*row) for row in rows]
