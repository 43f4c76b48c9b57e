"""A database in which much has happened for five years; the marker ``grown`` gives a test a copy of it.

``pytest.mark.grown(further)`` adds statements of one's own. It is grown once a test process, and copied.
"""

# One position a little more than every two hours, for five years.
GROWN = """
INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) SELECT 'U' || n, false,
    now(), now() FROM generate_series(1, 3) n;
INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier,
    price_magnifier, exchange, trading_class, expiry, option_right, description, updated_at) SELECT
    n, 'S' || n, 'S' || n, 'STK', 'USD', 1, 1, 'SMART', 'S', '', '', '', now() FROM
    generate_series(1, 40) n;
CREATE TABLE made AS SELECT n, md5('p' || n)::uuid AS id, 'U' || 1 + n % 3 AS account, 1 +
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
INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) SELECT n, 1, '', now() FROM
    generate_series(2, 60) n;
INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report) SELECT 'flex', n,
    n, 'done', 'cli', now(), now(), '{}' FROM generate_series(2, 60) n;
UPDATE imports SET accounts = ARRAY['U1', 'U2', 'U3'];
UPDATE statement_differences SET import_id = 1 + (day - date '2000-01-01') % 60;
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
INSERT INTO issue_acknowledgements (issue_id, acknowledged_at, acknowledged_by, ended_at, ended)
    SELECT id, opened_at, 'page', opened_at, 'again' FROM issues;
INSERT INTO account_groups (name, changed_at) SELECT 'G' || n, now() FROM generate_series(1, 5000) n;
INSERT INTO account_group_members (name, account) SELECT name, a.account FROM account_groups,
    broker_accounts a;
INSERT INTO benchmark_levels (benchmark, day, level, currency, source_sha256, imported_at) SELECT 'B' ||
    n % 5, date '2000-01-01' + n, 1, '', '', now() FROM generate_series(1, 20000) n;
INSERT INTO reconciliation_differences (account, conid, kind, ours, brokers, since) VALUES ('U1', 3,
    'quantity_mismatch', 1, 0, now());
INSERT INTO reconciliation_differences (account, conid, kind, ours, brokers, since, acknowledged_at,
    acknowledged_by, note, acknowledged_ours, acknowledged_brokers) VALUES ('U1', 4, 'quantity_mismatch',
    1, 0, now(), now(), 'page', 'known', 1, 0);
INSERT INTO jobs (id, kind, status, created_at) SELECT id, CASE WHEN n % 3 = 0 THEN 'import' ELSE 'resync'
    END, CASE WHEN n % 4000 = 0 THEN 'failed' ELSE 'succeeded' END, at FROM made;
INSERT INTO dead_facts (fingerprint, category, reason, payload, source, first_seen_at, last_seen_at, status)
    SELECT n, 'parsing', '', '', 'facts', at, at, CASE WHEN n % 4000 = 0 THEN 'open' ELSE 'dropped' END
    FROM made;
INSERT INTO stated_periods (account, starts_at, ends_at, complete, import_id, line) SELECT account, at,
    at + interval '1 day', true, 1 + n % 60, n FROM made;
INSERT INTO broker_sessions (login, started_at, connected_at, place) SELECT 'gateway:400' || n % 3, at, at,
    n % 3 FROM made WHERE n % 50 = 0;
INSERT INTO sync_log (at, epoch, kind, message) SELECT at, 1, 'resync', 'resync completed' FROM made;
INSERT INTO sync_log (at, epoch, kind, message, details) SELECT started_at, epoch, 'link', '',
    jsonb_build_object('to', CASE WHEN epoch % 2 = 0 THEN 'live' ELSE 'disconnected' END, 'reason', '')
    FROM broker_sessions;
UPDATE cash_flows SET conid = 1 + CAST(flow_key AS int) % 40;
ANALYZE;
"""
GROWN_TABLES = (
    "positions|position_events|lots|lot_disposals|executions|commission_reports|"
    "reconciliations|reconciliation_differences|cash_flows|cash_balances|fx_rates|performance_metrics|"
    "statement_differences|snapshot_runs|snapshots|kept|issues|issue_acknowledgements|account_group_members|benchmark_levels|"
    "jobs|dead_facts|stated_periods|sync_log"
)


def statements(sql: str) -> list[str]:
    """The statements of a text, each of which ends its line."""
    return [one for one in sql.strip().rstrip(";").split(";\n") if one.strip()]
