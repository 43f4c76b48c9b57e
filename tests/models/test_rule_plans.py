"""What rules read at night is found by an index: what happened lately, however much happened before."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from models.queries.rules.catalogue import RULES
from models.queries.rules.rule import LOOKED_BACK, Scope
from models.session import Database, Reader
from tests.models.grown import GROWN_TABLES
from tests.models.test_query_plans import Explaining

NOW = datetime(2025, 12, 20, tzinfo=UTC)
MORE = """
INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) SELECT id::text, 1, '', at FROM made;
UPDATE snapshots SET payload_sha256 = m.id::text FROM made m WHERE m.n = snapshots.id;
UPDATE executions SET commission_folded = true;
ANALYZE;
"""
READ_WHOLE = {
    "statement-difference": "statement_differences",  # what the last comparison found: all of it stands
    "pnl-outlier": "performance_metrics",  # more than a year of the five there are
    "realized-difference": "positions",  # looked up by hash here, as any that belongs to some lots
}


class Streaming(Explaining):
    """The same for what is streamed."""

    @asynccontextmanager
    async def stream(self, query: Any, parameters: Any) -> AsyncIterator[Any]:
        await self.execute(query, parameters)
        async with self.reader.stream(query, parameters) as rows:
            yield rows


@pytest.mark.grown(MORE)
async def test_no_rule_reads_a_grown_table_from_end_to_end(database: Database) -> None:
    scope = Scope(NOW, NOW - LOOKED_BACK)
    tables = f"{GROWN_TABLES}|raw_payloads"
    wrong = []
    for rule in RULES:
        async with database.read_one_moment() as reader:
            streaming = Streaming(reader)
            found = [one async for one in rule.check(cast("Reader", streaming), scope)]
        assert streaming.plans or found, rule.name
        for plan in streaming.plans:
            scanned = set(re.findall(rf"Seq Scan on ({tables})\b", plan))
            scanned.discard(READ_WHOLE.get(rule.name, ""))
            wrong += [f"{rule.name} reads {table}:\n{plan}" for table in sorted(scanned)]
    assert not wrong, "\n\n".join(wrong)
