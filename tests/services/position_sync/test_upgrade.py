"""What an older version booked, the newest one completes."""

import random

from sqlalchemy import text

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.access import withdraw
from models.migrate import migrate
from models.session import Database
from models.tables import flex_fetches, imports, raw_payloads
from models.tables.imports import BROUGHT
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from tests.services.position_sync.facts import Link
from tests.services.position_sync.ledger_rows import ledger_rows
from tests.services.position_sync.test_replay import script

ADDED_SINCE_THE_FIRST = {
    "broker_accounts": ["cost_method", "login", "called"],
    "broker_links": ["heard_at", "clock_offset_seconds", "state", "login"],
    "broker_sessions": [
        "given_up_at",
        "place",
        "accounts",
        "client_id",
        "holder",
        "state",
        "state_at",
        "state_seq",
        "state_reason",
        "first_entry_ms",
        "first_entry_seq",
    ],
    "commission_reports": [
        "rate",
        "rate_as_of",
        "rate_source",
        "other_days_rate",
        "other_days_rate_as_of",
        "repeated_at",
        "stated_by",
        "live_commission",
        "live_currency",
        "live_realized_pnl",
    ],
    "dead_facts": ["seq", "status", "resolved_at", "retries"],
    "executions": ["confirmed_by"],
    "instruments": [
        *("isin", "cusip", "figi", "issuer", "underlying_conid", "liquid_hours", "time_zone"),
        *("broker_isin", "broker_cusip", "mapped_identity"),
    ],
    "jobs": ["details"],
    "ledger_books": ["cost_method", "sweep_epoch", "sweep_seq"],
    "marks": ["priced_at"],
    "lots": ["provisional", "cost", "remaining_cost", "carried_at"],
    "position_events": ["replaced_quantity"],
    "position_statements": [
        "prior_as_of",
        "anchored_at",
        "held_from",
        "held_until",
        "cause",
        "price",
        "carried",
        "inferred",
    ],
    "positions": ["disposal_count", "open_commission", "provisional_lots"],
    "reconciliation_differences": [
        "inferred",
        "acknowledged_at",
        "acknowledged_by",
        "note",
        "acknowledged_ours",
        "acknowledged_brokers",
        "acknowledgement_ended_at",
    ],
    "reconciliations": ["counts"],
    "user_sessions": ["number", "user_id", "token_id", "address", "last_seen_at"],
}
INDEXED_SINCE_THE_FIRST = (
    "ix_position_events_splits",
    "ix_positions_opened",
    "ix_positions_held",
    "ix_positions_closed",
    "ix_reconciliation_differences_account",
    "ix_executions_received_at",
    "ix_position_events_untraded",
    "ix_commission_reports_received_at",
    "ix_jobs_unfinished",
    "ix_jobs_created_at",
    "ix_jobs_failed",
    "ix_jobs_kind",
    "ix_instruments_symbol",
    "ix_sync_log_link",
)  # and those that go with their columns


async def test_what_the_first_version_booked_is_complete_after_the_next_sweep(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    facts = script(random.Random(5))  # noqa: S311 - a repeatable script, not a secret
    await relay.handle([Link().entry(*facts)])
    expected = await ledger_rows(database)
    assert expected["lot_disposals"]
    async with database.write() as connection:
        # Nor did it know of people who see some accounts only.
        await connection.run_sync(withdraw)
        # The first version told nothing of corrections.
        await connection.execute(text("DELETE FROM position_events WHERE type = 'corrected'"))
        await connection.execute(
            text(
                "DROP VIEW asset_allocation_by_global_instrument, positions_history, "
                "daily_portfolio_value, latest_snapshot_per_broker_account"
            )
        )
        for table, columns in ADDED_SINCE_THE_FIRST.items():
            for column in columns:
                await connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        await connection.execute(
            text(
                "DROP TABLE instrument_mapping, global_instruments, "
                "lot_disposals, carried_lots, inbox, inbox_trials, coalesced_jobs, "
                "observation_gaps, snapshot_positions, snapshots, snapshot_runs, performance_metrics, "
                "performance_renewals, "
                "statement_differences, statement_comparisons, issue_acknowledgements, issues, rule_checks, "
                "account_group_members, account_groups, benchmark_levels, "
                "recovery_codes, second_factors, sign_in_tries, backup_runs, position_notes, position_tags, "
                "user_accounts, api_token_accounts, api_tokens, users, audit_log, "
                "idempotency_keys, alert_deliveries, alert_messages, alert_conditions, price_limits, "
                + ", ".join(table.name for table in (*BROUGHT, imports, raw_payloads, flex_fetches))
            )
        )
        await connection.execute(
            text("ALTER TABLE broker_links ADD COLUMN id integer CONSTRAINT pk_broker_links PRIMARY KEY")
        )
        await connection.execute(text("DROP INDEX ix_position_events_uncertain"))
        await connection.execute(text(f"DROP INDEX {', '.join(INDEXED_SINCE_THE_FIRST)}"))
        # What the third version dropped.
        await connection.execute(text("CREATE INDEX ix_executions_position_id ON executions (position_id)"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    url = settings.require_database_url()
    await migrate(url, "main")
    upgraded = Database(url, application="test")
    try:
        await Sweep(upgraded, streams, settings).run()
        assert await ledger_rows(upgraded) == expected
    finally:
        await upgraded.close()
