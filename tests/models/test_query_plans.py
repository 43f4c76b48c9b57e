"""What the API asks of the ledger is found by an index, however large the tables have grown."""

import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any, cast, get_args

from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from core.domain.performance import Resolution
from models.queries.allocation import Grouping, allocation, latest_snapshots
from models.queries.benchmarks import currency_of_benchmark, levels_between
from models.queries.cash import BalanceKey, FlowKey, RateKey, balances_page, flows_page, rates_page
from models.queries.comparison import closed_position, closed_positions, closing_keys, stored_of
from models.queries.differences import comparisons_page, differences_page
from models.queries.disputes.compare import DifferenceKey
from models.queries.disputes.compare import differences_page as statement_differences_page
from models.queries.executions import ExecutionKey, executions_page
from models.queries.grouping import GroupKey
from models.queries.groups import accounts_of_group
from models.queries.history import History, history
from models.queries.issues import issue_by_id, issues_page, open_counts
from models.queries.lots import averages_of, disposals_of, lots_page
from models.queries.measured_series import rates_between, rows_of
from models.queries.performance import PerformanceKey, performance_page
from models.queries.placed import placed_at, traded_between
from models.queries.positions import book_of
from models.queries.realized import realized_page
from models.queries.realized_differences import FillKey, differing_fills, realized_totals
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
from models.queries.statistics import statistics_page
from models.session import Database, Reader

DAY = date(2030, 1, 1)
SINCE, UNTIL = datetime(2025, 3, 3, tzinfo=UTC), datetime(2025, 3, 5, tzinfo=UTC)
# One position a little more than every two hours, for five years.
GROWN = """
INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) SELECT 'U' || n, false,
    now(), now() FROM generate_series(1, 3) n;
INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier,
    price_magnifier, exchange, trading_class, expiry, option_right, description, updated_at) SELECT
    n, 'S' || n, 'S' || n, 'STK', 'USD', 1, 1, 'SMART', 'S', '', '', '', now() FROM
    generate_series(1, 40) n;
CREATE TEMPORARY TABLE made AS SELECT n, md5('p' || n)::uuid AS id, 'U' || 1 + n % 3 AS account, 1 +
    n % 40 AS conid, timestamptz '2021-01-01 00:00Z' + n * interval '131 minutes' AS at FROM
    generate_series(1, 20000) n;
INSERT INTO positions (id, account, conid, ordinal, status, side, quantity, max_quantity,
    realized_pnl, commission, opened_at, closed_at, provisional, missing_commissions, estimated,
    event_count, lot_count, disposal_count, version, updated_at) SELECT id, account, conid, n,
    'closed', 'long', 0, 3, 1, 1, at, at, false, 0, false, 4, 3, 3, 1, at FROM made;
INSERT INTO ledger_books (account, conid) SELECT DISTINCT account, conid FROM made;
INSERT INTO lots (position_id, seq, exec_id, opened_at, quantity, remaining, price, unit_cost,
    commission, remaining_commission) SELECT id, k, 'o' || n || '.' || k, at, 1, 0, 10, 10, 0, 0
    FROM made, generate_series(1, 3) k;
INSERT INTO lot_disposals (position_id, lot_seq, seq, exec_id, opened_at, closed_at, quantity,
    open_price, close_price, cost, proceeds, open_commission, close_commission, realized_pnl,
    provisional) SELECT id, k, k, 'c' || n, at, at, 1, 10, 11, 10, 11, 0, 0, 1, false FROM made,
    generate_series(1, 3) k;
INSERT INTO position_events (position_id, seq, type, executed_at, quantity, price, position_after,
    exec_id) SELECT id, k, 'increased', at, 1, 10, k, 'o' || n || '.' || k FROM made,
    generate_series(1, 3) k;
INSERT INTO position_events (position_id, seq, type, executed_at, quantity, price, position_after,
    exec_id) SELECT id, 4, 'closed', at, -3, 11, 0, 'c' || n FROM made;
INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side,
    quantity, price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code,
    zone_assumed, source, received_at, epoch) SELECT 'c' || n, 'c' || n, 0, account, conid, at,
    'SLD', 3, 11, 0, 0, 0, '', '', 0, '', false, 'live', at, 1 FROM made;
INSERT INTO commission_reports (exec_id, commission, currency, realized_pnl, received_at, epoch)
    SELECT 'c' || n, 0, 'USD', 3 + (n % 7 = 0)::int, at, 1 FROM made;
INSERT INTO reconciliations (account, started_at, finished_at, trigger, checked, differences) SELECT
    account, at, at, 'sweep', 9, 0 FROM made;
INSERT INTO reconciliation_differences (account, conid, kind, cause, ours, brokers, since,
    resolved_at) SELECT account, conid, 'quantity_mismatch', 'expiry', 1, 0, at, at FROM made;
INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) VALUES ('x', 1, '', now());
INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report) VALUES ('flex',
    'x', 'x', 'done', 'cli', now(), now(), '{}');
INSERT INTO cash_flows (import_id, line, flow_key, account, kind, external, at, amount, currency, symbol,
    transaction_id, description) SELECT 1, n, n, account, 'dividend', false, at, 1, 'USD', '', '', ''
    FROM made;
INSERT INTO cash_balances (import_id, line, account, currency, as_of, cash) SELECT 1, n, account, 'USD',
    date '2000-01-01' + n, 1 FROM made;
INSERT INTO fx_rates (import_id, line, currency, into_currency, as_of, rate) SELECT 1, n, 'EUR', 'USD',
    date '2000-01-01' + n, 1 FROM made;
INSERT INTO performance_metrics (account, resolution, ts, source, day, net_liquidation, data_quality,
    import_id) SELECT account, 'day', at, 'statement', at::date, 1, 'complete', 1 FROM made;
INSERT INTO performance_metrics (account, resolution, ts, source, day, net_liquidation, twr, data_quality,
    extreme) SELECT 'U1', 'hour', h, 'snapshot', h::date, 1 + n % 97, n % 89, 'complete', n % 3 FROM
    generate_series(1, 40000) n, LATERAL (SELECT timestamptz '2021-01-01 00:00Z' + n * interval '1 hour')
    k(h);
INSERT INTO statement_differences (id, account, day, kind, cause, currency, reference, stated, import_id,
    line, found_at) SELECT id, account, date '2000-01-01' + n, 'cash', 'unexplained', 'USD', '', 1, 1, n,
    at FROM made;
CREATE TABLE kept PARTITION OF snapshot_positions FOR VALUES FROM ('2021-01-01Z') TO ('2030-01-01Z');
INSERT INTO snapshot_runs (trigger, hour, status, attempts, schema_version, app_version, started_at,
    finished_at) SELECT 'hourly', timestamptz '2021-01-01 00:00Z' + n * interval '1 hour', 'success', 1,
    '', '', now(), now() FROM made;
INSERT INTO snapshots (snapshot_key, run_id, account, hour, asof_ts, taken_at, net_liquidation,
    base_currency, coverage, source, payload_sha256) SELECT m.account || n, r.id, m.account, r.hour, r.hour,
    r.hour, 1, 'USD', 1, 'ibkr', 'x' FROM made m JOIN snapshot_runs r ON r.id = n;
INSERT INTO snapshot_positions (snapshot_id, asof_ts, conid, quantity, currency, fresh, mark_price,
    mark_as_of) SELECT s.id, s.asof_ts, c, 1, 'USD', true, 10, s.asof_ts FROM snapshots s,
    generate_series(1, 3) c;
INSERT INTO fx_rates (source, snapshot_id, currency, into_currency, as_of, at, rate) SELECT 'snapshot',
    id, 'EUR', 'USD', date '2000-01-01' + id::int, asof_ts, 1 FROM snapshots;
INSERT INTO cash_balances (source, snapshot_id, account, currency, as_of, at, cash) SELECT 'snapshot',
    id, account, 'USD', date '2000-01-01' + id::int, asof_ts, 1 FROM snapshots;
INSERT INTO issues (rule, severity, account, subject, summary, details, first_seen, opened_at, last_seen,
    resolved_at) SELECT 'snapshot-gap', 'warning', account, n, '', '{}', at, at, at,
    CASE WHEN n % 4000 <> 0 THEN at END FROM made;
INSERT INTO account_groups (name, changed_at) SELECT 'G' || n, now() FROM generate_series(1, 5000) n;
INSERT INTO account_group_members (name, account) SELECT name, a.account FROM account_groups,
    broker_accounts a;
INSERT INTO benchmark_levels (benchmark, day, level, currency, source_sha256, imported_at) SELECT 'B' ||
    n % 5, date '2000-01-01' + n, 1, '', '', now() FROM generate_series(1, 20000) n;
INSERT INTO reconciliation_differences (account, conid, kind, ours, brokers, since) VALUES ('U1', 3,
    'quantity_mismatch', 1, 0, now());
ANALYZE;
"""
GROWN_TABLES = (
    "positions|position_events|lots|lot_disposals|executions|commission_reports|"
    "reconciliations|reconciliation_differences|cash_flows|cash_balances|fx_rates|performance_metrics|"
    "statement_differences|snapshot_runs|snapshots|kept|issues|account_group_members|benchmark_levels"
)


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
    groupings: tuple[Grouping, ...] = ("global_instrument", "asset_class", "currency", "country")
    for by in groupings:
        assert await allocation(reader, by, "U1", top=9), by
    return await latest_snapshots(reader, None)


async def _hours(reader: Reader, _: object) -> RunState | None:
    # Of whole months of a history that has them all; the figures for the metrics look at the last day.
    gaps = await snapshot_gaps(reader, account="U1", since=SINCE, until=UNTIL, limit=9)
    assert gaps, "the other two accounts have their own hours"
    assert await oldest_of_newest(reader)
    assert await hours_by_status(reader, UNTIL) is not None
    assert await status_before(reader, UNTIL) == "success"
    return await run_of_hour(reader, datetime(2022, 3, 3, tzinfo=UTC))


async def _drawn(reader: Reader, **asked: Any) -> object:
    found: History = await history(reader, "U1", points=200, **asked)
    return found.rows


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
    return told.lines


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
    "resolved issues": lambda reader, _: issues_page(reader, status="resolved", after=15000, limit=101),
    "an issue": lambda reader, _: issue_by_id(reader, 15000),
    "how many issues are open": lambda reader, _: open_counts(reader),
    "measures": _measures,
    "snapshots": lambda reader, _: snapshots_page(reader, limit=101),
    "snapshots of an account": lambda reader, _: snapshots_page(
        reader, account="U1", until=UNTIL, after=SnapshotKey(datetime(2022, 5, 1, tzinfo=UTC), 9), limit=101
    ),
    "a snapshot": _snapshot,
    "runs of snapshots": lambda reader, _: runs_page(reader, after=15000, limit=101),
    "hours of snapshots": _hours,
    "allocation": _held,
    "lots": lambda reader, one: lots_page(reader, one, after=1, limit=2),
    "disposals": _disposals,
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
    "open differences": lambda reader, _: differences_page(
        reader, status="open", account="U1", symbol="S3", kind="quantity_mismatch", limit=101
    ),
    "open differences of a book": lambda reader, _: differences_page(
        reader, status="open", account="U1", conid=3, limit=101
    ),
    "open differences of all": lambda reader, _: differences_page(reader, status="open", limit=101),
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


async def test_no_question_about_the_ledger_reads_a_grown_table_from_end_to_end(database: Database) -> None:
    async with database.write() as writer:
        for statement in GROWN.strip().rstrip(";").split(";\n"):
            await writer.execute(text(statement))
        grown = (await writer.execute(text("SELECT id FROM made WHERE n = 15000"))).scalar_one()
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
