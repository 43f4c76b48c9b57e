"""What an attribution asks is found by an index, however large the tables have grown."""

import re
from datetime import UTC, datetime
from typing import cast

import pytest

from models.queries.attribution.account import Stored, gain_between
from models.session import Database, Reader
from tests.models.grown import GROWN_TABLES
from tests.models.test_anchor_plans import STATED, TABLES, Bound

SINCE, UNTIL = datetime(2021, 3, 3, tzinfo=UTC), datetime(2021, 3, 13, tzinfo=UTC)
MORE = """
INSERT INTO stated_inventories (account, as_of, import_id, line) SELECT account, date '2000-01-01' + n, 1, n
    FROM made;
INSERT INTO stated_values (account, as_of, import_id, line, net_liquidation) SELECT account,
    date '2000-01-01' + n, 1, n, 1 FROM made;
INSERT INTO stated_changes (account, starts_on, ends_on, import_id, line, starting, ending, contribution,
    gain) SELECT account, date '2000-01-01' + n, date '2000-01-01' + n, 1, n, 1, 1, 0, 0 FROM made;
DELETE FROM snapshots WHERE asof_ts > '2021-03-12 12:00Z';
UPDATE broker_accounts SET base_currency = 'USD';
UPDATE instruments SET currency = 'EUR' WHERE conid % 2 = 0;
ANALYZE;
"""
ALL_TABLES = f"{GROWN_TABLES}|{TABLES}|stated_inventories|stated_values|stated_changes|stated_periods"


@pytest.mark.grown(STATED.replace("'2030-01-01'", "m.at::date") + MORE)
async def test_no_question_of_an_attribution_reads_a_grown_table_from_end_to_end(database: Database) -> None:
    for since, until in ((SINCE, UNTIL), (SINCE, datetime(2021, 3, 12, tzinfo=UTC)), (None, UNTIL)):
        async with database.read() as reader:
            explaining = Bound(reader)
            stored = await gain_between(cast("Reader", explaining), "U1", since, until)
        assert isinstance(stored, Stored)
        assert stored.moved.trades
        assert stored.rates
        assert len(explaining.plans) > 10
        for plan in explaining.plans:
            assert not re.search(rf"Seq Scan on ({ALL_TABLES})\b", plan), plan
