"""When statements were fetched, and what came of it."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select, union_all

from models.session import Reader
from models.tables import flex_fetches

REMEMBERED = 50
"""Of each query: many times more than there are tries in a day."""


class FetchRow(NamedTuple):
    """One try to fetch."""

    id: int
    query_id: str
    asked: bool
    token_mark: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    error_category: str | None
    summary: str
    file_path: str | None
    sha256: str | None
    size_bytes: int | None


_table = flex_fetches.c
_columns = [_table[name] for name in FetchRow._fields]


async def last_fetches(
    reader: Reader, queries: Collection[str], most: int = REMEMBERED
) -> dict[str, list[FetchRow]]:
    """The last tries of each query, the newest first; every query is in it."""
    found: dict[str, list[FetchRow]] = {query_id: [] for query_id in sorted(queries)}
    if not found:
        return found
    parts = [
        select(*_columns)
        .where(_table.query_id == query_id)
        .order_by(_table.started_at.desc(), _table.id.desc())
        .limit(most)
        .subquery()
        .select()
        for query_id in found
    ]
    for row in await reader.execute(union_all(*parts)):
        one = FetchRow(*row)
        found[one.query_id].append(one)
    for rows in found.values():
        rows.sort(key=lambda one: (one.started_at, one.id), reverse=True)
    return found


async def last_successes(reader: Reader, queries: Collection[str]) -> dict[str, datetime]:
    """When each query was last fetched well, of those that ever were."""
    rows = await reader.execute(
        select(_table.query_id, func.max(_table.finished_at).label("finished_at"))
        .where(_table.query_id.in_(sorted(queries)), _table.outcome == "succeeded")
        .group_by(_table.query_id)
    )
    return {row.query_id: row.finished_at for row in rows}
