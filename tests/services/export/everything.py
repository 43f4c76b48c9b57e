"""A database in which every table has rows, and what is hard to write and to read again is in all of them."""

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
from sqlalchemy import Column, Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.types import BigInteger, Boolean, Date, Integer, LargeBinary, Numeric, Text, Uuid

from models.queries.datasets import left_out
from models.tables import metadata

ROWS = 12
TEXTS = (
    *("", "plain", 'comma, and "quotes"', "line\nend", "crlf\r\nend", '=HYPERLINK("x")', "-1.5", "-1+1"),
    *("\\.", "\\N", "tab\tand \\ back", "Ünïcödé 株 \U0001f4b0", "'quoted'", "\x01\x02", " spaces ", "NULL"),
)
AMOUNTS = tuple(
    map(
        Decimal,
        (
            "0",
            "-0.1",
            "1.10",
            "12345678901234567890.123456789012345678",
            "-0.000000000000000001",
            "1E+3",
            "7",
        ),
    )
)
DOCUMENTS = ('{"a": [1, "x\\ny", null], "ü": 1.10}', "{}", '[1, 2.50, "=1"]', '"text"', "null")
FIRST = datetime(2019, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def _value(column: Column[Any], row: int) -> Any:  # noqa: C901, PLR0911 - one for each type
    if column.nullable and row % 5 == 4:
        return None
    is_key = column.primary_key
    match column.type:
        case Text():
            text = TEXTS[(row + len(column.name)) % len(TEXTS)]
            return f"{text}{row}" if is_key else text
        case Numeric():
            return AMOUNTS[(row + len(column.name)) % len(AMOUNTS)]
        case TIMESTAMP():
            return FIRST + row * timedelta(days=100, microseconds=row)
        case Date():
            return date(2019, 12, 30) + row * timedelta(days=100)
        case Boolean():
            return row % 2 == 0
        case BigInteger():
            return 2**53 + row if is_key else -row
        case Integer():
            return row
        case Uuid():
            return uuid.UUID(int=row + 1)
        case LargeBinary():
            return bytes(range(256)) * row
        case JSONB():
            return DOCUMENTS[row % len(DOCUMENTS)]
        case ARRAY():
            return TEXTS[: row % 4]
    raise AssertionError(column.type)


async def _fill(connection: asyncpg.Connection, table: Table) -> None:
    names = [column.name for column in table.columns]
    rows = [[_value(column, row) for column in table.columns] for row in range(ROWS)]
    placed = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    listed = ", ".join(f'"{name}"' for name in names)
    await connection.executemany(
        f"INSERT INTO {table.name} ({listed}) OVERRIDING SYSTEM VALUE VALUES ({placed}) "  # noqa: S608
        "ON CONFLICT DO NOTHING",
        rows,
    )


async def fill(url: str) -> None:
    """Rows in every table that is exported, whatever forbids them: constraints are of no interest here."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("CREATE TABLE kept_else PARTITION OF snapshot_positions DEFAULT")
        for row in await connection.fetch(
            "SELECT conrelid::regclass::text AS of, conname FROM pg_constraint c "
            "JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = 'public' AND contype = 'c' "
            "AND conislocal AND coninhcount = 0"
        ):
            await connection.execute(f"ALTER TABLE {row['of']} DROP CONSTRAINT {row['conname']}")
        for table in metadata.tables.values():
            if table.name not in left_out.TABLES:
                await _fill(connection, table)
    finally:
        await connection.close()
