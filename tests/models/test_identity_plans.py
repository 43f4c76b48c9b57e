"""What is asked of instruments is found by an index, however many there have been."""

import re
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from sqlalchemy import text

from models.queries.identity import (
    global_instrument,
    instruments_by,
    instruments_page,
    is_stale,
    members_of,
)
from models.session import Database, Reader
from models.tables.identity import IDENTITY
from tests.models.test_query_plans import Explaining

GROWN = """
INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, exchange,
    trading_class, expiry, option_right, isin, updated_at) SELECT n, 'S' || n, 'S' || n, 'STK', 'USD', 1,
    'SMART', 'S', '', '', 'I' || n, now() FROM generate_series(1, 12000) n;
INSERT INTO global_instruments (id, name, symbol, kind, isin, cusip, figi, updated_at) SELECT 'isin:I' || n,
    'S' || n, 'S' || n, 'STK', 'I' || n, 'C' || n, 'F' || n, now() FROM generate_series(1, 12000) n;
INSERT INTO instrument_mapping (conid, global_instrument_id, source, confidence, review, target, mapped_by,
    mapped_at) SELECT n, 'isin:I' || n, CASE WHEN n % 1000 = 0 THEN 'manual' ELSE 'isin' END,
    CASE WHEN n % 700 = 0 THEN 0.2 ELSE 0.99 END, CASE WHEN n % 900 = 0 THEN 'figi_of_several' END, CASE
    WHEN n % 1000 = 0 THEN 'x' END, CASE WHEN n % 1000 = 0 THEN 'x' END, now() FROM
    generate_series(1, 11999) n;
UPDATE instruments SET mapped_identity = {identity} WHERE conid < 12000;
ANALYZE;
""".replace("{identity}", IDENTITY.format("instruments"))

# Which are not mapped yet only all of them can tell; a worker maps them within seconds.
ASKED: dict[str, Callable[[Reader], Awaitable[object]]] = {
    "whether one is to be mapped": is_stale,
    "all": lambda reader: instruments_page(reader, limit=101),
    "the next page": lambda reader: instruments_page(reader, after=9000, limit=101),
    "of a symbol": lambda reader: instruments_page(reader, symbol="S77", limit=101),
    "of an isin": lambda reader: instruments_page(reader, isin="I77", limit=101),
    "with low confidence": lambda reader: instruments_page(reader, which="low", limit=101),
    "to be looked at": lambda reader: instruments_page(reader, which="review", limit=101),
    "mapped by hand": lambda reader: instruments_page(reader, which="manual", limit=101),
    "one": lambda reader: instruments_by(reader, [77]),
    "what is the same": lambda reader: members_of(reader, "isin:I77", limit=9),
    "a global one": lambda reader: global_instrument(reader, "isin:I77"),
}


@pytest.fixture
async def grown(database: Database) -> Database:
    async with database.write() as writer:
        for statement in GROWN.strip().rstrip(";").split(";\n"):
            await writer.execute(text(statement))
    return database


async def test_no_question_about_instruments_reads_all_of_them(grown: Database) -> None:
    for name, ask in ASKED.items():
        async with grown.read() as reader:
            explaining = Explaining(reader)
            found = await ask(cast("Reader", explaining))
        assert found, name
        for plan in explaining.plans:
            assert not re.search(
                r"Seq Scan on (instruments|instrument_mapping|global_instruments)\b", plan
            ), f"{name}:\n{plan}"
