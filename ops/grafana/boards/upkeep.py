"""Snapshots, jobs, statements and backups."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.grafana.boards.queries import quantile, rate
from ops.grafana.panels import A_SECOND, BYTES, NUMBER, SECONDS, board, flag, lines, number, row

DAY: Final = 86400


def dashboard() -> Dashboard:
    """Snapshots, jobs, statements and backups."""
    return (
        board(
            "upkeep", "Snapshots and jobs", "What is done by the clock: snapshots, jobs, statements, backups."
        )
        .with_row(row("Snapshots"))
        .with_panel(
            lines(
                "Age of the last snapshot",
                "Of each account; there is one an hour.",
                SECONDS,
                ("lotkeeper_snapshot_age_seconds", "{{account}}"),
            )
        )
        .with_panel(
            lines(
                "Missing hours",
                "Of the last day, of each account.",
                NUMBER,
                ("lotkeeper_snapshot_missing_hours", "{{account}}"),
            )
        )
        .with_panel(
            lines(
                "Hours of the last day",
                "By how their snapshots went.",
                NUMBER,
                ("lotkeeper_snapshot_hours", "{{status}}"),
            )
        )
        .with_panel(
            lines(
                "Time for a snapshot",
                "Of one account, to the commit.",
                SECONDS,
                (quantile(0.5, "lotkeeper_snapshot_seconds"), "half"),
                (quantile(0.99, "lotkeeper_snapshot_seconds"), "99 of 100"),
            )
        )
        .with_row(row("Jobs"))
        .with_panel(
            lines(
                "Due",
                "What the workers should be at, and what failed and is to be tried again.",
                NUMBER,
                ("lotkeeper_jobs_due", "due"),
                ("lotkeeper_jobs_failing", "failing"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Overdue",
                "How long the oldest has been due.",
                SECONDS,
                ("lotkeeper_jobs_overdue_seconds", "{{instance}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Asked for",
                "Waiting and running now, ended within a day.",
                NUMBER,
                ("sum by (kind, status) (lotkeeper_jobs)", "{{kind}} {{status}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Comparisons with the broker",
                "By what made them worth while.",
                A_SECOND,
                (rate("lotkeeper_reconciliations_total", "trigger"), "{{trigger}}"),
            )
        )
        .with_panel(
            lines(
                "Changes not published yet",
                "Committed, and waiting in the outbox.",
                NUMBER,
                ("lotkeeper_outbox_entries", "{{instance}}"),
            )
        )
        .with_row(row("Statements and backups"))
        .with_panel(
            number(
                "Flex token is good for",
                "Until its last day, as you noted it.",
                SECONDS,
                ("lotkeeper_flex_token_expiry_timestamp_seconds - time()", ""),
                width=6,
            )
        )
        .with_panel(
            number(
                "Since the last statement",
                "Of the Flex query that was fetched well longest ago.",
                SECONDS,
                ("time() - min(lotkeeper_flex_last_success_timestamp_seconds)", ""),
                width=6,
                warn=2 * DAY,
                alarm=4 * DAY,
            )
        )
        .with_panel(
            number(
                "Age of the last backup",
                "Of the last that went well.",
                SECONDS,
                ("lotkeeper_backup_age_seconds", ""),
                width=6,
                warn=1.5 * DAY,
                alarm=2 * DAY,
            )
        )
        .with_panel(
            number(
                "Since a restore on trial",
                "That found what had been saved.",
                SECONDS,
                ("lotkeeper_backup_verified_restore_age_seconds", ""),
                width=6,
                warn=8 * DAY,
                alarm=14 * DAY,
            )
        )
        .with_panel(
            lines(
                "The last went well",
                "A backup, a restore on trial, a base backup, putting WAL away: 1, else 0.",
                NUMBER,
                ("lotkeeper_backup_last_succeeded", "{{kind}}"),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Size of a backup",
                "Of the last archive that went well.",
                BYTES,
                ("lotkeeper_backup_size_bytes", "{{instance}}"),
            )
        )
        .with_row(row("Any moment of the last days (embedded database)"))
        .with_panel(
            number(
                "Age of the last base backup",
                "That moments are brought back from, with the WAL after it.",
                SECONDS,
                ("lotkeeper_recovery_base_age_seconds", ""),
                width=6,
                warn=8 * DAY,
                alarm=15 * DAY,
            )
        )
        .with_panel(
            flag(
                "WAL is fetched",
                "Whether what is written now can be brought back.",
                ("lotkeeper_recovery_wal_fetched", ""),
                width=6,
            )
        )
        .with_panel(
            lines(
                "WAL that waits at the server",
                "After 2 GB it keeps no more.",
                BYTES,
                ("lotkeeper_recovery_wal_behind_bytes", "{{instance}}"),
            )
        )
    )
