"""Whether what is shown is true."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.grafana.panels import MONEY, NUMBER, SECONDS, board, flag, lines, number, row, signed


def dashboard() -> Dashboard:
    """Whether what is shown is true."""
    return (
        board("truth", "Truth", "Whether what is shown is fresh, complete and the same as the broker's.")
        .with_row(row("Fresh"))
        .with_panel(flag("Live", "Whether what the page shows is live.", ("lotkeeper_live", "{{instance}}")))
        .with_panel(
            flag("Market open", "Whether something that is held trades.", ("lotkeeper_market_open", ""))
        )
        .with_panel(
            number(
                "Oldest account values",
                "They come every three minutes while the market is open.",
                SECONDS,
                ('max(lotkeeper_dataset_age_seconds{dataset="account_values"})', ""),
                warn=300,
                alarm=900,
            )
        )
        .with_panel(
            number(
                "Open differences",
                "Where the broker holds something else, and nobody acknowledged it.",
                NUMBER,
                ('sum(lotkeeper_reconciliation_differences{kind!="provisional"})', ""),
                warn=1,
            )
        )
        .with_panel(
            number(
                "Set aside",
                "Messages that could not be applied.",
                NUMBER,
                ("sum(lotkeeper_dead_facts)", ""),
                warn=1,
            )
        )
        .with_panel(
            number(
                "Errors by the rules",
                "Open issues of severity error.",
                NUMBER,
                ('sum(lotkeeper_issues_open{severity="error"})', ""),
                warn=1,
            )
        )
        .with_panel(
            lines(
                "Age of data",
                "Of each download of each account.",
                SECONDS,
                ("lotkeeper_dataset_age_seconds", "{{account}} {{dataset}}"),
            )
        )
        .with_panel(
            lines(
                "Incomplete",
                "Accounts whose download has a gap; and times that nobody listened, until a statement tells.",
                NUMBER,
                ("lotkeeper_dataset_incomplete_accounts", "{{dataset}}"),
                ("lotkeeper_observation_gaps_open", "gaps in time"),
            )
        )
        .with_row(row("The same as the broker's"))
        .with_panel(
            lines(
                "Differences by kind",
                "Those that want attention.",
                NUMBER,
                ("lotkeeper_reconciliation_differences", "{{kind}}"),
                ("sum(lotkeeper_reconciliation_differences_acknowledged)", "acknowledged"),
            )
        )
        .with_panel(
            lines(
                "Differences from statements",
                "Figures of statements that are not the ledger's.",
                NUMBER,
                ("lotkeeper_statement_differences", "{{kind}} {{cause}}"),
            )
        )
        .with_panel(
            lines(
                "Fills whose realized profit differs",
                "Closing fills further apart than half a cent, and those compared.",
                NUMBER,
                ("lotkeeper_realized_differing_fills", "differ"),
                ("lotkeeper_realized_compared_fills", "compared"),
            )
        )
        .with_panel(
            signed(
                "Realized: ours less the broker's",
                "Over all compared fills, in each currency.",
                MONEY,
                ("lotkeeper_realized_difference", "{{currency}}"),
            )
        )
        .with_row(row("Not final, not read, not right"))
        .with_panel(
            lines(
                "Provisional executions",
                "Their commission is not known yet.",
                NUMBER,
                ("lotkeeper_provisional_executions", "executions"),
                width=8,
            )
        )
        .with_panel(
            lines("Set aside", "By category.", NUMBER, ("lotkeeper_dead_facts", "{{category}}"), width=8)
        )
        .with_panel(
            lines(
                "Open issues",
                "What rules found, by severity.",
                NUMBER,
                ("sum by (severity) (lotkeeper_issues_open)", "{{severity}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Since all rules were looked at",
                "The rule whose turn is longest ago.",
                SECONDS,
                ("time() - lotkeeper_validation_timestamp_seconds", "{{instance}}"),
            )
        )
        .with_panel(
            lines(
                "Rules that came to no end",
                "At their last look.",
                NUMBER,
                ("lotkeeper_validation_failed_rules", "{{instance}}"),
            )
        )
    )
