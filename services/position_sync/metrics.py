"""What the worker counts. Scraped through the API's ``/metrics`` or the worker's own registry."""

from prometheus_client import Counter, Gauge, Histogram

FACTS = Counter("lotkeeper_facts_applied_total", "Facts committed, by kind", ["kind"])
EXECUTIONS = Counter("lotkeeper_executions_recorded_total", "Executions stored for the first time")
STALE = Counter(
    "lotkeeper_stale_facts_refused_total", "Facts of a link that had been replaced, by kind", ["kind"]
)
REPEATED = Counter("lotkeeper_repeated_entries_total", "Stream entries that had had their effect before")
KNOWN = Counter(
    "lotkeeper_known_facts_total", "Facts left out because they were stored as they are, by kind", ["kind"]
)
DEAD = Counter("lotkeeper_dead_facts_total", "Facts kept aside, by category", ["category"])
BATCH = Histogram(
    "lotkeeper_relay_batch_facts",
    "Facts in one transaction",
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000, 10_000),
)
TRANSACTION = Histogram(
    "lotkeeper_relay_transaction_seconds",
    "From the first statement to the commit",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
COMMIT_DELAY = Histogram(
    "lotkeeper_fact_commit_delay_seconds",
    "From a batch's oldest callback to its commit",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30, 300),
)
LAG = Gauge("lotkeeper_facts_lag_entries", "Entries of the facts stream not read yet")
PENDING = Gauge("lotkeeper_facts_pending_entries", "Entries of the facts stream read and not committed yet")
OUTBOX_LEFT = Counter(
    "lotkeeper_outbox_left_over_total", "Changes published by the sweep, not right after commit"
)
NOT_FOLDED = Counter(
    "lotkeeper_left_unfolded_total", "Books and commissions that a sweep found unfolded and could not fold"
)
RECONCILIATIONS = Counter("lotkeeper_reconciliations_total", "Comparisons with the broker", ["trigger"])
DIFFERENCES = Gauge(
    "lotkeeper_reconciliation_differences", "Differences from the broker that stand open, by kind", ["kind"]
)
