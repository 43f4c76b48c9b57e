"""What the API asks of the ledger is found by an index, however large the tables have grown."""

import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast, get_args

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from core.domain.performance import Resolution
from models.noted import PositionOf
from models.queries.allocation import Grouping, allocation, allocation_together, latest_snapshots
from models.queries.benchmarks import currency_of_benchmark, levels_between
from models.queries.cash import BalanceKey, FlowKey, RateKey, balances_page, flows_page, rates_page
from models.queries.comparison import closed_position, closed_positions, closing_keys, stored_of
from models.queries.dead_facts import dead_facts_page
from models.queries.differences import compared_at, comparisons_page, difference_by_id, differences_page
from models.queries.disputes.compare import DifferenceKey
from models.queries.disputes.compare import differences_page as statement_differences_page
from models.queries.executions import ExecutionKey, executions_page
from models.queries.grouping import GroupKey
from models.queries.groups import accounts_of_group
from models.queries.history import History, history
from models.queries.instrument_page import income_of, last_mark_of, outcome_of
from models.queries.issues import (
    IssueKey,
    issue_by_id,
    issues_page,
    open_counts,
    past_acknowledgements,
    unresolved_counts,
)
from models.queries.jobs_listed import JobKey, failed_jobs, jobs_page
from models.queries.lots import averages_of, disposal_counts, disposals_of, lots_page
from models.queries.measured_series import rates_between, rows_of
from models.queries.notes import notes_page, tags_of, tags_page
from models.queries.outages import first_hour, link_away
from models.queries.performance import PerformanceKey, performance_page
from models.queries.placed import placed_at, traded_between
from models.queries.positions import book_of, positions_page
from models.queries.prices import prices_between
from models.queries.realized import realized_page
from models.queries.realized_differences import FillKey, differing_fills, realized_totals
from models.queries.reconciliation import standing_differences
from models.queries.snapshots import (
    RunState,
    SnapshotKey,
    hours_by_status,
    oldest_of_newest,
    parts_of,
    run_of_hour,
    runs_page,
    snapshot_by_id,
    snapshot_gaps,
    snapshots_page,
    status_before,
)
from models.queries.statements import StatementKey, statements_page
from models.queries.statistics import statistics_page
from models.queries.watched import jobs_by_status, newest_snapshots
from models.session import Database, Reader
from tests.models.grown import GROWN_TABLES

DAY = date(2030, 1, 1)
SINCE, UNTIL = datetime(2025, 3, 3, tzinfo=UTC), datetime(2025, 3, 5, tzinfo=UTC)


class Explaining:
    """A reader that keeps the plan of each query it is asked."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.plans: list[str] = []

    async def execute(self, query: Any, parameters: Any = None) -> Any:
        query = query.bindparams(**parameters) if parameters else query
        spelled = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
        plan = await self.reader.execute(text("EXPLAIN " + str(spelled).replace(":", r"\:")))
        self.plans.append("\n".join(plan.scalars()))
        return await self.reader.execute(query)


Ask = Callable[[Reader, uuid.UUID], Awaitable[object]]


async def _disposals(reader: Reader, position_id: uuid.UUID) -> object:
    return await disposals_of(reader, position_id, await lots_page(reader, position_id, limit=2))


async def _disposal_counts(reader: Reader, position_id: uuid.UUID) -> object:
    return await disposal_counts(reader, position_id, await lots_page(reader, position_id, limit=2))


async def _tagged(reader: Reader, one: uuid.UUID) -> object:
    """Nobody has written anything: it is the plan that counts."""
    of = PositionOf(one, "U1", 3)
    assert not await positions_page(reader, status="all", tag="dividend", limit=101)
    assert not await tags_of(reader, of)
    assert not await tags_page(reader, limit=101)
    return not await notes_page(reader, of, limit=101)


async def _stored(reader: Reader, position_id: uuid.UUID) -> object:
    one = await closed_position(reader, position_id)
    return None if one is None else all(await stored_of(reader, [one]))


async def _keys(reader: Reader, _: object) -> object:
    chosen = await closed_positions(reader, account=None, since=SINCE, until=UNTIL)
    return await closing_keys(reader, chosen[:20], grouping="day", since=SINCE, until=UNTIL)


async def _snapshot(reader: Reader, _: object) -> object:
    one = await snapshot_by_id(reader, 15000)
    return one is not None and all(await parts_of(reader, one))


async def _held(reader: Reader, _: object) -> object:
    for by in get_args(Grouping):
        assert await allocation(reader, by, ["U1"], top=9), by
        assert await allocation_together(reader, by, ["U1", "U2"], top=9), by
    return await latest_snapshots(reader, ["U1", "U2", "U3"])


async def _hours(reader: Reader, _: object) -> RunState | None:
    # Of whole months of a history that has them all; the figures for the metrics look at the last day.
    gaps = await snapshot_gaps(reader, account="U1", since=SINCE, until=UNTIL, limit=9)
    assert gaps, "the other two accounts have their own hours"
    assert await oldest_of_newest(reader)
    assert await hours_by_status(reader, UNTIL) is not None
    assert await status_before(reader, UNTIL) == "success"
    return await run_of_hour(reader, datetime(2022, 3, 3, tzinfo=UTC))


async def _outages(reader: Reader, _: object) -> object:
    assert await first_hour(reader)
    return await link_away(reader, SINCE, UNTIL, timedelta(hours=1))


async def _watched(reader: Reader, _: object) -> object:
    # Executions without their commission have an index of their own, which says nothing here: none has one.
    await jobs_by_status(reader, UNTIL)
    await standing_differences(reader)
    return await newest_snapshots(reader)


async def _drawn(reader: Reader, **asked: Any) -> object:
    found: History = await history(reader, "U1", points=200, **asked)
    return found.rows


async def _instrument(reader: Reader, _: object) -> object:
    assert await income_of(reader, 3, ["U1", "U2", "U3"])
    await last_mark_of(reader, 3, ["U1", "U2", "U3"])
    return (await outcome_of(reader, 3, ["U1", "U2", "U3"])).closed


async def _measures(reader: Reader, _: object) -> object:
    # Of two days; the figures of years read most of what there is of an account.
    assert await placed_at(reader, ["U1", "U2"], UNTIL)
    assert await traded_between(reader, ["U1", "U2"], SINCE, UNTIL)
    assert await accounts_of_group(reader, "G7")
    assert await currency_of_benchmark(reader, "B3") is not None
    assert await levels_between(reader, "B3", SINCE.date(), UNTIL.date())
    for resolution in get_args(Resolution):
        assert await rates_between(reader, ["EUR", "USD"], resolution, since=SINCE, until=UNTIL)
    [told] = await rows_of(reader, ["U1"], "day", since=SINCE, until=UNTIL)
    return told.rows


ASKED: dict[str, Ask] = {
    "hours of years as points": lambda reader, _: _drawn(reader, resolution="auto"),
    "hours of months as points": lambda reader, _: _drawn(
        reader, resolution="hour", since=datetime(2025, 1, 1, 9, tzinfo=UTC), until=UNTIL
    ),
    "hours of a week": lambda reader, _: _drawn(
        reader, resolution="hour", since=datetime(2025, 2, 27, tzinfo=UTC), until=UNTIL
    ),
    "days as points": lambda reader, _: _drawn(reader, resolution="day"),
    "open issues": lambda reader, _: issues_page(reader, status="open", limit=101),
    "open issues of a rule": lambda reader, _: issues_page(
        reader, status="open", rule="snapshot-gap", account="U1", severity="warning", limit=101
    ),
    "resolved issues": lambda reader, _: issues_page(
        reader, status="resolved", after=IssueKey(datetime(2022, 5, 1, tzinfo=UTC), 9), limit=101
    ),
    "an issue": lambda reader, _: issue_by_id(reader, 15000),
    "what was acknowledged before": lambda reader, _: past_acknowledgements(reader, 15000),
    "how many issues are open": lambda reader, _: open_counts(reader),
    "jobs": lambda reader, one: jobs_page(reader, after=JobKey(UNTIL, one), limit=101),
    "jobs of a kind": lambda reader, _: jobs_page(reader, kind="import", limit=101),
    "failed jobs": lambda reader, _: jobs_page(reader, status="failed", limit=101),
    "jobs that failed lately": lambda reader, _: failed_jobs(
        reader, now=UNTIL, within=timedelta(days=900), most=101
    ),
    "what was set aside": lambda reader, _: dead_facts_page(reader, after=15000, limit=101),
    "what was set aside and stands open": lambda reader, _: dead_facts_page(reader, status="open", limit=101),
    "statements": lambda reader, _: statements_page(
        reader, after=StatementKey(UNTIL, 7, "U2", UNTIL), limit=101
    ),
    "statements of an account": lambda reader, _: statements_page(reader, account="U1", limit=101),
    "a page about an instrument": _instrument,
    "issues by rule": lambda reader, _: unresolved_counts(reader, ["U1"]),
    "measures": _measures,
    "snapshots": lambda reader, _: snapshots_page(reader, limit=101),
    "snapshots of an account": lambda reader, _: snapshots_page(
        reader, account="U1", until=UNTIL, after=SnapshotKey(datetime(2022, 5, 1, tzinfo=UTC), 9), limit=101
    ),
    "a snapshot": _snapshot,
    "runs of snapshots": lambda reader, _: runs_page(reader, after=15000, limit=101),
    "hours of snapshots": _hours,
    "when the links were away": _outages,
    "what is counted for whoever watches": _watched,
    "allocation": _held,
    "positions of a time": lambda reader, _: positions_page(
        reader, status="all", since=SINCE, until=UNTIL, limit=101
    ),
    "positions with a tag": _tagged,
    "prices of an instrument": lambda reader, _: prices_between(
        reader,
        account="U1",
        conid=3,
        since=datetime(2022, 3, 3, tzinfo=UTC),
        until=datetime(2022, 3, 5, tzinfo=UTC),
        points=500,
    ),
    "lots": lambda reader, one: lots_page(reader, one, after=1, limit=2),
    "disposals": _disposals,
    "numbers of disposals": _disposal_counts,
    "averages": averages_of,
    "book of a position": book_of,
    "executions of a position": lambda reader, one: executions_page(
        reader, position_id=one, after=ExecutionKey(datetime(2026, 1, 1, tzinfo=UTC), "x"), limit=101
    ),
    "a position under every method": _stored,
    "closings to match again": _keys,
    "realized by day": lambda reader, _: realized_page(
        reader, grouping="day", since=SINCE, until=UNTIL, limit=101
    ),
    "realized by day, second page": lambda reader, _: realized_page(
        reader,
        grouping="day",
        since=SINCE,
        account="U1",
        after=GroupKey("2025-03-05", "U1", "USD"),
        limit=2,
    ),
    "realized by symbol": lambda reader, _: realized_page(
        reader, grouping="symbol", account="U1", since=SINCE, until=UNTIL, limit=101
    ),
    "realized differences": lambda reader, _: differing_fills(reader, since=SINCE, until=UNTIL, limit=101),
    "realized differences, second page": lambda reader, _: differing_fills(
        reader, since=SINCE, account="U1", after=FillKey(UNTIL, "x"), limit=2
    ),
    "realized of a symbol": lambda reader, _: realized_page(
        reader, grouping="month", symbol="S12", since=SINCE, until=UNTIL, limit=101
    ),
    "realized totals": lambda reader, _: realized_totals(reader, since=SINCE, until=UNTIL),
    "statistics by day": lambda reader, _: statistics_page(
        reader, grouping="day", since=SINCE, until=UNTIL, limit=101
    ),
    "statistics by day, second page": lambda reader, _: statistics_page(
        reader,
        grouping="day",
        since=SINCE,
        account="U1",
        after=GroupKey("2025-03-05", "U1", "USD"),
        limit=2,
    ),
    "statistics by account": lambda reader, _: statistics_page(
        reader, grouping="account", since=SINCE, until=UNTIL, limit=101
    ),
    "comparisons": lambda reader, _: comparisons_page(reader, limit=101),
    "comparisons of an account": lambda reader, _: comparisons_page(
        reader, account="U1", after=15000, limit=101
    ),
    "when all were compared": lambda reader, _: compared_at(reader),
    "open differences": lambda reader, _: differences_page(
        reader, status="open", account="U1", symbol="S3", kind="quantity_mismatch", limit=101
    ),
    "open differences of a book": lambda reader, _: differences_page(
        reader, status="open", account="U1", conid=3, limit=101
    ),
    "open differences of all": lambda reader, _: differences_page(reader, status="open", limit=101),
    "acknowledged differences": lambda reader, _: differences_page(reader, status="acknowledged", limit=101),
    "standing differences of a book": lambda reader, _: differences_page(
        reader, status="standing", account="U1", conid=3, limit=101
    ),
    "a difference": lambda reader, _: difference_by_id(reader, 15000),
    "resolved differences": lambda reader, _: differences_page(
        reader, status="resolved", after=15000, limit=101
    ),
    "performance": lambda reader, _: performance_page(reader, resolution="day", limit=101),
    "performance of an account": lambda reader, _: performance_page(
        reader,
        resolution="day",
        account="U1",
        since=SINCE,
        after=PerformanceKey(UNTIL, "U1", "statement"),
        limit=101,
    ),
    "balances": lambda reader, _: balances_page(reader, limit=101),
    "latest balances": lambda reader, _: balances_page(reader, account="U1", latest=True, limit=101),
    "balances, second page": lambda reader, _: balances_page(
        reader, after=BalanceKey(DAY, "U1", "USD"), limit=101
    ),
    "flows": lambda reader, _: flows_page(reader, limit=101),
    "flows of an account": lambda reader, _: flows_page(
        reader, account="U1", kind="dividend", after=FlowKey(UNTIL, "9"), limit=101
    ),
    "rates": lambda reader, _: rates_page(reader, after=RateKey(DAY, "EUR", "USD"), limit=101),
    "differences from statements": lambda reader, one: statement_differences_page(
        reader, after=DifferenceKey(DAY, one), limit=101
    ),
    "differences from statements of an account": lambda reader, _: statement_differences_page(
        reader, account="U1", since=DAY, limit=101
    ),
    "differences from a statement": lambda reader, _: statement_differences_page(
        reader, import_id=1, limit=101
    ),
    "all differences of an account": lambda reader, _: differences_page(
        reader, status="all", account="U2", symbol="S3", limit=101
    ),
}


@pytest.mark.grown
async def test_no_question_about_the_ledger_reads_a_grown_table_from_end_to_end(database: Database) -> None:
    async with database.read() as reader:
        grown = (await reader.execute(text("SELECT id FROM made WHERE n = 15000"))).scalar_one()
    for name, ask in ASKED.items():
        async with database.read() as reader:
            explaining = Explaining(reader)
            found = await ask(cast("Reader", explaining), grown)
        assert found, name
        for plan in explaining.plans:
            assert not re.search(rf"Seq Scan on ({GROWN_TABLES})\b", plan), f"{name}:\n{plan}"


async def test_the_plans_are_looked_at(database: Database) -> None:
    async with database.read() as reader:
        explaining = Explaining(reader)
        await realized_page(cast("Reader", explaining), grouping="day", limit=1)
    assert "lot_disposals" in explaining.plans[0]
