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
from models.tables.benchmarks import benchmark_levels
from models.tables.delivery import dead_facts, inbox, inbox_trials, outbox
from models.tables.executions import commission_reports, executions
from models.tables.groups import account_group_members, account_groups
from models.tables.identity import global_instruments, instrument_mapping
from models.tables.imports import (
    cash_balances,
    cash_flows,
    corporate_actions,
    fx_rates,
    imports,
    raw_payloads,
    stated_accounts,
    stated_changes,
    stated_identities,
    stated_instruments,
    stated_inventories,
    stated_lots,
    stated_periods,
    stated_positions,
    stated_trades,
    stated_values,
)
from models.tables.issues import issues, rule_checks
from models.tables.jobs import coalesced_jobs, jobs
from models.tables.performance import (
    performance_metrics,
    performance_renewals,
    statement_comparisons,
    statement_differences,
)
from models.tables.positions import (
    carried_lots,
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
    "account_group_members",
    "account_groups",
    "account_pnl",
    "account_values",
    "benchmark_levels",
    "broker_accounts",
    "broker_links",
    "broker_sessions",
    "carried_lots",
    "cash_balances",
    "cash_flows",
    "coalesced_jobs",
    "commission_reports",
    "corporate_actions",
    "dead_facts",
    "executions",
    "flex_fetches",
    "fx_rates",
    "global_instruments",
    "imports",
    "inbox",
    "inbox_trials",
    "installation",
    "instrument_mapping",
    "instruments",
    "issues",
    "jobs",
    "ledger_books",
    "lot_disposals",
    "lots",
    "marks",
    "metadata",
    "observation_gaps",
    "outbox",
    "performance_metrics",
    "performance_renewals",
    "position_events",
    "position_statements",
    "positions",
    "raw_payloads",
    "reconciliation_differences",
    "reconciliations",
    "rule_checks",
    "snapshot_positions",
    "snapshot_runs",
    "snapshots",
    "stated_accounts",
    "stated_changes",
    "stated_identities",
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
