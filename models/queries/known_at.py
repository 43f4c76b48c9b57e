"""What was known of a book by some time: the facts that had been received by then, and no other."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Row,
    Select,
    Table,
    TextClause,
    bindparam,
    select,
    text,
    true,
    tuple_,
    union,
)

from core.domain.anchors import Anchor
from core.domain.books import BookKey
from core.domain.fills import Report
from core.domain.lots import CostMethod
from models.queries.ledger import report_of
from models.session import Reader
from models.tables import (
    commission_reports,
    corporate_actions,
    executions,
    imports,
    ledger_books,
    position_statements,
    stated_positions,
    stated_trades,
)
from models.types import BigInt, Instant, Int, String

MOST_ROWS = 1000
"""How many executions one query brings: reading them must not hold up whoever else waits for an answer."""


class Word(NamedTuple):
    """What the broker said is held in a book; ``anchor`` is set where the ledger was held to it by then."""

    as_of: datetime
    quantity: Decimal
    anchor: Anchor | None


# One index probe a row, said so that the planner cannot read a whole table instead.
_REPORTS = (
    "SELECT e.account, e.conid, e.executed_at, e.exec_base_id, e.revision, e.exec_id, e.side, e.quantity, "
    "e.price, c.commission, c.currency, c.rate FROM "
    "unnest(:accounts, :conids, :ats, :ids) AS k(account, conid, at, id) CROSS JOIN LATERAL ("
    "SELECT * FROM executions WHERE account = k.account AND conid = k.conid "
    "AND (executed_at, exec_id) > (coalesce(k.at, '-infinity'), coalesce(k.id, '')) "
    "AND received_at <= :known_by ORDER BY executed_at, exec_id LIMIT :most) e LEFT JOIN LATERAL ("
    "SELECT commission, currency, CASE WHEN rate_as_of > :known_by THEN NULL ELSE rate END AS rate "
    "FROM commission_reports WHERE exec_id = e.exec_id AND received_at <= :known_by OFFSET 0) c ON true "
    "ORDER BY e.account, e.conid, e.executed_at, e.exec_id"
)
_WORDS = (
    "SELECT s.* FROM unnest(:accounts, :conids) AS k(account, conid) CROSS JOIN LATERAL ("
    "SELECT account, conid, as_of, quantity, average_cost, cause, price, carried, inferred, "
    "coalesce(anchored_at <= :known_by OR (held_from <= :known_by AND held_until > :known_by), false) "
    "AS held FROM position_statements "
    "WHERE account = k.account AND conid = k.conid AND received_at <= :known_by "
    "ORDER BY as_of, id) s"
)


async def books_told_of_since(
    reader: Reader, known_by: datetime, *, account: str | None = None
) -> dict[BookKey, CostMethod]:
    """Books of which anything came to be known after ``known_by``, with the method they are folded with."""
    fill, report, said, book = executions.c, commission_reports.c, position_statements.c, ledger_books.c
    reported = executions.join(commission_reports, report.exec_id == fill.exec_id)
    told = union(
        select(fill.account, fill.conid).where(fill.received_at > known_by),
        select(fill.account, fill.conid).select_from(reported).where(report.received_at > known_by),
        # A commission that could be converted only later.
        select(fill.account, fill.conid).select_from(reported).where(report.rate_as_of > known_by),
        select(said.account, said.conid).where(said.anchored_at > known_by),
        *(_stated_since(table, known_by) for table in (stated_trades, corporate_actions, stated_positions)),
    ).subquery("told")
    query = select(book.account, book.conid, book.cost_method).where(
        tuple_(book.account, book.conid).in_(select(told.c.account, told.c.conid))
    )
    if account is not None:
        query = query.where(book.account == account)
    return {(row.account, row.conid): row.cost_method for row in await reader.execute(query)}


def _stated_since(table: Table, known_by: datetime) -> Select[tuple[str, int]]:
    """The books of which an import after ``known_by`` states anything, import by import."""
    row = table.c
    stated = select(row.account, row.conid).where(row.import_id == imports.c.id).offset(0).lateral()
    return (
        select(stated.c.account, stated.c.conid)
        .select_from(imports.join(stated, true()))
        .where(imports.c.imported_at > known_by)
    )


async def reports_known_by(
    reader: Reader, keys: Collection[BookKey], known_by: datetime, *, most: int = MOST_ROWS
) -> dict[BookKey, list[Report]]:
    """The executions of books that had been received by then, each with its commission if that had, too."""
    reports: dict[BookKey, list[Report]] = {key: [] for key in keys}
    left = dict.fromkeys(keys)
    while left:
        each = max(1, most // len(left))
        rows = await reader.execute(_bound(_REPORTS, left, known_by, reports, each))
        more: dict[BookKey, int] = dict.fromkeys(left, 0)
        for row in rows:
            key = (row.account, row.conid)
            reports[key].append(report_of(row))
            more[key] += 1
        left = dict.fromkeys(key for key, number in more.items() if number == each)
    return reports


async def words_known_by(
    reader: Reader, keys: Collection[BookKey], known_by: datetime
) -> dict[BookKey, list[Word]]:
    """What the broker had said by then of each book, oldest first."""
    found: dict[BookKey, list[Row[Any]]] = {}
    for row in await reader.execute(_bound(_WORDS, keys, known_by)):
        found.setdefault((row.account, row.conid), []).append(row)
    return {key: _words(rows) for key, rows in found.items()}


def _words(rows: Sequence[Row[Any]]) -> list[Word]:
    return [Word(row.as_of, row.quantity, _anchor(row) if row.held else None) for row in rows]


def _anchor(row: Row[Any]) -> Anchor:
    return Anchor(row.as_of, row.quantity, row.average_cost, row.cause, row.price, row.carried, row.inferred)


def _bound(
    statement: str,
    keys: Iterable[BookKey],
    known_by: datetime,
    so_far: Mapping[BookKey, Sequence[Report]] | None = None,
    most: int | None = None,
) -> TextClause:
    ordered = sorted(keys)
    parameters: list[BindParameter[Any]] = [
        bindparam("accounts", [key[0] for key in ordered], ARRAY(String)),
        bindparam("conids", [key[1] for key in ordered], ARRAY(BigInt)),
        bindparam("known_by", known_by, Instant),
    ]
    if so_far is not None:
        last = [so_far[key][-1] if so_far[key] else None for key in ordered]
        parameters += [
            bindparam("ats", [one.executed_at if one else None for one in last], ARRAY(Instant)),
            bindparam("ids", [one.exec_id if one else None for one in last], ARRAY(String)),
            bindparam("most", most, Int),
        ]
    return text(statement).bindparams(*parameters)
