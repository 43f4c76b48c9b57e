"""Every table, one file a group. Importing this package fills ``models.types.metadata``."""

from models.tables.accounts import (
    account_pnl,
    account_values,
    broker_accounts,
    installation,
    instruments,
    marks,
    user_sessions,
)
from models.tables.delivery import dead_facts, inbox, inbox_trials, outbox
from models.tables.executions import commission_reports, executions
from models.tables.imports import (
    cash_balances,
    cash_flows,
    corporate_actions,
    fx_rates,
    imports,
    raw_payloads,
    stated_changes,
    stated_instruments,
    stated_inventories,
    stated_lots,
    stated_periods,
    stated_positions,
    stated_trades,
    stated_values,
)
from models.tables.jobs import coalesced_jobs, jobs
from models.tables.performance import performance_metrics, statement_comparisons, statement_differences
from models.tables.positions import (
    ledger_books,
    lot_disposals,
    lots,
    position_events,
    position_statements,
    positions,
)
from models.tables.snapshots import snapshot_positions, snapshot_runs, snapshots
from models.tables.statements import flex_fetches
from models.tables.sync import (
    broker_links,
    broker_sessions,
    observation_gaps,
    reconciliation_differences,
    reconciliations,
    sync_datasets,
    sync_log,
)
from models.types import metadata

__all__ = [
    "account_pnl",
    "account_values",
    "broker_accounts",
    "broker_links",
    "broker_sessions",
    "cash_balances",
    "cash_flows",
    "coalesced_jobs",
    "commission_reports",
    "corporate_actions",
    "dead_facts",
    "executions",
    "flex_fetches",
    "fx_rates",
    "imports",
    "inbox",
    "inbox_trials",
    "installation",
    "instruments",
    "jobs",
    "ledger_books",
    "lot_disposals",
    "lots",
    "marks",
    "metadata",
    "observation_gaps",
    "outbox",
    "performance_metrics",
    "position_events",
    "position_statements",
    "positions",
    "raw_payloads",
    "reconciliation_differences",
    "reconciliations",
    "snapshot_positions",
    "snapshot_runs",
    "snapshots",
    "stated_changes",
    "stated_instruments",
    "stated_inventories",
    "stated_lots",
    "stated_periods",
    "stated_positions",
    "stated_trades",
    "stated_values",
    "statement_comparisons",
    "statement_differences",
    "sync_datasets",
    "sync_log",
    "user_sessions",
]
