"""A line that we make is the line that PostgreSQL makes of the same row: so equal lines are equal rows."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, text
from sqlalchemy.dialects import postgresql

from core.settings import load_settings
from models.session import Database
from models.stores.bulk import BulkCopy, copy_line
from models.tables.positions import lots
from services.stack import PostgresServer

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=12)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5))])
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001 - it adds the zone
ROWS = st.lists(st.tuples(TEXTS, TIMES, NUMBERS, st.none() | NUMBERS, st.booleans()), max_size=20)
COLUMNS = ("position_id", "seq", "exec_id", "opened_at", "quantity", "price", "provisional")
"""One of each type there is."""


async def _there_and_back(url: str, rows: list[tuple[Any, ...]]) -> tuple[list[str], list[str]]:
    ours = [copy_line((uuid.UUID(int=0), number, *row)) for number, row in enumerate(rows)]
    database = Database(load_settings(database_url=url).require_database_url(), application="test")
    async with database.write() as connection:
        types = ", ".join(f"{name} {_type(lots.c[name])}" for name in COLUMNS)
        await connection.execute(text(f"CREATE TEMPORARY TABLE lots ({types}) ON COMMIT DROP"))
        await BulkCopy(lots, COLUMNS)(connection, ours)
        raw: Any = (await connection.get_raw_connection()).driver_connection
        told = bytearray()

        async def take(data: bytes) -> None:
            told.extend(data)

        await raw.copy_from_query("SELECT * FROM lots ORDER BY seq", output=take)
    await database.close()
    return ours, told.decode().split("\n")[:-1]


def _type(column: Column[Any]) -> str:
    return column.type.compile(postgresql.dialect())


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_any_row_is_spelled_as_postgresql_spells_it(
    postgres_server: PostgresServer, rows: list[tuple[Any, ...]]
) -> None:
    ours, theirs = asyncio.run(_there_and_back(postgres_server.url, rows))
    assert ours == theirs


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.00"), "0"),
        (Decimal("1E-12"), "0.000000000001"),
        (Decimal("10.500"), "10.5"),
        (Decimal(100), "100"),
        (None, "\\N"),
        (True, "t"),
        ("\\N", "\\\\N"),
        (datetime(2026, 1, 2, 3, 4, 5, 600_000, UTC), "2026-01-02 03:04:05.6+00"),
    ],
)
def test_a_value_has_one_spelling(value: object, spelled: str) -> None:
    assert copy_line((value,)) == spelled
