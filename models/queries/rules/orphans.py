"""Rules about rows that belong together: none is without the one that it comes from.

Foreign keys see to the rest: no lot, disposal or event is without its position, and no position of a snapshot
without its instrument and snapshot.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from core.domain.money import plain
from core.domain.rules import Finding, Magnitude, Tolerance
from models.queries.rules.rule import FOR_ACCOUNT, Findings, Rule, Scope, rows_of
from models.session import Reader

COMMISSION_ALONE: Final = Tolerance(
    "commission_alone", timedelta(hours=6), "a commission may be known so long before its execution"
)
FILE_ALONE: Final = Tolerance("file_alone", timedelta(hours=1), "an import may be under way so long")
MARK_ALONE: Final = Tolerance(
    "mark_alone", timedelta(hours=1), "a mark may be known so long before its position"
)

_TO_BE_FOLDED: Final = (
    "NOT EXISTS (SELECT FROM ledger_books b WHERE b.account = p.account AND b.conid = p.conid AND b.dirty)"
)
_wrong_side = text(
    "SELECT p.account, p.id, i.symbol, p.side, p.quantity "  # noqa: S608 - constants of this program's own
    "FROM positions p JOIN instruments i USING (conid) "
    "WHERE p.status = 'open' AND (p.side = 'short') <> (p.quantity < 0) "
    f"AND {_TO_BE_FOLDED} AND {FOR_ACCOUNT.format('p')} "
    "UNION ALL SELECT p.account, p.id, i.symbol, p.side, l.remaining FROM positions p "
    "JOIN instruments i USING (conid) JOIN lots l ON l.position_id = p.id AND l.remaining <> 0 "
    "WHERE p.status = 'open' AND (p.side = 'short') = (p.quantity < 0) "
    f"AND (p.side = 'short') <> (l.remaining < 0) AND {_TO_BE_FOLDED} AND {FOR_ACCOUNT.format('p')} "
    "ORDER BY 1, 2"
)
_unequal_lots = text(
    "SELECT p.account, p.id, i.symbol, p.quantity, coalesce(sum(l.remaining), 0) AS lots "  # noqa: S608 - as above
    "FROM positions p JOIN instruments i USING (conid) "
    "LEFT JOIN lots l ON l.position_id = p.id AND l.remaining <> 0 "
    f"WHERE p.status = 'open' AND {_TO_BE_FOLDED} AND {FOR_ACCOUNT.format('p')} "
    "GROUP BY p.account, p.id, i.symbol, p.quantity HAVING p.quantity <> coalesce(sum(l.remaining), 0) "
    "ORDER BY 1, 2"
)
# OFFSET 0 says to look each one up: no plan reads all executions there ever were for those of some days.
_NO_EXECUTION: Final = "NOT EXISTS (SELECT FROM executions e WHERE e.exec_id = {}.exec_id OFFSET 0)"
_without_execution = text(
    "SELECT * FROM ("  # noqa: S608 - as above
    "SELECT p.account, CAST(p.id AS text) AS position_id, NULL AS exec_id, 'has no event' AS what, "
    "p.closed_at AS at FROM positions p WHERE (p.status = 'open' OR (p.status = 'closed' "
    "AND p.closed_at >= :since)) "
    "AND NOT EXISTS (SELECT FROM position_events e WHERE e.position_id = p.id OFFSET 0) "
    "UNION ALL SELECT p.account, CAST(p.id AS text), l.exec_id, "
    "'has a lot of an execution that is not there', NULL FROM positions p "
    "JOIN lots l ON l.position_id = p.id AND l.remaining <> 0 WHERE p.status = 'open' "
    f"AND l.exec_id IS NOT NULL AND {_NO_EXECUTION.format('l')} "
    "UNION ALL SELECT p.account, CAST(p.id AS text), d.exec_id, "
    "'was closed by an execution that is not there', d.closed_at FROM lot_disposals d "
    "CROSS JOIN LATERAL (SELECT * FROM positions p WHERE p.id = d.position_id OFFSET 0) p "
    "WHERE d.closed_at >= :since AND d.exec_id IS NOT NULL "
    f"AND {_NO_EXECUTION.format('d')} "
    "UNION ALL SELECT e.account, CAST(e.position_id AS text), e.exec_id, "
    "'is not there, and an execution belongs to it', e.received_at FROM executions e "
    "WHERE e.received_at >= :since AND e.position_id IS NOT NULL "
    "AND NOT EXISTS (SELECT FROM positions p WHERE p.id = e.position_id OFFSET 0)"
    f") f WHERE {FOR_ACCOUNT.format('f')} ORDER BY account, position_id, exec_id, what"
)
_commission_alone = text(
    "SELECT c.exec_id, c.received_at FROM commission_reports c "  # noqa: S608 - as above
    "WHERE c.received_at BETWEEN :since AND CAST(:now AS timestamptz) - CAST(:patience AS interval) "
    f"AND {_NO_EXECUTION.format('c')} ORDER BY c.received_at, c.exec_id"
)
_file_alone = text(
    "SELECT p.sha256, p.size_bytes, p.stored_at FROM raw_payloads p "
    "WHERE p.stored_at BETWEEN :since AND CAST(:now AS timestamptz) - CAST(:patience AS interval) "
    "AND NOT EXISTS (SELECT FROM imports i WHERE i.sha256 = p.sha256) "
    # What it was made into is of about then.
    "AND NOT EXISTS (SELECT FROM snapshots s WHERE s.payload_sha256 = p.sha256 "
    "AND s.asof_ts >= CAST(:since AS timestamptz) - interval '1 day') ORDER BY p.stored_at, p.sha256"
)
_mark_alone = text(
    "SELECT m.account, m.conid, i.symbol, m.as_of "  # noqa: S608 - as above
    "FROM marks m LEFT JOIN instruments i USING (conid) "
    "WHERE m.as_of < CAST(:now AS timestamptz) - CAST(:patience AS interval) AND m.quantity <> 0 "
    "AND NOT EXISTS (SELECT FROM ledger_books b WHERE b.account = m.account AND b.conid = m.conid) "
    f"AND {FOR_ACCOUNT.format('m')} ORDER BY m.account, m.conid"
)
_stated_alone = text(
    "SELECT t.account, t.exec_id, t.import_id, t.line, t.executed_at, i.imported_at FROM imports i "  # noqa: S608 - as above
    "JOIN stated_trades t ON t.import_id = i.id WHERE i.status = 'done' AND i.imported_at >= :since "
    f"AND {_NO_EXECUTION.format('t')} AND {FOR_ACCOUNT.format('t')} ORDER BY t.import_id, t.number"
)


async def _short_flag(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _wrong_side, scope):
        summary = f"{row.symbol} is held as a {row.side}, and its quantity is {plain(row.quantity)}"
        details = {"position_id": str(row.id), "side": row.side, "quantity": plain(row.quantity)}
        yield Finding(row.account, str(row.id), summary, details)


async def _lots_sum(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _unequal_lots, scope):
        quantity, lots = plain(row.quantity), plain(row.lots)
        summary = f"{row.symbol}: {quantity} are held, and its open lots come to {lots}"
        details = {"position_id": str(row.id), "quantity": quantity, "lots": lots}
        apart = abs(row.quantity - row.lots)
        yield Finding(row.account, str(row.id), summary, details, magnitude=apart)


async def _position_alone(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _without_execution, scope):
        summary = f"Position {row.position_id} {row.what}"
        details = {"position_id": row.position_id, "exec_id": row.exec_id}
        yield Finding(row.account, f"{row.position_id}/{row.exec_id or ''}", summary, details, row.at)


async def _commission(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _commission_alone, scope, patience=COMMISSION_ALONE.time):
        summary = f"A commission was told for {row.exec_id} and no such execution"
        details = {"exec_id": row.exec_id, "received_at": row.received_at}
        yield Finding(None, row.exec_id, summary, details, row.received_at)


async def _file(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _file_alone, scope, patience=FILE_ALONE.time):
        summary = f"A file of {row.size_bytes:,} bytes is kept that belongs to no import and no snapshot"
        details = {"sha256": row.sha256, "stored_at": row.stored_at}
        yield Finding(None, row.sha256, summary, details, row.stored_at)


async def _mark(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _mark_alone, scope, patience=MARK_ALONE.time):
        summary = f"The broker marks {row.symbol or row.conid}, and the ledger knows no such book"
        yield Finding(row.account, str(row.conid), summary, {"conid": row.conid, "as_of": row.as_of})


async def _stated_trade(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _stated_alone, scope):
        summary = (
            f"Import {row.import_id} states the trade {row.exec_id} in line {row.line}; it is not booked"
        )
        details = {"exec_id": row.exec_id, "import_id": row.import_id, "executed_at": row.executed_at}
        yield Finding(row.account, row.exec_id, summary, details, row.imported_at)


_REBUILD: Final = (
    "`lotkeeper validate ledger` tells which rows are not what the facts give, and `lotkeeper ledger "
    "rebuild` "
    "writes them anew."
)
SHORT_FLAG: Final = Rule(
    name="short-flag",
    title="Only shorts are negative",
    severity="error",
    checks="An open position and its open lots are negative if, and only if, the position is called a short.",
    remedy=_REBUILD + " If it comes again, tell the developers: the fold is wrong.",
    check=_short_flag,
)
LOTS_SUM: Final = Rule(
    name="lots-sum",
    title="Open lots come to what is held",
    severity="error",
    checks="What is left of a position's lots is its quantity.",
    magnitude=Magnitude("count", "how many units they are apart"),
    remedy=_REBUILD,
    check=_lots_sum,
)
POSITION_ALONE: Final = Rule(
    name="position-without-execution",
    title="Positions come from executions",
    severity="error",
    checks="Each position has events; its open lots, and what closed it, name executions that are there; "
    "and the position that an execution names is there.",
    remedy=_REBUILD + " If executions are missing, import the Flex statement of the time.",
    check=_position_alone,
)
COMMISSION_WITHOUT_EXECUTION: Final = Rule(
    name="commission-without-execution",
    title="Commissions belong to executions",
    severity="warning",
    checks="Of each commission report the execution is known.",
    tolerances=(COMMISSION_ALONE,),
    remedy="The execution was missed: import a Flex statement of the day with *Trades* at the level of "
    "executions (`lotkeeper flex fetch`), or ask the broker again (`lotkeeper resync`) while it is of today.",
    check=_commission,
    of_accounts=False,
)
FILE_WITHOUT_IMPORT: Final = Rule(
    name="file-without-import",
    title="Kept files belong to imports and snapshots",
    severity="warning",
    checks="Each file that is kept is that of an import, which may have been taken back, or what a snapshot "
    "was made of.",
    tolerances=(FILE_ALONE,),
    remedy="Import the file again, if you have it; the one that is kept changes no figure. Acknowledge it.",
    check=_file,
    of_accounts=False,
)
MARK_WITHOUT_BOOK: Final = Rule(
    name="mark-without-book",
    title="What is marked is known to the ledger",
    severity="warning",
    checks="Whatever the broker values as held has a book in the ledger, and so an instrument.",
    tolerances=(MARK_ALONE,),
    remedy="`lotkeeper resync` asks for all positions again. If it stays, look at `lotkeeper dead list`: "
    "the message that told of the position may have been kept aside.",
    check=_mark,
)
TRADE_WITHOUT_EXECUTION: Final = Rule(
    name="stated-trade-without-execution",
    title="Trades of statements are booked",
    severity="error",
    checks="Each trade that an imported statement states has its execution.",
    remedy="Take the import back and import the file again: `lotkeeper import undo ID`, then `lotkeeper "
    "import flex FILE`.",
    check=_stated_trade,
)
