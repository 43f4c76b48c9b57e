"""What is asked for somebody who may see some accounts only is found by an index, too."""

import re
from typing import cast

import pytest
from sqlalchemy import text

from core.settings import Settings
from models.queries.executions import executions_page
from models.queries.positions import events_page, position_by_id, positions_page
from models.restricted import RestrictedPool
from models.session import Database, Reader
from tests.models.grown import GROWN_TABLES
from tests.models.test_query_plans import ASKED, Ask, Explaining

NOT_FOR_THEM = frozenset(
    {
        "hours of snapshots",
        "runs of snapshots",
        "jobs",
        "jobs of a kind",
        "failed jobs",
        "jobs that failed lately",
        "what is counted for whoever watches",
        "when the links were away",
        "what was set aside",
        "what was set aside and stands open",
        "statements",
        "statements of an account",
    }
)
"""Figures for metrics, and runs, jobs, links and facts nearly all of which are of all accounts."""

# An import has hundreds of periods there, as no statement has: to read all is quicker than their index.
GROWN_FOR_THEM = GROWN_TABLES.replace("|stated_periods", "")

LISTED: dict[str, Ask] = {
    **{name: ask for name, ask in ASKED.items() if name not in NOT_FOR_THEM},
    "executions": lambda reader, _: executions_page(reader, limit=101),
    "closed positions": lambda reader, _: positions_page(reader, status="closed", limit=101),
    "a position": position_by_id,
    "how a position came about": lambda reader, one: events_page(reader, one, limit=101),
}
# Fills are of many sizes, and statements tell of an account.
GROWN_FURTHER = """
UPDATE executions SET quantity = 1 + abs(hashtext(exec_id) % 1000);
ANALYZE;
"""


@pytest.mark.grown(GROWN_FURTHER)
async def test_no_question_of_theirs_reads_a_grown_table_from_end_to_end(
    database: Database, settings: Settings
) -> None:
    async with database.read() as reader:
        # Of U1, as all that is asked for.
        grown = (await reader.execute(text("SELECT id FROM made WHERE n = 15000"))).scalar_one()
    pool = RestrictedPool(settings.require_database_url(), database, application="test")
    for name, ask in LISTED.items():
        async with pool.of(["U1", "U2"]).read() as reader:
            explaining = Explaining(reader)
            found = await ask(cast("Reader", explaining), grown)
        assert found, name
        for plan in explaining.plans:
            assert not re.search(rf"Seq Scan on ({GROWN_FOR_THEM})\b", plan), f"{name}:\n{plan}"
    await pool.close()
