"""All that a database holds in two figures a table: its rows, and a hash of them whatever their order."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class StoredTable(NamedTuple):
    """A table: as we call it, and as SQL does."""

    name: str
    quoted: str


# How a row is written down depends on these; what was written must be found again by any server.
_PLAIN: Final = (
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
)
_tables = text(
    "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END "
    "AS name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS quoted "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' "
    "AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1"
)
# A sum heeds rows that are the same twice, and none of their order. It finds accidents; against people who
# change things there is the encryption.
_STATE: Final = (
    "SELECT count(*) AS rows, "
    "coalesce(sum(('x' || left(md5(whole_row::text), 16))::bit(64)::bigint), 0)::text AS hash "
    "FROM {0} AS whole_row"
)


async def write_rows_plainly(connection: AsyncConnection) -> None:
    """Settings of the transaction under which a row's hash is the same on every server."""
    for setting in _PLAIN:
        await connection.execute(text(setting))


async def stored_tables(connection: AsyncConnection) -> list[StoredTable]:
    """All tables, partitioned ones once, by name."""
    return [StoredTable(row.name, row.quoted) for row in await connection.execute(_tables)]


async def table_states(
    connection: AsyncConnection, tables: Iterable[StoredTable]
) -> dict[str, tuple[int, str]]:
    """Rows and their hash, by table, in a transaction with ``write_rows_plainly``. Reads all there is."""
    states: dict[str, tuple[int, str]] = {}
    for table in tables:
        row = (await connection.execute(text(_STATE.format(table.quoted)))).one()
        states[table.name] = (row.rows, row.hash)
    return states
