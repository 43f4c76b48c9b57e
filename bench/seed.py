"""A long history as raw facts in the database: executions and commissions, nothing folded yet.

``python -m bench.seed DATABASE_URL EXECUTIONS BOOKS``, so that whoever is measured does not hold it, too.
"""

import asyncio
import sys
from datetime import UTC, datetime

import asyncpg

from bench.fold import history
from core.settings import Settings, load_settings

ACCOUNT = "DU0"
FIRST_CONID = 1000
_NOW = datetime(2026, 11, 20, tzinfo=UTC)
_EXECUTION_COLUMNS = (
    *("exec_id", "exec_base_id", "revision", "account", "conid", "executed_at", "side", "quantity", "price"),
    *("order_id", "perm_id", "client_id", "order_ref", "exchange", "liquidity", "model_code"),
    *("zone_assumed", "source", "received_at", "epoch", "commission_folded"),
)


async def connect(settings: Settings) -> asyncpg.Connection:
    """A connection of asyncpg's own, for COPY and for looking behind the curtain."""
    return await asyncpg.connect(
        settings.require_database_url().replace("postgresql+asyncpg://", "postgresql://")
    )


async def seed(settings: Settings, executions: int, books: int) -> None:
    """Store ``executions`` over ``books``: both directions, flips, a commission each. Every book is dirty."""
    connection = await connect(settings)
    await connection.execute(
        "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) VALUES ($1, true, $2, $2)",
        ACCOUNT,
        _NOW,
    )
    await connection.execute(
        "INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, exchange, "
        "trading_class, expiry, option_right, updated_at) "
        "SELECT c, 'S' || c, 'S' || c, 'STK', 'USD', 1, 'SMART', '', '', '', $3 "
        "FROM generate_series($1::bigint, $2::bigint) AS c",
        FIRST_CONID,
        FIRST_CONID + books - 1,
        _NOW,
    )
    await connection.execute(
        "INSERT INTO ledger_books (account, conid, dirty) SELECT $1, conid, true FROM instruments", ACCOUNT
    )
    for number, fills in enumerate(history(executions, books)):
        conid = FIRST_CONID + number
        await connection.copy_records_to_table(
            "executions",
            columns=_EXECUTION_COLUMNS,
            records=[
                (
                    *(fill.exec_id, fill.base_id, 1, ACCOUNT, conid, fill.executed_at),
                    *("BOT" if fill.quantity > 0 else "SLD", abs(fill.quantity), fill.price),
                    *(0, 0, 0, "", "SMART", 0, "", False, "live", fill.executed_at, 1, True),
                )
                for fill in fills
            ],
        )
        await connection.copy_records_to_table(
            "commission_reports",
            columns=("exec_id", "commission", "currency", "received_at", "epoch"),
            records=[(fill.exec_id, fill.commission, "USD", fill.executed_at, 1) for fill in fills],
        )
    await connection.execute("ANALYZE")
    await connection.close()


if __name__ == "__main__":
    url, executions, books = sys.argv[1:]
    asyncio.run(seed(load_settings(database_url=url), int(executions), int(books)))
