"""The ledger as rows, to compare two ways that led to it. Versions and our own times are left out."""

from typing import Any

from sqlalchemy import text

from models.session import Database
from models.tables import metadata

QUERIES = {
    "positions": "SELECT id, account, conid, ordinal, status, side, quantity, max_quantity, average_cost, "
    "cost_basis, realized_pnl, commission, open_commission, opened_at, closed_at, provisional, "
    "missing_commissions, estimated, provisional_lots, event_count, lot_count, disposal_count "
    "FROM positions ORDER BY account, conid, ordinal",
    "position_events": "SELECT e.* FROM position_events e ORDER BY position_id, seq",
    "lots": "SELECT l.* FROM lots l ORDER BY position_id, seq",
    "lot_disposals": "SELECT d.* FROM lot_disposals d ORDER BY position_id, seq",
    "executions": "SELECT exec_id, quantity, price, corrected_by, position_id, realized_pnl, "
    "commission_folded FROM executions ORDER BY exec_id",
    "commission_reports": "SELECT exec_id, commission, currency, realized_pnl, rate FROM commission_reports "
    "ORDER BY exec_id",
    "ledger_books": "SELECT account, conid, quantity, last_executed_at, last_exec_base_id, episodes, dirty "
    "FROM ledger_books ORDER BY account, conid",
}


async def ledger_rows(database: Database) -> dict[str, list[tuple[str, ...]]]:
    """Every row as text: bit for bit means that numbers are spelled alike, too."""
    async with database.read() as reader:
        return {
            table: [tuple(map(str, row)) for row in await reader.execute(text(query))]
            for table, query in QUERIES.items()
        }


async def every_row(database: Database, *but: str) -> dict[str, list[str]]:
    """Every row of every table as text, but those of some: bit for bit, our own times and ids included."""
    async with database.read() as reader:
        return {
            name: sorted(
                row[0]
                for row in await reader.execute(text(f"SELECT CAST(t AS text) FROM {name} AS t"))  # noqa: S608 - a table's name
            )
            for name in metadata.tables
            if name not in but
        }


async def clear(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(
            text(
                "TRUNCATE broker_accounts, instruments, executions, commission_reports, ledger_books, "
                "position_statements, positions, position_events, lots, lot_disposals, sync_datasets, "
                "dead_facts, outbox, inbox, inbox_trials, broker_sessions, sync_log CASCADE"
            )
        )


async def count(database: Database, table: str, where: str = "true") -> Any:
    async with database.read() as reader:
        return (await reader.execute(text(f"SELECT count(*) FROM {table} WHERE {where}"))).scalar_one()  # noqa: S608 - the test's own words
