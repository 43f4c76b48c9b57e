"""history from statements

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CASH_KINDS = (
    "kind IN ('deposit', 'withdrawal', 'transfer', 'dividend', 'payment_in_lieu', 'withholding_tax', "
    "'interest', 'bond_interest', 'fee', 'commission_adjustment', 'tax', 'conversion', 'other')"
)


def upgrade() -> None:
    op.create_table(
        "statement_comparisons",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("compared_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "compared",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="how many figures of each kind",
        ),
        sa.ForeignKeyConstraint(
            ["account"],
            ["broker_accounts.account"],
            name=op.f("fk_statement_comparisons_account_broker_accounts"),
        ),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_statement_comparisons")),
        comment="when an account was last compared with its statements, one row an account",
    )
    op.create_table(
        "performance_metrics",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column(
            "ts",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="the end of the hour, or of the broker's day",
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="who told what it was worth"),
        sa.Column("day", sa.Date(), nullable=False, comment="the broker's day"),
        sa.Column(
            "currency",
            sa.Text(),
            nullable=True,
            comment="of all amounts: the base currency; null: not stated",
        ),
        sa.Column("net_liquidation", sa.Numeric(), nullable=False),
        sa.Column("total_cash", sa.Numeric(), nullable=True),
        sa.Column(
            "gross_position_value",
            sa.Numeric(),
            nullable=True,
            comment="of all holdings, shorts taken as positive",
        ),
        sa.Column(
            "daily_pnl",
            sa.Numeric(),
            nullable=True,
            comment="change since the day before, less net_contribution",
        ),
        sa.Column("unrealized_pnl", sa.Numeric(), nullable=True),
        sa.Column("realized_pnl", sa.Numeric(), nullable=True),
        sa.Column(
            "net_contribution",
            sa.Numeric(),
            nullable=True,
            comment="what the owner brought less what he took",
        ),
        sa.Column(
            "twr",
            sa.Numeric(),
            nullable=True,
            comment="time-weighted return since the first value, a fraction",
        ),
        sa.Column(
            "drawdown",
            sa.Numeric(),
            nullable=True,
            comment="of that below its highest so far, a fraction, never above 0",
        ),
        sa.Column("data_quality", sa.Text(), nullable=False),
        sa.Column(
            "import_id", sa.BigInteger(), nullable=True, comment="whose value it is; null: no statement's"
        ),
        sa.CheckConstraint(
            "(source = 'statement') = (import_id IS NOT NULL)",
            name=op.f("ck_performance_metrics_import_of_statement"),
        ),
        sa.CheckConstraint(
            "data_quality IN ('complete', 'estimated', 'incomplete')",
            name=op.f("ck_performance_metrics_data_quality"),
        ),
        sa.CheckConstraint("resolution IN ('hour', 'day')", name=op.f("ck_performance_metrics_resolution")),
        sa.CheckConstraint("source IN ('statement', 'snapshot')", name=op.f("ck_performance_metrics_source")),
        sa.ForeignKeyConstraint(
            ["account"],
            ["broker_accounts.account"],
            name=op.f("fk_performance_metrics_account_broker_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_performance_metrics_import_id_imports")
        ),
        sa.PrimaryKeyConstraint("account", "resolution", "ts", "source", name=op.f("pk_performance_metrics")),
        comment="what an account was worth, earned and was given, hour by hour and day by day",
    )
    op.create_index(
        "ix_performance_metrics_import_id",
        "performance_metrics",
        ["import_id"],
        unique=False,
        postgresql_where=sa.text("import_id IS NOT NULL"),
    )
    op.create_index(
        "ix_performance_metrics_ts",
        "performance_metrics",
        ["resolution", "ts", "account", "source"],
        unique=False,
    )
    op.create_table(
        "stated_changes",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True, comment="the base currency; null: not stated"),
        sa.Column("starting", sa.Numeric(), nullable=False),
        sa.Column("ending", sa.Numeric(), nullable=False),
        sa.Column(
            "contribution", sa.Numeric(), nullable=False, comment="what the owner brought less what he took"
        ),
        sa.Column("gain", sa.Numeric(), nullable=False, comment="all the rest, as the sum of what is stated"),
        sa.Column(
            "twr", sa.Numeric(), nullable=True, comment="the broker's time-weighted return, a fraction"
        ),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_stated_changes_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "account", "starts_on", "ends_on", "import_id", name=op.f("pk_stated_changes")
        ),
        comment="how an account's value came about over whole days, as statements state it",
    )
    op.create_index("ix_stated_changes_import_id", "stated_changes", ["import_id"], unique=False)
    op.create_table(
        "stated_lots",
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="counts the lots of its file"
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column(
            "opened_at", postgresql.TIMESTAMP(timezone=True), nullable=True, comment="null: not stated"
        ),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="signed like the lot"),
        sa.Column("cost", sa.Numeric(), nullable=True, comment="signed alike, commission in it"),
        sa.Column("realized_pnl", sa.Numeric(), nullable=True),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_stated_lots_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", "import_id", name=op.f("pk_stated_lots")),
        comment="lots that were closed, as the broker chose them",
    )
    op.create_index("ix_stated_lots_book", "stated_lots", ["account", "conid", "closed_at"], unique=False)
    op.create_index("ix_stated_lots_import_id", "stated_lots", ["import_id"], unique=False)
    op.create_table(
        "stated_periods",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "complete", sa.Boolean(), nullable=False, comment="it tells of all executions of that time"
        ),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_stated_periods_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "account", "starts_at", "ends_at", "import_id", name=op.f("pk_stated_periods")
        ),
        comment="times that statements cover, whole days of the broker",
    )
    op.create_index("ix_stated_periods_import_id", "stated_periods", ["import_id"], unique=False)
    op.create_table(
        "statement_differences",
        sa.Column(
            "id",
            sa.Uuid(),
            nullable=False,
            comment="named by what it is about, the same each time it is found",
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="the broker's day that it is about"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=True, comment="null: not about one instrument"),
        sa.Column(
            "currency", sa.Text(), nullable=False, comment="of the amounts, empty for a return or a quantity"
        ),
        sa.Column(
            "reference", sa.Text(), nullable=False, comment="which trade or event, or which part of a sum"
        ),
        sa.Column("ours", sa.Numeric(), nullable=True, comment="null: not known here"),
        sa.Column("stated", sa.Numeric(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False, comment="the statement that says so"),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.Column("found_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "cause IN ('contradiction', 'told_otherwise', 'not_itemized', 'not_covered', 'missing_opening', 'unknown_cost', 'opening_balance', 'awaited_commission', 'cost_method', 'converted_commission', 'return_of_capital', 'corporate_action', 'futures_settlement', 'missing_rate', 'holdings_differ', 'flow_convention', 'unexplained')",
            name=op.f("ck_statement_differences_cause"),
        ),
        sa.CheckConstraint(
            "kind IN ('trade', 'realized', 'lot', 'quantity', 'cost', 'cash', 'value', 'contribution', 'change', 'twr')",
            name=op.f("ck_statement_differences_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["account"],
            ["broker_accounts.account"],
            name=op.f("fk_statement_differences_account_broker_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_statement_differences_import_id_imports")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_differences")),
        comment="where what a statement says is not what our ledger comes to, as of the last import",
    )
    op.create_index(
        "ix_statement_differences_account", "statement_differences", ["account", "day", "id"], unique=False
    )
    op.create_index("ix_statement_differences_day", "statement_differences", ["day", "id"], unique=False)
    op.create_index(
        "ix_statement_differences_import_id", "statement_differences", ["import_id"], unique=False
    )
    op.add_column(
        "cash_balances",
        sa.Column("starts_on", sa.Date(), nullable=True, comment="the first day of its statement"),
    )
    op.add_column(
        "cash_balances",
        sa.Column(
            "starting_cash", sa.Numeric(), nullable=True, comment="what was there before it; null: not stated"
        ),
    )
    op.add_column(
        "cash_balances",
        sa.Column("trades", sa.Numeric(), nullable=True, comment="what trades brought or cost since"),
    )
    op.add_column("cash_balances", sa.Column("commissions", sa.Numeric(), nullable=True))
    op.add_column(
        "cash_balances",
        sa.Column("futures", sa.Numeric(), nullable=True, comment="what futures settled day by day"),
    )
    op.add_column(
        "cash_balances",
        sa.Column("flows", sa.Numeric(), nullable=True, comment="everything else that came or went since"),
    )
    op.create_index("ix_cash_balances_as_of", "cash_balances", ["as_of", "account", "currency"], unique=False)
    op.add_column(
        "cash_flows",
        sa.Column(
            "reported_on",
            sa.Date(),
            nullable=True,
            comment="the broker's day in whose sums it is; null: not stated",
        ),
    )
    op.create_index("ix_cash_flows_at", "cash_flows", ["at", "flow_key"], unique=False)
    op.add_column(
        "corporate_actions",
        sa.Column("cash", sa.Numeric(), nullable=True, comment="that came with it; null: not stated"),
    )
    op.add_column(
        "corporate_actions",
        sa.Column(
            "market_value",
            sa.Numeric(),
            nullable=True,
            comment="of what was transferred, signed like the quantity",
        ),
    )
    op.add_column("corporate_actions", sa.Column("fx_rate_to_base", sa.Numeric(), nullable=True))
    op.add_column(
        "corporate_actions",
        sa.Column(
            "reported_on",
            sa.Date(),
            nullable=True,
            comment="the broker's day in whose sums it is; null: not stated",
        ),
    )
    op.create_index("ix_fx_rates_as_of", "fx_rates", ["as_of", "currency", "into_currency"], unique=False)
    op.create_index("ix_stated_positions_day", "stated_positions", ["account", "as_of"], unique=False)
    op.add_column(
        "stated_trades",
        sa.Column(
            "reported_on",
            sa.Date(),
            nullable=True,
            comment="the broker's day in whose sums it is; null: not stated",
        ),
    )
    op.add_column(
        "stated_values",
        sa.Column("other", sa.Numeric(), nullable=True, comment="what is none of the parts before"),
    )
    op.add_column(
        "stated_values",
        sa.Column(
            "gross",
            sa.Numeric(),
            nullable=True,
            comment="of all holdings, shorts taken as positive; null: not stated",
        ),
    )
    op.drop_constraint(op.f("ck_cash_flows_kind"), "cash_flows")
    op.create_check_constraint(op.f("ck_cash_flows_kind"), "cash_flows", _CASH_KINDS)
