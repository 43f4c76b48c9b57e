"""What books are held to is found by an index, however much statements have stated of other books."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from core.domain.books import BookKey
from models.queries.anchors import (
    anchors_of,
    days_told,
    effect_lines_of,
    effects_of,
    read_effects,
    statements_known_by,
    told_of_by_statements,
)
from models.queries.known_at import books_told_of_since
from models.session import Database, Reader, Writer
from models.stores.executions import Received
from models.stores.unnamed_executions import name_as_told
from tests.models.test_as_of_plans import LATELY, LONGER, Explaining
from tests.services.position_sync.facts import ACME, execution

# Twenty statements of a thousand trades, and three events and holdings a book and statement.
STATED = """
INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) SELECT 's' || n, 1, 'x', now()
    FROM generate_series(1, 20) n;
INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report) SELECT 'flex',
    's' || n, 's' || n, 'done', 'cli', timestamptz '2025-01-01 00:00Z' + n * interval '1 day',
    timestamptz '2025-12-01 00:00Z' + n * interval '1 day', '{}' FROM generate_series(1, 20) n;
INSERT INTO stated_trades (import_id, number, line, exec_id, account, conid, executed_at, quantity,
    price, commission_currency, cost, opens, closes, outcome, reported_on) SELECT i.id, m.n, m.n,
    'c' || m.n, m.account, m.conid, m.at, -3, 11, 'USD', -30, false, true, 'matched', '2030-01-01' FROM made m
    JOIN imports i ON i.id = 1 + m.n / 1000;
INSERT INTO corporate_actions (event_key, account, conid, at, cause, kind, quantity, carried,
    event_id, event_group, description, import_id, line) SELECT 'e' || m.n, m.account, m.conid, m.at,
    'split', 'FS', 1, false, '', '', '', i.id, m.n FROM made m JOIN imports i ON i.id = 1 + m.n / 1000;
INSERT INTO stated_positions (account, conid, as_of, quantity, cost, import_id, line) SELECT m.account,
    m.conid, m.at, 3, 30, i.id, m.n FROM made m JOIN imports i ON i.id = 1 + m.n / 1000;
"""
TABLES = "corporate_actions|stated_positions|stated_trades|position_statements|executions"
KEYS: list[BookKey] = [("U1", 3), ("U2", 1)]


class Bound(Explaining):
    """The same for queries with parameters."""

    async def execute(self, query: Any, parameters: Any = None) -> Any:
        if parameters is None:
            return await super().execute(query)
        plan = await self.reader.execute(text(f"EXPLAIN {query.text}"), parameters)
        self.plans.append("\n".join(row[0] for row in plan))
        return await self.reader.execute(query, parameters)


async def nothing_unnamed(reader: Reader) -> bool:
    told = Received(execution("z.01", "1", account="U1", instrument=replace(ACME, conid=3)), 1)
    return not await name_as_told(cast("Writer", reader), [told])


ASKED: dict[str, Callable[[Reader], Awaitable[object]]] = {
    "anchors": lambda reader: anchors_of(reader, dict.fromkeys(KEYS)),
    "late anchors": lambda reader: anchors_of(reader, dict.fromkeys(KEYS, LATELY)),
    "effects": lambda reader: effects_of(reader, dict.fromkeys(KEYS)),
    "early effects": lambda reader: effects_of(reader, dict.fromkeys(KEYS, LATELY)),
    "days": lambda reader: days_told(reader, KEYS),
    "known statements": lambda reader: statements_known_by(reader, KEYS, LATELY),
    "books of statements": lambda reader: told_of_by_statements(reader, KEYS),
    "executions without the broker's id": nothing_unnamed,
    "books told of since": lambda reader: books_told_of_since(reader, LATELY),
}


@pytest.mark.grown(LONGER + STATED)
@pytest.mark.parametrize("analyzed", [True, False], ids=["analyzed", "without statistics"])
async def test_what_a_book_is_held_to_is_found_without_reading_a_table_from_end_to_end(
    analyzed: bool, database: Database
) -> None:
    """As in a first import, the planner may not know yet how much there is."""
    if analyzed:
        async with database.write() as writer:
            await writer.execute(text("ANALYZE"))
    for name, ask in ASKED.items():
        async with database.read() as reader:
            explaining = Bound(reader)
            assert await ask(cast("Reader", explaining)), name
        assert explaining.plans, name
        for plan in explaining.plans:
            assert not re.search(rf"Seq Scan on ({TABLES})\b", plan), f"{name}:\n{plan}"


ODD = (
    r"UPDATE stated_trades SET exec_id = E'c\\\\1\\t2' WHERE number = 1",
    "UPDATE stated_trades SET cost = NULL WHERE number % 7 = 0",
    "UPDATE stated_trades SET outcome = 'disputed' WHERE number % 11 = 0",
    "UPDATE imports SET status = 'undone', undone_at = now() WHERE id = 3",
)
"""An id that COPY escapes, trades without a cost, disputed ones, and a statement that does not stand."""


@pytest.mark.grown(LONGER + STATED)
async def test_what_trades_did_is_the_same_read_line_by_line(database: Database) -> None:
    async with database.write() as writer:
        for change in ODD:
            await writer.execute(text(change))
    every: list[BookKey] = [(account, conid) for account in ("U1", "U2", "U3") for conid in range(1, 30)]
    async with database.write() as writer:
        for until in (None, LATELY):
            asked = dict.fromkeys(every, until)
            told = await effects_of(writer, asked)
            assert told
            assert read_effects(await effect_lines_of(writer, asked)) == told
