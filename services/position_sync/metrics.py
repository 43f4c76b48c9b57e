"""What the worker counts; ``core.metrics.of_worker`` says what each is. What stands, the API tells."""

from core.metrics.make import counter, histogram

FACTS = counter("lotkeeper_facts_applied_total")
EXECUTIONS = counter("lotkeeper_executions_recorded_total")
STALE = counter("lotkeeper_stale_facts_refused_total")
REPEATED = counter("lotkeeper_repeated_entries_total")
KNOWN = counter("lotkeeper_known_facts_total")
DEAD = counter("lotkeeper_dead_facts_total")
BATCH = histogram("lotkeeper_relay_batch_facts")
TRANSACTION = histogram("lotkeeper_relay_transaction_seconds")
COMMIT_DELAY = histogram("lotkeeper_fact_commit_delay_seconds")
OUTBOX_LEFT = counter("lotkeeper_outbox_left_over_total")
NOT_FOLDED = counter("lotkeeper_left_unfolded_total")
RECONCILIATIONS = counter("lotkeeper_reconciliations_total")
