"""What a worker counts: facts taken in, comparisons, snapshots, statements fetched."""

from typing import Final

from core.metrics.declared import Declarations

DECLARED: Final = Declarations("worker")
_counter, _gauge, _histogram = DECLARED.counter, DECLARED.gauge, DECLARED.histogram

_counter("lotkeeper_facts_applied_total", "Facts committed, by kind.", "kind")
_counter("lotkeeper_executions_recorded_total", "Executions stored for the first time.")
_counter("lotkeeper_stale_facts_refused_total", "Facts of a link that had been replaced, by kind.", "kind")
_counter("lotkeeper_repeated_entries_total", "Stream entries that had had their effect before.")
_counter(
    "lotkeeper_known_facts_total", "Facts left out because they were stored as they are, by kind.", "kind"
)
_counter("lotkeeper_dead_facts_total", "Facts kept aside, by category.", "category")
_histogram(
    "lotkeeper_relay_batch_facts",
    "Facts in one transaction.",
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000, 10_000),
)
_histogram(
    "lotkeeper_relay_transaction_seconds",
    "From the first statement to the commit.",
    unit="seconds",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
_histogram(
    "lotkeeper_fact_commit_delay_seconds",
    "From a batch's oldest callback to its commit.",
    unit="seconds",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30, 300),
)
_counter("lotkeeper_outbox_left_over_total", "Changes published by the sweep, not right after their commit.")
_counter(
    "lotkeeper_left_unfolded_total",
    "Books and commissions that a sweep found unfolded and could not fold.",
)
_counter("lotkeeper_reconciliations_total", "Comparisons with the broker.", "trigger")
_counter(
    "lotkeeper_consumer_failures_total", "Batches that failed for a reason nobody knew, by group.", "group"
)
_counter(
    "lotkeeper_snapshot_runs_total", "Attempts to take snapshots, by how they ended.", "trigger", "status"
)
_counter(
    "lotkeeper_snapshot_failures_total",
    "Accounts of which no snapshot could be taken, by category.",
    "category",
)
_histogram(
    "lotkeeper_snapshot_seconds",
    "One account's snapshot, from reading what is known to the commit.",
    unit="seconds",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
_counter(
    "lotkeeper_snapshot_thinned_total",
    "What was dropped of long ago because one snapshot a day is enough, by what it was.",
    "what",
)
_gauge(
    "lotkeeper_flex_token_expiry_timestamp_seconds",
    "When the Flex token expires; absent where nobody said, for IBKR does not tell.",
    unit="moment",
)
_gauge(
    "lotkeeper_flex_last_success_timestamp_seconds",
    "When a Flex query was last fetched well; absent where it never was.",
    "query",
    unit="moment",
)
