"""Which stored execution a trade is that bears another id: the rule by which one told twice is found.

It is the same whoever told of them: the live stream, a statement, or two statements.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import TextClause, text

from core.domain.books import BookKey
from models.session import Writer

WITHIN: Final = timedelta(seconds=1)
"""Both tell whole seconds, of which a fraction may have been cut off or rounded."""


class SameTrade(NamedTuple):
    """A trade that is told of, and the stored execution that it is: its book, and when it is stored to be."""

    told: str
    exec_id: str
    key: BookKey
    executed_at: datetime


def same_trades(told: str, known: str) -> TextClause:
    """What finds the trades of the query ``told`` among the executions ``e`` that ``known`` lets in.

    ``told`` selects ``name``, ``place``, account, conid, executed_at, side, size and price. Of those that
    nothing tells apart the first by their places is taken for the first by its id.
    """
    return text(
        "WITH told AS MATERIALIZED (SELECT account, conid, executed_at, side, size, price, "  # noqa: S608 - words of this program's own
        f"array_agg(name ORDER BY place) AS names FROM ({told}) t GROUP BY 1, 2, 3, 4, 5, 6) "
        "SELECT t.account, t.conid, t.names, e.exec_ids, e.executed_at FROM told t CROSS JOIN LATERAL ("
        "SELECT e.executed_at, array_agg(e.exec_id ORDER BY e.exec_id) AS exec_ids FROM executions e "
        "WHERE e.account = t.account AND e.conid = t.conid "
        "AND e.executed_at BETWEEN t.executed_at - CAST(:within AS interval) "
        "AND t.executed_at + CAST(:within AS interval) AND e.side = t.side AND e.quantity = t.size "
        f"AND e.price = t.price AND {known} GROUP BY e.executed_at) e "
        "ORDER BY abs(extract(epoch FROM e.executed_at - t.executed_at)), t.executed_at, e.executed_at, "
        "t.names[1]"
    )


async def find_same(
    connection: Writer, query: TextClause, parameters: Mapping[str, Any] | None = None
) -> list[SameTrade]:
    """The trades that are stored executions: the nearest in time, each for one.

    They come by their times, many of one at once, so that it takes no longer where many say the same.
    """
    found: dict[str, SameTrade] = {}
    taken: set[str] = set()
    for row in await connection.execute(query, {**(parameters or {}), "within": WITHIN}):
        told = [name for name in row.names if name not in found]
        known = [exec_id for exec_id in row.exec_ids if exec_id not in taken]
        for name, exec_id in zip(told, known, strict=False):
            found[name] = SameTrade(name, exec_id, (row.account, row.conid), row.executed_at)
            taken.add(exec_id)
    return list(found.values())
