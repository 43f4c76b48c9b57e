"""What the worker counts of snapshots. How old the last one is, is told by the API."""

from core.metrics.make import counter, histogram

RUNS = counter("lotkeeper_snapshot_runs_total")
FAILURES = counter("lotkeeper_snapshot_failures_total")
SECONDS = histogram("lotkeeper_snapshot_seconds")
THINNED = counter("lotkeeper_snapshot_thinned_total")
