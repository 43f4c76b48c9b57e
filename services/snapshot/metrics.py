"""What the worker counts of snapshots. How old the last one is, is told by the API."""

from prometheus_client import Counter, Histogram

RUNS = Counter(
    "lotkeeper_snapshot_runs_total", "Attempts to take snapshots, by how they ended", ["trigger", "status"]
)
FAILURES = Counter(
    "lotkeeper_snapshot_failures_total",
    "Accounts of which no snapshot could be taken, by category",
    ["category"],
)
SECONDS = Histogram(
    "lotkeeper_snapshot_seconds",
    "One account's snapshot, from reading what is known to the commit",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
THINNED = Counter(
    "lotkeeper_snapshot_thinned_total",
    "What was dropped of long ago because a day's last snapshot is enough, by what it was",
    ["what"],
)
