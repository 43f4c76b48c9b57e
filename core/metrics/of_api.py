"""What the API tells: of itself, and of everything that the database, the streams and the link say.

The latter stand here and not with the worker: there may be several workers, or none, and the truth is one.
"""

from typing import Final

from core.metrics.declared import Declarations

DECLARED: Final = Declarations("api")
_counter, _gauge = DECLARED.counter, DECLARED.gauge

# Of itself.
_counter("lotkeeper_http_requests_total", "Requests answered.", "method", "route", "status")
DECLARED.histogram(
    "lotkeeper_http_request_seconds",
    "Time to the end of an answer.",
    "route",
    unit="seconds",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_counter(
    "lotkeeper_http_coalesced_requests_total",
    "Requests answered with the answer to the same one that was under way.",
)
_counter("lotkeeper_refused_requests_total", "Requests refused, by problem code.", "code")
_gauge("lotkeeper_websocket_clients", "WebSocket clients that are signed in.", at_start=0)
_counter("lotkeeper_websocket_frames_total", "Numbered frames.", "topic")
_counter("lotkeeper_websocket_resets_total", "Readers that fell behind and began anew.", "topic")
_gauge("lotkeeper_websocket_queued_bytes", "What waits for the slowest WebSocket reader.", unit="bytes")
_gauge(
    "lotkeeper_numbers_frames",
    "1 where this process numbers the frames of the WebSocket; of several on one Redis one does.",
)
_counter(
    "lotkeeper_stream_unreadable_entries_total",
    "Stream entries that this version could not read.",
    "stream",
)

# Links and data.
_gauge(
    "lotkeeper_login_accounts", "Accounts that a login lists; 0 where its gateway named none yet.", "login"
)
_gauge("lotkeeper_link_up", "1 while a link of a login is up; absent while unknown.", "link", "login")
_gauge(
    "lotkeeper_link_state",
    "1 for the state that the broker link of a login is in, else 0; absent while it says nothing.",
    "state",
    "login",
)
_gauge("lotkeeper_live", "1 while what is shown is live.")
_gauge(
    "lotkeeper_clock_offset_seconds",
    "The broker's clock minus ours, by the link's last beat.",
    "login",
    unit="seconds",
)
_gauge(
    "lotkeeper_market_open",
    "1 while something that is held trades in regular hours, 0 while nothing does; absent while not known.",
)
_gauge("lotkeeper_dataset_age_seconds", "Age of a download.", "account", "dataset", unit="seconds")
_gauge("lotkeeper_dataset_incomplete_accounts", "Accounts whose download has a gap.", "dataset")

# Streams.
_gauge("lotkeeper_redis_up", "1 while Redis answers.")
_gauge("lotkeeper_stream_entries", "Entries in a stream.", "stream")
_gauge("lotkeeper_stream_lag_entries", "Entries that a group was not given yet.", "stream", "group")
_gauge(
    "lotkeeper_stream_pending_entries",
    "Entries that a group was given and has not acknowledged.",
    *("stream", "group"),
)

# The database.
_gauge("lotkeeper_database_up", "1 while PostgreSQL answers.")
_gauge(
    "lotkeeper_database_counted_age_seconds",
    "Since what follows was counted: 0, unless counting takes longer than two seconds.",
    unit="seconds",
)
_gauge(
    "lotkeeper_dead_facts",
    "Messages kept aside because they could not be read or applied, by occurrence.",
    "category",
)
_gauge("lotkeeper_positions", "Positions in the ledger.", "status")
_gauge(
    "lotkeeper_provisional_executions",
    "Executions whose commission is not known yet, so that what they realized may still change.",
)
_gauge("lotkeeper_outbox_entries", "Changes committed and not published yet.")
_gauge(
    "lotkeeper_observation_gaps_open",
    "Times of which the gateway can tell the executions no more, and no statement did yet.",
)
_gauge("lotkeeper_jobs_due", "Work that the workers should be at.")
_gauge("lotkeeper_jobs_overdue_seconds", "How long the oldest of it has been due.", unit="seconds")
_gauge("lotkeeper_jobs_failing", "Work that failed and is to be tried again.")
_gauge(
    "lotkeeper_jobs",
    "Jobs that somebody asked for: those queued and running, and those of the last day that ended.",
    *("kind", "status"),
)
_gauge(
    "lotkeeper_reconciliation_differences",
    "Differences from the broker that stand open and that nobody has acknowledged, by kind.",
    "kind",
)
_gauge(
    "lotkeeper_reconciliation_differences_acknowledged",
    "Differences from the broker of which somebody knows as they are, by kind.",
    "kind",
)
_gauge(
    "lotkeeper_statement_differences",
    "Figures of statements that are not those of the ledger, as of the last import.",
    *("kind", "cause"),
)
_gauge(
    "lotkeeper_realized_compared_fills",
    "Closing fills of which both our realized figure and the broker's are known.",
)
_gauge(
    "lotkeeper_realized_differing_fills", "Of these, fills on which the two are more than half a cent apart."
)
_gauge(
    "lotkeeper_realized_difference",
    "What we say the compared fills realized less what the broker says.",
    "currency",
    unit="money",
)

# Snapshots and rules.
_gauge(
    "lotkeeper_snapshot_age_seconds",
    "Age of an account's last snapshot; absent where it has none.",
    "account",
    unit="seconds",
)
_gauge(
    "lotkeeper_snapshot_missing_hours",
    "Hours of the last day without a snapshot, of accounts that have any.",
    "account",
)
_gauge(
    "lotkeeper_snapshot_hours",
    "Hours of the last day by how their snapshots went; those that are missing had no run.",
    "status",
)
_gauge("lotkeeper_issues_open", "What rules found and nobody has acknowledged.", "rule", "severity")
_gauge(
    "lotkeeper_validation_timestamp_seconds",
    "When the rule whose turn is longest ago was last looked at; absent before each was.",
    unit="moment",
)
_gauge("lotkeeper_validation_seconds", "How long looking at all rules took the last time.", unit="seconds")
_gauge("lotkeeper_validation_failed_rules", "Rules of which the last look came to no end.")

# What it is worth: only where it was asked for.
_gauge(
    "lotkeeper_net_liquidation",
    "What an account is worth, by the broker's last word, in its base currency.",
    *("account", "currency"),
    unit="money",
    money=True,
)
for _what, _meaning in (
    ("daily", "Profit and loss of the day"),
    ("unrealized", "Unrealized profit and loss"),
    ("realized", "Realized profit and loss of the broker's day"),
):
    _gauge(
        f"lotkeeper_{_what}_pnl",
        f"{_meaning} of an account, by the broker's last word, in its base currency.",
        *("account", "currency"),
        unit="money",
        money=True,
    )
