"""snapshots

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_snapshots()
    _tell_beats()
    _tell_for_snapshots()
    _say_what_it_is()


def _add_snapshots() -> None:
    op.create_table(
        "snapshot_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False, comment="who asked for it"),
        sa.Column(
            "hour",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="UTC: which hour it is for; null: it was asked for at a moment",
        ),
        sa.Column("account", sa.Text(), nullable=True, comment="only this one; null: all"),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="the job that asked for it"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "taken",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="accounts that have their snapshot",
        ),
        sa.Column(
            "failures",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="by account: category, reason",
        ),
        sa.Column("error_category", sa.Text(), nullable=True, comment="of the first failure"),
        sa.Column("summary", sa.Text(), server_default="", nullable=False, comment="what failed and why"),
        sa.Column("schema_version", sa.Text(), nullable=False),
        sa.Column("app_version", sa.Text(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "finished_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="of the last attempt; null: under way, or its worker was killed",
        ),
        sa.CheckConstraint(
            "(status = 'running') = (finished_at IS NULL)", name=op.f("ck_snapshot_runs_finished")
        ),
        sa.CheckConstraint(
            "(status IN ('partial', 'fail')) = (error_category IS NOT NULL)",
            name=op.f("ck_snapshot_runs_failed"),
        ),
        sa.CheckConstraint("(trigger = 'hourly') = (hour IS NOT NULL)", name=op.f("ck_snapshot_runs_hour")),
        sa.CheckConstraint(
            "error_category IN ('auth', 'network', 'rate_limit', 'parsing', 'validation', 'database')",
            name=op.f("ck_snapshot_runs_error_category"),
        ),
        sa.CheckConstraint(
            "status IN ('running', 'success', 'partial', 'fail')", name=op.f("ck_snapshot_runs_status")
        ),
        sa.CheckConstraint("trigger IN ('hourly', 'cli', 'api')", name=op.f("ck_snapshot_runs_trigger")),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_snapshot_runs_account_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot_runs")),
        comment="attempts to take snapshots: one row an hour, and one each time somebody asks",
    )
    op.create_index(
        "ix_snapshot_runs_running",
        "snapshot_runs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "uq_snapshot_runs_hour",
        "snapshot_runs",
        ["hour"],
        unique=True,
        postgresql_where=sa.text("hour IS NOT NULL"),
    )
    op.create_index(
        "uq_snapshot_runs_job_id",
        "snapshot_runs",
        ["job_id"],
        unique=True,
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "snapshot_key", sa.Text(), nullable=False, comment="of the account and its hour, or its run"
        ),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "hour",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="UTC: which hour it is of; null: it was asked for at a moment",
        ),
        sa.Column(
            "asof_ts",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="the broker's time of net_liquidation",
        ),
        sa.Column("taken_at", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="our clock"),
        sa.Column(
            "net_liquidation", sa.Numeric(), nullable=False, comment="the broker's own, as the next two"
        ),
        sa.Column("total_cash", sa.Numeric(), nullable=True),
        sa.Column("gross_position_value", sa.Numeric(), nullable=True),
        sa.Column("base_currency", sa.Text(), nullable=False, comment="of all amounts"),
        sa.Column(
            "coverage", sa.Numeric(), nullable=False, comment="which share of what is held had a fresh mark"
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("payload_sha256", sa.Text(), nullable=False),
        sa.CheckConstraint("source IN ('ibkr')", name=op.f("ck_snapshots_source")),
        sa.CheckConstraint("coverage BETWEEN 0 AND 1", name=op.f("ck_snapshots_coverage")),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_snapshots_account_broker_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["payload_sha256"], ["raw_payloads.sha256"], name=op.f("fk_snapshots_payload_sha256_raw_payloads")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["snapshot_runs.id"], name=op.f("fk_snapshots_run_id_snapshot_runs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
        comment="what an account was worth at a moment",
    )
    op.create_index("ix_snapshots_account", "snapshots", ["account", "asof_ts", "id"], unique=False)
    op.create_index("ix_snapshots_asof_ts", "snapshots", ["asof_ts", "id"], unique=False)
    op.create_index("ix_snapshots_run_id", "snapshots", ["run_id"], unique=False)
    op.create_index(
        "uq_snapshots_account_hour",
        "snapshots",
        ["account", "hour"],
        unique=True,
        postgresql_where=sa.text("hour IS NOT NULL"),
    )
    op.create_index("uq_snapshots_snapshot_key", "snapshots", ["snapshot_key"], unique=True)
    op.create_table(
        "snapshot_positions",
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "asof_ts",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="the snapshot's: names the month it is kept in",
        ),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="signed, as the broker tells it"),
        sa.Column(
            "average_cost",
            sa.Numeric(),
            nullable=True,
            comment="per unit, with multiplier and commission, as IBKR's",
        ),
        sa.Column("currency", sa.Text(), nullable=False, comment="the instrument's"),
        sa.Column(
            "mark_price",
            sa.Numeric(),
            nullable=True,
            comment="as quoted; null: none, or none that can be believed",
        ),
        sa.Column(
            "mark_as_of",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was last told what it is worth",
        ),
        sa.Column("fresh", sa.Boolean(), nullable=False, comment="the mark was of then"),
        sa.Column("market_value", sa.Numeric(), nullable=True, comment="in currency; null: not known"),
        sa.Column(
            "fx_rate",
            sa.Numeric(),
            nullable=True,
            comment="into the base currency, as the snapshot's fx_rates have it; null: not known",
        ),
        sa.Column(
            "market_value_base", sa.Numeric(), nullable=True, comment="in the base currency; null: not known"
        ),
        sa.Column("unrealized_pnl", sa.Numeric(), nullable=True, comment="in currency, as the next"),
        sa.Column("daily_pnl", sa.Numeric(), nullable=True),
        sa.Column(
            "market_open", sa.Boolean(), nullable=True, comment="in regular trading hours; null: not known"
        ),
        sa.ForeignKeyConstraint(
            ["conid"], ["instruments.conid"], name=op.f("fk_snapshot_positions_conid_instruments")
        ),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.id"],
            name=op.f("fk_snapshot_positions_snapshot_id_snapshots"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("snapshot_id", "asof_ts", "conid", name=op.f("pk_snapshot_positions")),
        comment="what was held at a snapshot, a partition a month (UTC)",
        postgresql_partition_by="RANGE (asof_ts)",
    )


def _tell_beats() -> None:
    op.add_column(
        "instruments",
        sa.Column(
            "liquid_hours",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="regular trading hours of some days, as IBKR spells them; as of details_as_of",
        ),
    )
    op.add_column(
        "instruments",
        sa.Column("time_zone", sa.Text(), server_default="", nullable=False, comment="of liquid_hours"),
    )
    op.add_column(
        "broker_links",
        sa.Column(
            "heard_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="PostgreSQL's clock: when its last beat was written",
        ),
    )
    op.add_column(
        "broker_links",
        sa.Column(
            "clock_offset_seconds",
            sa.Numeric(),
            nullable=True,
            comment="the broker's clock minus ours, by its last beat",
        ),
    )


def _tell_for_snapshots() -> None:
    op.drop_constraint(op.f("pk_cash_balances"), "cash_balances")
    op.add_column("cash_balances", sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.create_primary_key(op.f("pk_cash_balances"), "cash_balances", ["id"])
    op.add_column(
        "cash_balances",
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the broker told it; null: it was stated for the end of the day",
        ),
    )
    op.add_column("cash_balances", sa.Column("source", sa.Text(), server_default="statement", nullable=False))
    op.add_column("cash_balances", sa.Column("snapshot_id", sa.BigInteger(), nullable=True))
    op.alter_column(
        "cash_balances", "as_of", existing_type=sa.DATE(), comment="the broker's day", existing_nullable=False
    )
    op.alter_column("cash_balances", "import_id", existing_type=sa.BIGINT(), nullable=True)
    op.alter_column(
        "cash_balances",
        "line",
        existing_type=sa.INTEGER(),
        nullable=True,
        existing_comment="where in its file",
    )
    op.create_index(
        "uq_cash_balances_snapshot",
        "cash_balances",
        ["snapshot_id", "account", "currency"],
        unique=True,
        postgresql_where=sa.text("snapshot_id IS NOT NULL"),
    )
    op.create_index(
        "uq_cash_balances_stated",
        "cash_balances",
        ["account", "currency", "as_of", "import_id"],
        unique=True,
        postgresql_where=sa.text("import_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_cash_balances_snapshot_id_snapshots"),
        "cash_balances",
        "snapshots",
        ["snapshot_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_check_constraint(
        op.f("ck_cash_balances_source"), "cash_balances", "source IN ('statement', 'snapshot')"
    )
    op.create_check_constraint(
        op.f("ck_cash_balances_statement"),
        "cash_balances",
        "(source = 'statement') = (import_id IS NOT NULL AND line IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_cash_balances_snapshot"),
        "cash_balances",
        "(source = 'snapshot') = (snapshot_id IS NOT NULL AND at IS NOT NULL)",
    )
    op.drop_index("ix_cash_balances_as_of", table_name="cash_balances")
    op.create_index(
        "ix_cash_balances_as_of",
        "cash_balances",
        ["as_of", "account", "currency"],
        unique=False,
        postgresql_where=sa.text("import_id IS NOT NULL"),
    )
    op.create_table_comment(
        "cash_balances",
        "cash at the end of a day, as statements state it, or as the broker told it for a snapshot",
        existing_comment="cash at the end of a day, as statements state it",
        schema=None,
    )
    op.drop_constraint(op.f("pk_fx_rates"), "fx_rates")
    op.add_column("fx_rates", sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.create_primary_key(op.f("pk_fx_rates"), "fx_rates", ["id"])
    op.add_column(
        "fx_rates",
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the broker told it; null: it was stated for the end of the day",
        ),
    )
    op.add_column("fx_rates", sa.Column("source", sa.Text(), server_default="statement", nullable=False))
    op.add_column("fx_rates", sa.Column("snapshot_id", sa.BigInteger(), nullable=True))
    op.alter_column(
        "fx_rates", "as_of", existing_type=sa.DATE(), comment="the broker's day", existing_nullable=False
    )
    op.alter_column("fx_rates", "import_id", existing_type=sa.BIGINT(), nullable=True)
    op.alter_column(
        "fx_rates", "line", existing_type=sa.INTEGER(), nullable=True, existing_comment="where in its file"
    )
    op.create_index(
        "uq_fx_rates_snapshot",
        "fx_rates",
        ["snapshot_id", "currency", "into_currency"],
        unique=True,
        postgresql_where=sa.text("snapshot_id IS NOT NULL"),
    )
    op.create_index(
        "uq_fx_rates_stated",
        "fx_rates",
        ["currency", "into_currency", "as_of", "import_id"],
        unique=True,
        postgresql_where=sa.text("import_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_fx_rates_snapshot_id_snapshots"),
        "fx_rates",
        "snapshots",
        ["snapshot_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_check_constraint(op.f("ck_fx_rates_source"), "fx_rates", "source IN ('statement', 'snapshot')")
    op.create_check_constraint(
        op.f("ck_fx_rates_statement"),
        "fx_rates",
        "(source = 'statement') = (import_id IS NOT NULL AND line IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_fx_rates_snapshot"),
        "fx_rates",
        "(source = 'snapshot') = (snapshot_id IS NOT NULL AND at IS NOT NULL)",
    )
    op.drop_index("ix_fx_rates_as_of", table_name="fx_rates")
    op.create_index(
        "ix_fx_rates_as_of",
        "fx_rates",
        ["as_of", "currency", "into_currency"],
        unique=False,
        postgresql_where=sa.text("import_id IS NOT NULL"),
    )
    op.create_table_comment(
        "fx_rates",
        "rates at the end of a day, as statements state them, or as the broker told them for a snapshot",
        existing_comment="rates at the end of a day, as statements state them",
        schema=None,
    )
    op.add_column(
        "marks",
        sa.Column(
            "priced_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was last told what it is worth; null: not known",
        ),
    )


def _say_what_it_is() -> None:
    op.alter_column(
        "performance_metrics",
        "daily_pnl",
        existing_type=sa.NUMERIC(),
        comment="since the day before, less net_contribution; of an hour: by IBKR's account window",
        existing_comment="change since the day before, less net_contribution",
        existing_nullable=True,
    )
    op.alter_column(
        "raw_payloads",
        "sha256",
        existing_type=sa.TEXT(),
        comment="of the content itself, hexadecimal",
        existing_comment="of the file itself, hexadecimal",
        existing_nullable=False,
    )
    op.alter_column(
        "raw_payloads",
        "size_bytes",
        existing_type=sa.BIGINT(),
        comment="of the content itself",
        existing_comment="of the file itself",
        existing_nullable=False,
    )
    op.alter_column(
        "raw_payloads",
        "content",
        existing_type=postgresql.BYTEA(),
        comment="the file or JSON document, deflated (zlib)",
        existing_comment="the file, deflated (zlib)",
        existing_nullable=False,
    )
    op.create_table_comment(
        "raw_payloads",
        "imported files as they came, and what snapshots were made of; each once",
        existing_comment="imported files, each once, as they came",
        schema=None,
    )
