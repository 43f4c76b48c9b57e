"""Living with a pooler that gives each transaction whichever connection is free, as PgBouncer does.

What belongs to a session then belongs to nobody: a setting, a prepared statement or a lock of a session is
met by whoever comes next, and missed by who made it. So there is none: settings are the transaction's,
statements have no name, and session locks are taken past the pooler.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine

UNNAMED: Final = ""
"""The name of a statement that lives until the next one is prepared, and needs not be closed."""

WITHOUT_SESSION: Final[Mapping[str, Any]] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: UNNAMED,
}
"""How asyncpg, and SQLAlchemy above it, are told to keep nothing on a connection."""

_OF_TRANSACTION: Final = {"default_transaction_read_only": "transaction_read_only"}
"""A default is for transactions to come; this one has begun."""


def hold_transactions_to(engine: AsyncEngine, settings: Mapping[str, str]) -> None:
    """Have each transaction of ``engine`` begin with these settings, which end with it."""
    names = {_OF_TRANSACTION.get(name, name): value for name, value in settings.items()}
    each = (f"set_config('{name}', :{name}, true)" for name in names)
    statement = text(f"SELECT {', '.join(each)}").bindparams(**names)

    def begin(connection: Connection) -> None:
        connection.execute(statement)

    event.listen(engine.sync_engine, "begin", begin)
