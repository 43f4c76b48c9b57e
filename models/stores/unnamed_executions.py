"""Executions that a statement told of without the broker's id, told live by that id later on.

They bear an id made of what the statement says. Once the live stream tells of the same trade, the broker's id
takes that one's place wherever it stands, so that the trade is known by it from then on.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import text

from core.domain.books import BookKey
from core.domain.executions import split_exec_id
from models.session import Writer
from models.stores.executions import Received

WITHIN: Final = timedelta(seconds=1)
"""Both tell whole seconds, of which a fraction may have been cut off or rounded."""

_alike = text(
    "SELECT k.exec_id, e.exec_id AS unnamed, e.account, e.conid, e.executed_at, "
    "abs(extract(epoch FROM e.executed_at - k.at)) AS apart FROM unnest(CAST(:exec_ids AS text[]), "
    "CAST(:accounts AS text[]), CAST(:conids AS bigint[]), CAST(:times AS timestamptz[]), "
    "CAST(:sides AS text[]), CAST(:sizes AS text[]), CAST(:prices AS text[])) "
    "AS k(exec_id, account, conid, at, side, size, price) CROSS JOIN LATERAL ("
    "SELECT exec_id, account, conid, executed_at FROM executions WHERE account = k.account "
    "AND conid = k.conid AND executed_at BETWEEN k.at - CAST(:within AS interval) "
    "AND k.at + CAST(:within AS interval) AND side = k.side AND quantity = CAST(k.size AS numeric) "
    "AND price = CAST(k.price AS numeric) AND (exec_base_id LIKE 'flex-%' OR exec_base_id LIKE 'csv-%') "
    "AND source <> 'live' OFFSET 0) e "
    "ORDER BY apart, k.exec_id, e.exec_id"
)
_NAMES = (
    "unnest(CAST(:unnamed AS text[]), CAST(:exec_ids AS text[]), CAST(:base_ids AS text[]), "
    "CAST(:revisions AS integer[])) AS k(unnamed, exec_id, base_id, revision)"
)
# Its commission may have been told live before it, and a statement's figure wins over that.
_keep_live_commissions = text(
    "UPDATE commission_reports s SET live_commission = l.commission, live_currency = l.currency, "  # noqa: S608 - no input in it
    f"live_realized_pnl = l.realized_pnl FROM {_NAMES} JOIN commission_reports l USING (exec_id) "
    "WHERE s.exec_id = k.unnamed AND s.stated_by IS NOT NULL"
)
_drop_live_commissions = text(
    f"DELETE FROM commission_reports l USING {_NAMES} WHERE l.exec_id = k.exec_id "  # noqa: S608 - as above
    "AND EXISTS (SELECT FROM commission_reports s WHERE s.exec_id = k.unnamed)"
)
_RENAME = tuple(
    text(f"UPDATE {table} t SET exec_id = k.exec_id FROM {_NAMES} WHERE t.exec_id = k.unnamed")  # noqa: S608 - as above
    for table in ("commission_reports", "stated_trades")
)
# With it goes what cancels it, which has an id of its own.
_rename_executions = text(
    "UPDATE executions e SET exec_id = CASE WHEN e.exec_id = k.unnamed THEN k.exec_id ELSE e.exec_id END, "  # noqa: S608 - as above
    f"exec_base_id = k.base_id, revision = k.revision FROM {_NAMES} WHERE e.exec_base_id = k.unnamed"
)


class Named(NamedTuple):
    """An execution that got the broker's id: its book, and when the statement says that it was."""

    exec_id: str
    unnamed: str
    key: BookKey
    executed_at: datetime


async def name_as_told(connection: Writer, told: Iterable[Received]) -> list[Named]:
    """Give stored executions without the broker's id that of the live ones which tell the same trade.

    That is one of the same account, instrument, side, quantity and price, the nearest in time, each for one.
    ``told`` are not stored; their books are locked.
    """
    facts = [received.fact for received in told if received.fact.quantity > 0]
    if not facts:
        return []
    rows = await connection.execute(
        _alike,
        {
            "exec_ids": [fact.exec_id for fact in facts],
            "accounts": [fact.account for fact in facts],
            "conids": [fact.instrument.conid for fact in facts],
            "times": [fact.executed_at for fact in facts],
            "sides": [fact.side for fact in facts],
            "sizes": [str(fact.quantity) for fact in facts],
            "prices": [str(fact.price) for fact in facts],
            "within": WITHIN,
        },
    )
    named: dict[str, Named] = {}
    taken: set[str] = set()
    for row in rows:
        if row.exec_id not in named and row.unnamed not in taken:
            taken.add(row.unnamed)
            named[row.exec_id] = Named(row.exec_id, row.unnamed, (row.account, row.conid), row.executed_at)
    if named:
        await _rename(connection, sorted(named.values()))
    return list(named.values())


async def _rename(connection: Writer, named: list[Named]) -> None:
    ids = [split_exec_id(one.exec_id) for one in named]
    names = {
        "unnamed": [one.unnamed for one in named],
        "exec_ids": [one.exec_id for one in named],
        "base_ids": [base_id for base_id, _ in ids],
        "revisions": [revision for _, revision in ids],
    }
    for step in (_keep_live_commissions, _drop_live_commissions, *_RENAME, _rename_executions):
        await connection.execute(step, names)
