"""What the API asks of the past is found by an index, however long the past has grown."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import ClauseElement, Executable, text
from sqlalchemy.ext.compiler import compiles

from core.domain.books import BookKey
from models.queries.as_of import positions_as_of
from models.queries.known_at import books_told_of_since, reports_known_by, words_known_by
from models.queries.valuation import valuations
from models.session import Database, Reader
from tests.models.grown import statements

# Twenty thousand positions of three hours each, the broker's words about them, and the books they are in.
LONGER = """
UPDATE positions SET closed_at = opened_at + interval '3 hours', ordinal = 1 + ordinal / 120;
INSERT INTO ledger_books (account, conid, episodes) SELECT DISTINCT account, conid, 167 FROM made
    ON CONFLICT DO NOTHING;
INSERT INTO position_statements (account, conid, quantity, as_of, received_at, epoch, seq, anchor,
    anchored_at) SELECT account, conid, 3, at, at, 1, n, 'settled', at FROM made;
ANALYZE;
"""
TABLES = "positions|position_events|lots|lot_disposals|executions|commission_reports|position_statements"
OF_VALUES = f"{TABLES}|kept|snapshots|fx_rates|cash_balances|stated_positions|stated_values"
AT = datetime(2025, 3, 3, 12, tzinfo=UTC)
LATELY = datetime(2025, 12, 20, tzinfo=UTC)
KEY: BookKey = ("U1", 1)


pytestmark = pytest.mark.grown(LONGER)


class Plan(Executable, ClauseElement):
    """What PostgreSQL would do for a query, with the values that it is asked with."""

    inherit_cache = False

    def __init__(self, query: Any) -> None:
        self.query = query


@compiles(Plan)
def _explain(plan: Plan, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN {compiler.process(plan.query, **options)}"


class Explaining:
    """A reader that keeps the plan of each query it is asked."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.plans: list[str] = []

    async def execute(self, query: Any) -> Any:
        plan = await self.reader.execute(Plan(query))
        self.plans.append("\n".join(row[0] for row in plan))
        return await self.reader.execute(query)


async def _plans(database: Database, ask: Any, tables: str = TABLES) -> tuple[Any, list[str]]:
    async with database.read() as reader:
        explaining = Explaining(reader)
        found = await ask(cast("Reader", explaining))
    assert explaining.plans
    for plan in explaining.plans:
        assert not re.search(rf"Seq Scan on ({tables})\b", plan), plan
    return found, explaining.plans


@pytest.mark.parametrize("account", [None, "U2"])
@pytest.mark.parametrize("status", ["open", "closed", "all"])
async def test_what_was_held_is_found_without_reading_a_grown_table_from_end_to_end(
    status: Any, account: str | None, database: Database
) -> None:
    found, _ = await _plans(
        database,
        lambda reader: positions_as_of(
            reader, AT, status=status, account=account, limit=101, apart=[KEY, ("U2", 2)], known_by=LATELY
        ),
    )
    assert found


async def test_what_was_held_is_found_by_the_moment_and_not_by_going_through_what_came_before(
    database: Database,
) -> None:
    found, plans = await _plans(
        database, lambda reader: positions_as_of(reader, AT, status="open", limit=101)
    )
    assert len(found) in {1, 2}
    assert all(one.opened_at <= AT < one.opened_at + timedelta(hours=3) for one in found)
    assert "ix_positions_held" in plans[0]


async def test_what_came_to_be_known_since_is_found_by_when_it_was_received(database: Database) -> None:
    found, _ = await _plans(database, lambda reader: books_told_of_since(reader, LATELY, account="U1"))
    assert {account for account, _ in found} == {"U1"}


async def test_what_was_known_of_a_book_is_read_in_portions_by_its_key(database: Database) -> None:
    found, plans = await _plans(database, lambda reader: reports_known_by(reader, [KEY], LATELY, most=50))
    times = [one.executed_at for one in found[KEY]]
    assert len(times) > 100
    assert times == sorted(times)
    assert len(plans) == len(times) // 50 + 1
    words, _ = await _plans(database, lambda reader: words_known_by(reader, [KEY], LATELY))
    assert len(words[KEY]) == len(times)


# Two days of marks of each book, rates, splits; and what was held then is of what snapshots tell of.
TOLD = """
UPDATE instruments SET currency = 'EUR';
INSERT INTO stated_positions (import_id, line, account, conid, as_of, quantity, mark_price) SELECT 1, n,
    account, conid, at, 3, 10 FROM made WHERE conid <> 1;
INSERT INTO stated_values (import_id, line, account, as_of, currency, net_liquidation) SELECT DISTINCT ON
    (account, at::date) 1, n, account, at::date, 'USD', 1 FROM made;
UPDATE position_events SET cause = 'split' WHERE type = 'increased' AND position_id IN (SELECT id FROM made
    WHERE n % 100 = 0);
UPDATE position_events SET executed_at = executed_at + interval '3 hours' WHERE type = 'closed';
UPDATE positions SET conid = 1, account = 'U2', ordinal = extract(epoch FROM opened_at) / 60
    WHERE tstzrange(opened_at, closed_at) @> timestamptz '2022-03-03 12:00Z'
    OR tstzrange(opened_at, closed_at) @> timestamptz '2025-03-03 12:00Z';
ANALYZE;
"""


async def test_what_accounts_were_worth_is_found_by_the_moment_however_many_hours_there_are(
    database: Database,
) -> None:
    async with database.write() as writer:
        for statement in statements(TOLD):
            await writer.execute(text(statement))
    # In the midst of the snapshots, and long after the last of them.
    for at, age in ((datetime(2022, 3, 3, 12, tzinfo=UTC), timedelta(0)), (AT, timedelta(days=600))):
        for accounts in ([], ["U2"]):

            async def ask(reader: Reader, at: datetime = at, accounts: Any = accounts) -> Any:
                return await valuations(reader, at, accounts)

            found, plans = await _plans(database, ask, OF_VALUES)
            marks = [each.mark for one in found for each in one.positions]
            assert marks
            assert all(one is not None and at - one.as_of >= age for one in marks)
            assert all(one.cash for one in found)
            assert len(plans) <= 9 + (not accounts), "one question for all, however much is held"
            assert any("kept_conid_mark_as_of_idx" in plan for plan in plans)
