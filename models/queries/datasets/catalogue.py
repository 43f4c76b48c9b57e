"""Every dataset by its name: tables as they are kept, and reports as the API and the views tell them."""

from typing import Final, Literal, NamedTuple

from models.access import BY_ACCOUNT, BY_PARENT, OPEN
from models.queries.datasets import left_out
from models.queries.datasets.reports import REPORTS
from models.types import metadata


class Dataset(NamedTuple):
    """What is exported under one name.

    ``select`` is SQL of all its rows in no order, ``key`` what tells and orders them. ``time`` is the column
    that ``--from`` and ``--to`` are about, and by whose year (UTC) Parquet is parted if it ``is_large``.
    """

    name: str
    kind: Literal["table", "report"]
    description: str
    select: str
    key: tuple[str, ...]
    time: str | None = None
    is_large: bool = False
    by_account: bool = True
    comments: dict[str, str] = {}  # noqa: RUF012 - of a tuple, and never written


_TIMES: Final = {
    "alert_messages": "made_at",
    "audit_log": "at",
    "backup_runs": "finished_at",
    "benchmark_levels": "day",
    "cash_balances": "as_of",
    "cash_flows": "at",
    "corporate_actions": "at",
    "executions": "executed_at",
    "fx_rates": "as_of",
    "lot_disposals": "closed_at",
    "observation_gaps": "started_at",
    "performance_metrics": "ts",
    "position_events": "executed_at",
    "position_notes": "written_at",
    "position_statements": "as_of",
    "reconciliations": "started_at",
    "snapshot_positions": "asof_ts",
    "snapshots": "asof_ts",
    "stated_lots": "closed_at",
    "stated_positions": "as_of",
    "stated_trades": "executed_at",
    "stated_values": "as_of",
    "statement_differences": "day",
    "sync_log": "at",
}
"""Of what happened, or was so, at a time: all else stands as it is, whatever time is asked for."""

_LARGE: Final = frozenset(
    {
        *("executions", "lot_disposals", "performance_metrics", "position_events", "position_statements"),
        *("snapshot_positions", "snapshots", "stated_trades"),
    }
)
"""What grows with every fill or every hour."""

_DESCRIBED: Final = {
    "account_pnl": "daily, unrealized and realized P&L of each account, as the broker told it last",
    "audit_log": "who did what: sign-ins, users, tokens, work that was asked for, and refusals",
    "broker_accounts": "the accounts: base currency, cost method, whether it is a paper account",
    "commission_reports": "what each execution was charged, and the broker's own realized P&L of it",
    "dead_facts": "what could not be read or applied, with the reason",
    "executions": "every execution as the broker or a statement told it, replaced versions included",
    "instruments": "the instruments: symbol, kind, currency, multiplier, identifiers",
    "jobs": "work that was asked for, and what came of it",
    "lots": "what each fill, or each adjustment, opened, and what remains of it",
    "position_notes": "what was written about positions",
    "position_tags": "words by which positions are found again",
    "position_events": "how each position came about: opened, increased, reduced, closed, adjusted",
    "positions": "each position from flat to flat",
    "reconciliation_differences": "where ledger and broker differ, or differed, and why",
    "reconciliations": "when each account was compared with the broker, and what came of it",
    "sync_datasets": "how complete, and of when, the newest word of the broker is",
    "sync_log": "what happened on the way to the broker",
}
"""Of tables that have no comment, or one for those who keep them."""

_SEEN_BY_ACCOUNT: Final = frozenset({*BY_ACCOUNT, *BY_PARENT, *OPEN})


def _of_table(name: str) -> Dataset:
    table = metadata.tables[name]
    columns = [column for column in table.columns if (name, column.name) not in left_out.COLUMNS]
    listed = ", ".join(f'"{column.name}"' for column in columns)
    return Dataset(
        name,
        "table",
        _DESCRIBED.get(name) or table.comment or "",
        f"SELECT {listed} FROM {name}",  # noqa: S608 - names of this program's own
        tuple(str(column.name) for column in table.primary_key),
        _TIMES.get(name),
        name in _LARGE,
        name in _SEEN_BY_ACCOUNT,
        {str(column.name): column.comment for column in columns if column.comment},
    )


TABLES: Final = (
    *("account_group_members", "account_groups", "account_pnl", "account_values", "alert_deliveries"),
    *("alert_messages", "audit_log", "backup_runs"),
    *("benchmark_levels", "broker_accounts", "broker_links", "broker_sessions", "carried_lots"),
    *("cash_balances", "cash_flows", "commission_reports", "corporate_actions", "dead_facts"),
    *("executions", "flex_fetches", "fx_rates", "global_instruments", "imports", "instrument_mapping"),
    *("instruments", "issue_acknowledgements", "issues", "jobs", "ledger_books", "lot_disposals", "lots"),
    *("marks", "observation_gaps", "performance_metrics", "position_events", "position_notes"),
    *(
        "position_statements",
        "position_tags",
        "positions",
        "price_limits",
        "raw_payloads",
        "reconciliation_differences",
        "reconciliations",
        "rule_checks",
    ),
    *("snapshot_positions", "snapshot_runs", "snapshots", "stated_accounts", "stated_changes"),
    *("stated_identities", "stated_instruments", "stated_inventories", "stated_lots", "stated_periods"),
    *("stated_positions", "stated_trades", "stated_values", "statement_comparisons"),
    *("statement_differences", "sync_datasets", "sync_log"),
)
"""Tables that are exported: named one by one, so that a secret in a new one does not go out unseen."""

DATASETS: Final = {
    one.name: one
    for one in (
        *map(_of_table, TABLES),
        *(
            Dataset(report.name, "report", report.description, report.select(), report.key, report.time)
            for report in REPORTS
        ),
    )
}
