"""Executions that a statement told of without the broker's id, told of by that id later on.

They bear an id made of what the statement says. Once the live stream or another statement tells of the
same trade, the broker's id takes that one's place wherever it stands, so that it is known by it from then on.
Where only a statement told the id and it is taken back, the made one takes its place again.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import text

from core.domain.executions import split_exec_id
from models.session import Writer
from models.stores.executions import Received
from models.stores.same_trades import SameTrade, find_same, same_trades

UNNAMED: Final = "(e.exec_base_id LIKE 'flex-%' OR e.exec_base_id LIKE 'csv-%') AND e.source <> 'live'"
"""That an execution ``e`` bears an id of our making."""

_alike = same_trades(
    "SELECT k.exec_id AS name, k.exec_id AS place, k.account, k.conid, k.executed_at, k.side, "
    "CAST(k.size AS numeric) AS size, CAST(k.price AS numeric) AS price FROM "
    "unnest(CAST(:exec_ids AS text[]), CAST(:accounts AS text[]), CAST(:conids AS bigint[]), "
    "CAST(:times AS timestamptz[]), CAST(:sides AS text[]), CAST(:sizes AS text[]), CAST(:prices AS text[])) "
    "AS k(exec_id, account, conid, executed_at, side, size, price)",
    UNNAMED,
)
_NAMES = (
    "unnest(CAST(:unnamed AS text[]), CAST(:bases AS text[]), CAST(:exec_ids AS text[]), "
    "CAST(:base_ids AS text[]), CAST(:revisions AS integer[])) "
    "AS k(unnamed, base, exec_id, base_id, revision)"
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
    f"exec_base_id = k.base_id, revision = k.revision FROM {_NAMES} WHERE e.exec_base_id = k.base"
)
# Nobody tells the id any more: neither a statement, nor the live stream, nor another revision.
_told_no_more = text(
    "SELECT e.exec_id, t.made_id FROM taken_back b JOIN executions e USING (exec_id) "
    "JOIN stated_trades t ON t.exec_id = e.exec_id AND t.import_id = e.confirmed_by "
    "AND t.outcome <> 'disputed' WHERE e.source <> 'live' AND t.made_id <> e.exec_id "
    "AND NOT EXISTS (SELECT FROM stated_trades o WHERE o.exec_id = e.exec_id AND o.made_id IS NULL) "
    "AND NOT EXISTS (SELECT FROM commission_reports c WHERE c.exec_id = e.exec_id "
    "AND (c.stated_by IS NULL OR c.live_commission IS NOT NULL)) "
    "AND NOT EXISTS (SELECT FROM executions o WHERE o.exec_base_id = e.exec_base_id "
    "AND o.exec_id <> e.exec_id AND o.exec_id NOT LIKE 'flex-%' AND o.exec_id NOT LIKE 'csv-%') "
    "AND NOT EXISTS (SELECT FROM executions o WHERE o.exec_id = t.made_id)"
)


class Renamed(NamedTuple):
    """An id and what takes its place."""

    before: str
    exec_id: str


async def name_as_told(connection: Writer, told: Iterable[Received]) -> list[SameTrade]:
    """Give stored executions without the broker's id that of the live ones which tell the same trade.

    ``told`` are not stored; their books are locked.
    """
    facts = [received.fact for received in told if received.fact.quantity > 0]
    if not facts:
        return []
    same = await find_same(
        connection,
        _alike,
        {
            "exec_ids": [fact.exec_id for fact in facts],
            "accounts": [fact.account for fact in facts],
            "conids": [fact.instrument.conid for fact in facts],
            "times": [fact.executed_at for fact in facts],
            "sides": [fact.side for fact in facts],
            "sizes": [str(fact.quantity) for fact in facts],
            "prices": [str(fact.price) for fact in facts],
        },
    )
    await rename(connection, [Renamed(one.exec_id, one.told) for one in same])
    return same


async def rename(connection: Writer, renamed: Iterable[Renamed]) -> None:
    """Put other ids in the place of stored ones, wherever these stand. Their books are locked."""
    ordered = sorted(renamed)
    if not ordered:
        return
    ids = [split_exec_id(one.exec_id) for one in ordered]
    names = {
        "unnamed": [one.before for one in ordered],
        "bases": [split_exec_id(one.before)[0] for one in ordered],
        "exec_ids": [one.exec_id for one in ordered],
        "base_ids": [base_id for base_id, _ in ids],
        "revisions": [revision for _, revision in ids],
    }
    for step in (_keep_live_commissions, _drop_live_commissions, *_RENAME, _rename_executions):
        await connection.execute(step, names)


async def unname(connection: Writer) -> None:
    """Give executions that were named by an import which is taken back the ids that were made for them."""
    await rename(connection, [Renamed(*row) for row in await connection.execute(_told_no_more)])
