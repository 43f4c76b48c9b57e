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
from models.tables.jobs import coalesced_jobs, jobs
from models.tables.positions import (
    ledger_books,
    lot_disposals,
    lots,
    position_events,
    position_statements,
    positions,
)
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
    "coalesced_jobs",
    "commission_reports",
    "dead_facts",
    "executions",
    "flex_fetches",
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
    "position_events",
    "position_statements",
    "positions",
    "reconciliation_differences",
    "reconciliations",
    "sync_datasets",
    "sync_log",
    "user_sessions",
]
