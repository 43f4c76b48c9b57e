"""The way from the broker to the database."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.grafana.boards.queries import quantile, rate
from ops.grafana.panels import A_SECOND, BYTES, NUMBER, SECONDS, board, flag, lines, number, row


def dashboard() -> Dashboard:
    """The way from the broker to the database."""
    return (
        board("link", "Link and streams", "From the broker's socket through Redis to the database.")
        .with_row(row("The link"))
        .with_panel(
            flag("Links", "Gateway and IBKR, by login.", ("lotkeeper_link_up", "{{link}} {{login}}"), width=6)
        )
        .with_panel(
            number(
                "State",
                "Where the broker link of each login is in its life.",
                NUMBER,
                ("lotkeeper_link_state == 1", "{{state}} {{login}}"),
                width=6,
            )
        )
        .with_panel(
            number(
                "Logins",
                "Accounts that each lists.",
                NUMBER,
                ("lotkeeper_login_accounts", "{{login}}"),
            )
        )
        .with_panel(
            number(
                "Clock",
                "The broker's less ours.",
                SECONDS,
                ("abs(lotkeeper_clock_offset_seconds)", "{{login}}"),
                warn=2,
                alarm=5,
            )
        )
        .with_panel(flag("Redis", "Whether it answers.", ("lotkeeper_redis_up", "")))
        .with_panel(
            lines(
                "State over time",
                "1 for the state that the link of a login is in.",
                NUMBER,
                ("lotkeeper_link_state", "{{state}} {{login}}"),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Connections",
                "Made, failed by reason, and comparisons of everything.",
                A_SECOND,
                (rate("lotkeeper_broker_connects_total", "instance"), "ready"),
                (rate("lotkeeper_broker_connect_failures_total", "reason"), "{{reason}}"),
                (rate("lotkeeper_broker_resyncs_total", "outcome"), "resync {{outcome}}"),
            )
        )
        .with_panel(
            lines(
                "What the gateway says",
                "Facts by type; ticks after conflation.",
                A_SECOND,
                (rate("lotkeeper_broker_facts_total", "type"), "{{type}}"),
                (rate("lotkeeper_broker_ticks_total", "instance"), "ticks"),
            )
        )
        .with_panel(
            lines(
                "Codes",
                "Messages and errors, by IBKR's number, and what could not be read.",
                A_SECOND,
                (rate("lotkeeper_broker_codes_total", "code"), "{{code}}"),
                (rate("lotkeeper_broker_unreadable_total", "reason"), "unreadable: {{reason}}"),
            )
        )
        .with_row(row("Streams"))
        .with_panel(
            lines(
                "Length",
                "Entries in each stream.",
                NUMBER,
                ("lotkeeper_stream_entries", "{{stream}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Lag",
                "Entries that a group was not given yet.",
                NUMBER,
                ("lotkeeper_stream_lag_entries", "{{stream}} {{group}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Pending",
                "Entries given and not acknowledged.",
                NUMBER,
                ("lotkeeper_stream_pending_entries", "{{stream}} {{group}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "From callback to commit",
                "Of a batch's oldest fact.",
                SECONDS,
                (quantile(0.5, "lotkeeper_fact_commit_delay_seconds"), "half"),
                (quantile(0.99, "lotkeeper_fact_commit_delay_seconds"), "99 of 100"),
            )
        )
        .with_panel(
            lines(
                "Committed",
                "Facts by kind; those refused because their link had been replaced; failed batches.",
                A_SECOND,
                (rate("lotkeeper_facts_applied_total", "kind"), "{{kind}}"),
                (rate("lotkeeper_stale_facts_refused_total", "kind"), "refused: {{kind}}"),
                (rate("lotkeeper_consumer_failures_total", "group"), "failed: {{group}}"),
            )
        )
        .with_row(row("While Redis is away"))
        .with_panel(
            lines(
                "Spool",
                "What facts take on the broker link's disk, and may take.",
                BYTES,
                ("lotkeeper_broker_spool_bytes", "used"),
                ("lotkeeper_broker_spool_limit_bytes", "limit"),
            )
        )
        .with_panel(
            lines(
                "Waiting facts",
                "In memory, on disk, and held back until the login is ours.",
                NUMBER,
                ("lotkeeper_broker_queue_facts", "memory"),
                ("lotkeeper_broker_spool_facts", "disk"),
                ("lotkeeper_broker_gate_facts", "gate"),
            )
        )
    )
