"""first tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "broker_accounts",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=True),
        sa.Column(
            "base_currency", sa.Text(), nullable=True, comment="unknown until the first account values"
        ),
        sa.Column("paper", sa.Boolean(), nullable=False),
        sa.Column(
            "listed",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="in the login's last account list",
        ),
        sa.Column("first_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_broker_accounts")),
    )
    op.create_table(
        "broker_links",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("ibkr", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("gateway IN ('up', 'down', 'unknown')", name=op.f("ck_broker_links_gateway")),
        sa.CheckConstraint("ibkr IN ('up', 'down', 'unknown')", name=op.f("ck_broker_links_ibkr")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broker_links")),
        comment="the last known state of the links (one row)",
    )
    op.create_table(
        "broker_sessions",
        sa.Column("epoch", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("login", sa.Text(), nullable=False, comment="host:port/client id"),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("connected_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("server_version", sa.Integer(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_broker_sessions")),
        comment="one row a connection; its epoch orders what older and newer connections wrote",
    )
    op.create_index("ix_broker_sessions_login", "broker_sessions", ["login", "epoch"], unique=False)
    op.create_table(
        "commission_reports",
        sa.Column("exec_id", sa.Text(), nullable=False),
        sa.Column("commission", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "realized_pnl",
            sa.Numeric(),
            nullable=True,
            comment="the broker's own; null where it left the figure unset",
        ),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("exec_id", name=op.f("pk_commission_reports")),
    )
    op.create_table(
        "dead_facts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="SHA-256 of category and payload"),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="gateway: a frame; facts: a stream entry"),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("occurrences", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("first_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "category IN ('auth', 'network', 'rate_limit', 'parsing', 'validation', 'database')",
            name=op.f("ck_dead_facts_category"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_facts")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_dead_facts_fingerprint")),
    )
    op.create_index("ix_dead_facts_last_seen_at", "dead_facts", ["last_seen_at"], unique=False)
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint("profile IN ('demo', 'main')", name=op.f("ck_installation_profile")),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        comment="which portfolio this database keeps: the demo's or a real one",
    )
    op.create_table(
        "instruments",
        sa.Column("conid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("local_symbol", sa.Text(), nullable=False),
        sa.Column("sec_type", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("multiplier", sa.Numeric(), nullable=False),
        sa.Column("price_magnifier", sa.Integer(), server_default="1", nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("trading_class", sa.Text(), nullable=False),
        sa.Column("expiry", sa.Text(), nullable=False),
        sa.Column("strike", sa.Numeric(), nullable=True),
        sa.Column("option_right", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "details_as_of",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when contract details were read; null: not yet",
        ),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("multiplier > 0", name=op.f("ck_instruments_multiplier_positive")),
        sa.CheckConstraint("price_magnifier > 0", name=op.f("ck_instruments_price_magnifier_positive")),
        sa.PrimaryKeyConstraint("conid", name=op.f("pk_instruments")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("progress", sa.Numeric(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed')", name=op.f("ck_jobs_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False, comment="one encoded ChangeBatch"),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        comment="changes committed and not yet published",
    )
    op.create_table(
        "position_statements",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("average_cost", sa.Numeric(), nullable=True),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "anchored",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="the ledger is held to this word",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_position_statements")),
        sa.UniqueConstraint(
            "account", "conid", "epoch", "seq", name=op.f("uq_position_statements_account_conid_epoch_seq")
        ),
        comment="what the broker said is held, each time it changed",
    )
    op.create_index(
        "ix_position_statements_book",
        "position_statements",
        ["account", "conid", "as_of", "id"],
        unique=False,
    )
    op.create_table(
        "sync_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_log")),
    )
    op.create_index("ix_sync_log_at", "sync_log", ["at", "id"], unique=False)
    op.create_table(
        "user_sessions",
        sa.Column("id_hash", sa.Text(), nullable=False, comment="SHA-256 of the cookie, hexadecimal"),
        sa.Column("token_hash", sa.Text(), nullable=False, comment="SHA-256 of the token it was traded for"),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_user_sessions")),
    )
    op.create_index(op.f("ix_user_sessions_expires_at"), "user_sessions", ["expires_at"], unique=False)
    op.create_table(
        "account_pnl",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("daily_pnl", sa.Numeric(), nullable=True),
        sa.Column("unrealized_pnl", sa.Numeric(), nullable=True),
        sa.Column("realized_pnl", sa.Numeric(), nullable=True),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_account_pnl_account_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_pnl")),
        comment="IBKR's account window, in base currency; it resets daily and is never summed over time",
    )
    op.create_table(
        "account_values",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_account_values_account_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account", "key", "currency", name=op.f("pk_account_values")),
        comment="the latest value per key; survives the loss of Redis and of every process",
    )
    op.create_table(
        "executions",
        sa.Column("exec_id", sa.Text(), nullable=False),
        sa.Column("exec_base_id", sa.Text(), nullable=False, comment="exec_id up to its last dot"),
        sa.Column(
            "revision", sa.Integer(), nullable=False, comment="the digits after it; the highest one counts"
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column("executed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("perm_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("order_ref", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("cumulative_quantity", sa.Numeric(), nullable=True),
        sa.Column("average_price", sa.Numeric(), nullable=True),
        sa.Column("liquidity", sa.Integer(), nullable=False),
        sa.Column("model_code", sa.Text(), nullable=False),
        sa.Column("zone_assumed", sa.Boolean(), nullable=False, comment="the broker's time carried no zone"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("corrected_by", sa.Text(), nullable=True, comment="the revision that replaced this one"),
        sa.Column(
            "position_id",
            sa.Uuid(),
            nullable=True,
            comment="the episode it belongs to, a flip's closing one; set by the fold",
        ),
        sa.Column(
            "realized_pnl",
            sa.Numeric(),
            nullable=True,
            comment="ours, in the instrument's currency, net of commissions; set by the fold",
        ),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("side IN ('BOT', 'SLD')", name=op.f("ck_executions_side")),
        sa.CheckConstraint("source IN ('live', 'flex')", name=op.f("ck_executions_source")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_executions_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_executions_account_broker_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["conid"], ["instruments.conid"], name=op.f("fk_executions_conid_instruments")
        ),
        sa.PrimaryKeyConstraint("exec_id", name=op.f("pk_executions")),
    )
    op.create_index(
        "ix_executions_account_time", "executions", ["account", "executed_at", "exec_id"], unique=False
    )
    op.create_index(
        "ix_executions_book", "executions", ["account", "conid", "executed_at", "exec_id"], unique=False
    )
    op.create_index("ix_executions_position_id", "executions", ["position_id"], unique=False)
    op.create_index("ix_executions_time", "executions", ["executed_at", "exec_id"], unique=False)
    op.create_index(
        "uq_executions_exec_base_id_revision", "executions", ["exec_base_id", "revision"], unique=True
    )
    op.create_table(
        "ledger_books",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "quantity", sa.Numeric(), server_default="0", nullable=False, comment="the ledger's, signed"
        ),
        sa.Column(
            "last_executed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="of the last execution folded",
        ),
        sa.Column("last_exec_id", sa.Text(), nullable=True),
        sa.Column("episodes", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "dirty",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="must be folded again from the start",
        ),
        sa.Column(
            "broker_quantity",
            sa.Numeric(),
            nullable=True,
            comment="the broker's last word; null: it has not spoken",
        ),
        sa.Column("broker_average_cost", sa.Numeric(), nullable=True),
        sa.Column("broker_as_of", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("broker_epoch", sa.BigInteger(), nullable=True),
        sa.Column("broker_seq", sa.BigInteger(), nullable=True),
        sa.Column("broker_sweep", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "reconciled_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when ledger and broker were last found equal",
        ),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_ledger_books_account_broker_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["conid"], ["instruments.conid"], name=op.f("fk_ledger_books_conid_instruments")
        ),
        sa.PrimaryKeyConstraint("account", "conid", name=op.f("pk_ledger_books")),
        comment="one row for each account and instrument: the fold's checkpoint and its lock",
    )
    op.create_index(
        "ix_ledger_books_dirty",
        "ledger_books",
        ["account", "conid"],
        unique=False,
        postgresql_where=sa.text("dirty"),
    )
    op.create_table(
        "marks",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=True),
        sa.Column("market_price", sa.Numeric(), nullable=True),
        sa.Column("market_value", sa.Numeric(), nullable=True),
        sa.Column("daily_pnl", sa.Numeric(), nullable=True),
        sa.Column("unrealized_pnl", sa.Numeric(), nullable=True),
        sa.Column("realized_pnl", sa.Numeric(), nullable=True),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_marks_account_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account", "conid", name=op.f("pk_marks")),
        comment="the latest mark per position, upserted at most every few seconds",
    )
    op.create_table(
        "positions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="which episode of its book, from 1"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="signed; a short is negative"),
        sa.Column("max_quantity", sa.Numeric(), nullable=False, comment="the largest size it had"),
        sa.Column(
            "average_cost",
            sa.Numeric(),
            nullable=True,
            comment="per unit, with multiplier and commission, as IBKR's",
        ),
        sa.Column("cost_basis", sa.Numeric(), nullable=True),
        sa.Column(
            "realized_pnl",
            sa.Numeric(),
            nullable=True,
            comment="in the instrument's currency, net of commissions",
        ),
        sa.Column("commission", sa.Numeric(), nullable=False),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "provisional",
            sa.Boolean(),
            nullable=False,
            comment="a commission or an opening cost is not known yet",
        ),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_positions_closed_has_time")
        ),
        sa.CheckConstraint("(status = 'closed') = (quantity = 0)", name=op.f("ck_positions_closed_is_flat")),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_positions_side")),
        sa.CheckConstraint("status IN ('open', 'closed')", name=op.f("ck_positions_status")),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_positions_account_broker_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["conid"], ["instruments.conid"], name=op.f("fk_positions_conid_instruments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_positions")),
        sa.UniqueConstraint("account", "conid", "ordinal", name=op.f("uq_positions_account_conid_ordinal")),
    )
    op.create_index(
        "ix_positions_account_status", "positions", ["account", "status", "opened_at", "id"], unique=False
    )
    op.create_index("ix_positions_status_opened", "positions", ["status", "opened_at", "id"], unique=False)
    op.create_index(
        "uq_positions_open_book",
        "positions",
        ["account", "conid"],
        unique=True,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "reconciliation_differences",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("ours", sa.Numeric(), nullable=True),
        sa.Column("brokers", sa.Numeric(), nullable=True),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("resolved_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('quantity_mismatch', 'cost_mismatch', 'missing_local', 'missing_broker', 'provisional')",
            name=op.f("ck_reconciliation_differences_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["account"],
            ["broker_accounts.account"],
            name=op.f("fk_reconciliation_differences_account_broker_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["conid"], ["instruments.conid"], name=op.f("fk_reconciliation_differences_conid_instruments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_differences")),
    )
    op.create_index(
        "uq_reconciliation_differences_open",
        "reconciliation_differences",
        ["account", "conid", "kind"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("checked", sa.Integer(), nullable=False),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_reconciliations_account_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    op.create_index("ix_reconciliations_account", "reconciliations", ["account", "id"], unique=False)
    op.create_table(
        "sync_datasets",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "dataset IN ('positions', 'executions', 'account_values', 'pnl')",
            name=op.f("ck_sync_datasets_dataset"),
        ),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_sync_datasets_account_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account", "dataset", name=op.f("pk_sync_datasets")),
    )
    op.create_table(
        "lots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.Uuid(), nullable=False),
        sa.Column(
            "seq", sa.Integer(), nullable=False, comment="from 1 within the episode, in order of opening"
        ),
        sa.Column(
            "exec_id", sa.Text(), nullable=True, comment="null: an opening balance or another adjustment"
        ),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="signed, when opened"),
        sa.Column("remaining", sa.Numeric(), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("commission", sa.Numeric(), nullable=False),
        sa.Column("remaining_commission", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_lots_position_id_positions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lots")),
        sa.UniqueConstraint("position_id", "seq", name=op.f("uq_lots_position_id_seq")),
    )
    op.create_index(
        "ix_lots_open",
        "lots",
        ["position_id", "seq"],
        unique=False,
        postgresql_where=sa.text("remaining <> 0"),
    )
    op.create_table(
        "position_events",
        sa.Column("position_id", sa.Uuid(), nullable=False),
        sa.Column(
            "seq", sa.Integer(), autoincrement=False, nullable=False, comment="from 1 within the episode"
        ),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("executed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="signed change"),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("position_after", sa.Numeric(), nullable=False),
        sa.Column("realized_pnl", sa.Numeric(), nullable=True),
        sa.Column("commission", sa.Numeric(), nullable=True),
        sa.Column("exec_id", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("inferred", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint(
            "cause IN ('opening_balance', 'expiry', 'exercise_or_assignment', 'split', 'transfer', 'missed_executions', 'unexplained')",
            name=op.f("ck_position_events_cause"),
        ),
        sa.CheckConstraint(
            "type IN ('opened', 'increased', 'reduced', 'closed', 'flipped', 'adjusted', 'corrected')",
            name=op.f("ck_position_events_type"),
        ),
        sa.ForeignKeyConstraint(
            ["position_id"],
            ["positions.id"],
            name=op.f("fk_position_events_position_id_positions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("position_id", "seq", name=op.f("pk_position_events")),
    )
    op.create_index("ix_position_events_exec_id", "position_events", ["exec_id"], unique=False)
