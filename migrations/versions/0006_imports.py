"""imports

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_CASH_KINDS = (
    "deposit",
    "withdrawal",
    "transfer",
    "dividend",
    "payment_in_lieu",
    "withholding_tax",
    "interest",
    "bond_interest",
    "fee",
    "commission_adjustment",
    "tax",
    "other",
)
_CAUSES = (
    "opening_balance",
    "expiry",
    "exercise_or_assignment",
    "split",
    "transfer",
    "merger",
    "spin_off",
    "symbol_change",
    "corporate_action",
    "missed_executions",
    "unexplained",
)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def upgrade() -> None:
    op.create_table(
        "raw_payloads",
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the file itself, hexadecimal"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="of the file itself"),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="the file, deflated (zlib)"),
        sa.Column("stored_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_raw_payloads")),
        comment="imported files, each once, as they came",
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="the file's name, without its folder"),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False, comment="who asked for it"),
        sa.Column(
            "stated_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when the file was written; the latest counts",
        ),
        sa.Column("imported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("undone_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "report",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="per section: new, matched, corrected, disputed, ignored",
        ),
        sa.CheckConstraint("(status = 'undone') = (undone_at IS NOT NULL)", name=op.f("ck_imports_undone")),
        sa.CheckConstraint("kind IN ('flex', 'csv')", name=op.f("ck_imports_kind")),
        sa.CheckConstraint("status IN ('done', 'undone')", name=op.f("ck_imports_status")),
        sa.CheckConstraint(
            "trigger IN ('cli', 'folder', 'upload', 'fetch', 'demo')", name=op.f("ck_imports_trigger")
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["raw_payloads.sha256"], name=op.f("fk_imports_sha256_raw_payloads")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        comment="files that were imported, one row each time",
    )
    op.create_index(
        "uq_imports_sha256", "imports", ["sha256"], unique=True, postgresql_where=sa.text("status = 'done'")
    )
    op.create_table(
        "cash_balances",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "currency", sa.Text(), nullable=False, comment="BASE_SUMMARY: all of it, in the base currency"
        ),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("cash", sa.Numeric(), nullable=False),
        sa.Column("settled_cash", sa.Numeric(), nullable=True),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_cash_balances_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account", "currency", "as_of", "import_id", name=op.f("pk_cash_balances")),
        comment="cash at the end of a day, as statements state it",
    )
    op.create_index("ix_cash_balances_import_id", "cash_balances", ["import_id"], unique=False)
    op.create_table(
        "cash_flows",
        sa.Column(
            "flow_key", sa.Text(), nullable=False, comment="the same for the same flow in whatever file"
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("external", sa.Boolean(), nullable=False, comment="the owner brought or took it"),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False, comment="signed: what comes in is positive"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("fx_rate_to_base", sa.Numeric(), nullable=True),
        sa.Column("conid", sa.BigInteger(), nullable=True),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.CheckConstraint(
            _one_of("kind", _CASH_KINDS),
            name=op.f("ck_cash_flows_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_cash_flows_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("flow_key", "import_id", name=op.f("pk_cash_flows")),
        comment="money that came or went, other than by trades",
    )
    op.create_index("ix_cash_flows_account_at", "cash_flows", ["account", "at", "flow_key"], unique=False)
    op.create_index("ix_cash_flows_import_id", "cash_flows", ["import_id"], unique=False)
    op.create_table(
        "corporate_actions",
        sa.Column(
            "event_key", sa.Text(), nullable=False, comment="the same for the same event in whatever file"
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="the statement's own word for it"),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="signed change of what is held"),
        sa.Column(
            "carried",
            sa.Boolean(),
            nullable=False,
            comment="what left took its cost with it: nothing was realized",
        ),
        sa.Column("cost", sa.Numeric(), nullable=True, comment="of what came, signed like the quantity"),
        sa.Column("price", sa.Numeric(), nullable=True, comment="what it was worth, as a quoted price"),
        sa.Column(
            "realized_pnl", sa.Numeric(), nullable=True, comment="the broker's own; null: it states none"
        ),
        sa.Column("event_id", sa.Text(), nullable=False, comment="the broker's own number; empty: none"),
        sa.Column("event_group", sa.Text(), nullable=False, comment="ties the legs of one event"),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.CheckConstraint(
            _one_of("cause", _CAUSES),
            name=op.f("ck_corporate_actions_cause"),
        ),
        sa.ForeignKeyConstraint(
            ["conid"], ["instruments.conid"], name=op.f("fk_corporate_actions_conid_instruments")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_corporate_actions_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_key", "import_id", name=op.f("pk_corporate_actions")),
        comment="splits, mergers, exercises, expiries, transfers: holdings that changed without a trade",
    )
    op.create_index(
        "ix_corporate_actions_book", "corporate_actions", ["account", "conid", "at"], unique=False
    )
    op.create_index("ix_corporate_actions_import_id", "corporate_actions", ["import_id"], unique=False)
    op.create_table(
        "fx_rates",
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("into_currency", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column(
            "rate",
            sa.Numeric(),
            nullable=False,
            comment="what one unit of currency was worth in into_currency",
        ),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_fx_rates_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("currency", "into_currency", "as_of", "import_id", name=op.f("pk_fx_rates")),
        comment="rates at the end of a day, as statements state them",
    )
    op.create_index("ix_fx_rates_import_id", "fx_rates", ["import_id"], unique=False)
    op.create_table(
        "stated_instruments",
        sa.Column("name", sa.Text(), nullable=False, comment="what a file without conids calls it"),
        sa.Column(
            "conid",
            sa.BigInteger(),
            nullable=False,
            comment="what it was taken for; negative: a number of ours",
        ),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_stated_instruments_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("name", "import_id", name=op.f("pk_stated_instruments")),
        comment="instruments that files name without a conid: one name means one instrument as long as it stands",
    )
    op.create_index("ix_stated_instruments_import_id", "stated_instruments", ["import_id"], unique=False)
    op.create_table(
        "stated_inventories",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_stated_inventories_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account", "as_of", "import_id", name=op.f("pk_stated_inventories")),
        comment="days at whose end statements state all that an account held: what they leave out was not held",
    )
    op.create_index("ix_stated_inventories_import_id", "stated_inventories", ["import_id"], unique=False)
    op.create_table(
        "stated_positions",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("as_of", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="the end of the day"),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column(
            "cost",
            sa.Numeric(),
            nullable=True,
            comment="signed like the quantity, with multiplier and commission",
        ),
        sa.Column("mark_price", sa.Numeric(), nullable=True),
        sa.Column("market_value", sa.Numeric(), nullable=True),
        sa.Column("unrealized_pnl", sa.Numeric(), nullable=True),
        sa.Column(
            "implied",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="the statement leaves out what the ledger held: none was",
        ),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_stated_positions_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account", "conid", "as_of", "import_id", name=op.f("pk_stated_positions")),
        comment="what was held at the end of a day, as statements state it",
    )
    op.create_index("ix_stated_positions_import_id", "stated_positions", ["import_id"], unique=False)
    op.create_table(
        "stated_trades",
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "number",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="counts the trades of its file",
        ),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.Column(
            "exec_id", sa.Text(), nullable=False, comment="the execution it states, ours where it bears no id"
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column("executed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="signed"),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("commission", sa.Numeric(), nullable=True, comment="null: not stated"),
        sa.Column("commission_currency", sa.Text(), nullable=False),
        sa.Column(
            "realized_pnl", sa.Numeric(), nullable=True, comment="the broker's own; null: it computed none"
        ),
        sa.Column(
            "cost",
            sa.Numeric(),
            nullable=True,
            comment="signed, of what it opened or closed; null: not stated",
        ),
        sa.Column(
            "opens",
            sa.Boolean(),
            nullable=False,
            comment="it only opens: nothing was held that it would close",
        ),
        sa.Column("closes", sa.Boolean(), nullable=False, comment="it only closes: something was held"),
        sa.Column("trade_id", sa.Text(), server_default="", nullable=False),
        sa.Column("transaction_id", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column(
            "aside",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="of a disputed one: what its execution would say besides",
        ),
        sa.CheckConstraint(
            "outcome IN ('new', 'matched', 'corrected', 'disputed')", name=op.f("ck_stated_trades_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_stated_trades_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_stated_trades")),
        comment="trades as statements state them; of a disputed one the execution says something else",
    )
    op.create_index(
        "ix_stated_trades_book", "stated_trades", ["account", "conid", "executed_at"], unique=False
    )
    op.create_index(
        "ix_stated_trades_disputed",
        "stated_trades",
        ["import_id"],
        unique=False,
        postgresql_where=sa.text("outcome = 'disputed'"),
    )
    op.create_index("ix_stated_trades_exec_id", "stated_trades", ["exec_id"], unique=False)
    op.create_table(
        "stated_values",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True, comment="the base currency; null: not stated"),
        sa.Column("net_liquidation", sa.Numeric(), nullable=False),
        sa.Column("cash", sa.Numeric(), nullable=True),
        sa.Column("stock", sa.Numeric(), nullable=True),
        sa.Column("options", sa.Numeric(), nullable=True),
        sa.Column("bonds", sa.Numeric(), nullable=True),
        sa.Column("funds", sa.Numeric(), nullable=True),
        sa.Column("accruals", sa.Numeric(), nullable=True),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_stated_values_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account", "as_of", "import_id", name=op.f("pk_stated_values")),
        comment="what an account was worth at the end of a day, as statements state it",
    )
    op.create_index("ix_stated_values_import_id", "stated_values", ["import_id"], unique=False)
    op.add_column(
        "commission_reports",
        sa.Column(
            "stated_by",
            sa.BigInteger(),
            nullable=True,
            comment="the import whose statement the amount is from; null: told live",
        ),
    )
    op.add_column(
        "commission_reports",
        sa.Column(
            "live_commission",
            sa.Numeric(),
            nullable=True,
            comment="what was told live, where a statement says otherwise",
        ),
    )
    op.add_column("commission_reports", sa.Column("live_currency", sa.Text(), nullable=True))
    op.add_column("commission_reports", sa.Column("live_realized_pnl", sa.Numeric(), nullable=True))
    op.create_index(
        "ix_commission_reports_stated_by",
        "commission_reports",
        ["stated_by"],
        unique=False,
        postgresql_where=sa.text("stated_by IS NOT NULL"),
    )
    op.add_column(
        "executions",
        sa.Column(
            "confirmed_by",
            sa.BigInteger(),
            nullable=True,
            comment="the import whose statement states it; null: none does yet",
        ),
    )
    op.alter_column(
        "executions",
        "source",
        existing_type=sa.TEXT(),
        comment="who told of it first",
        existing_nullable=False,
    )
    op.drop_constraint(op.f("ck_executions_quantity_positive"), "executions")
    op.create_check_constraint(
        op.f("ck_executions_quantity_positive"),
        "executions",
        "quantity > 0 OR (quantity = 0 AND (revision > 1 OR source <> 'live'))",
    )
    op.drop_constraint(op.f("ck_executions_source"), "executions")
    op.create_check_constraint(
        op.f("ck_executions_source"), "executions", "source IN ('live', 'flex', 'csv')"
    )
    op.drop_index(op.f("uq_executions_exec_base_id_revision"), table_name="executions")
    op.create_index(
        "uq_executions_exec_base_id_revision",
        "executions",
        ["exec_base_id", "revision", sa.literal_column("(quantity = 0)")],
        unique=True,
    )
    op.create_index(
        "ix_executions_confirmed_by",
        "executions",
        ["confirmed_by"],
        unique=False,
        postgresql_where=sa.text("confirmed_by IS NOT NULL"),
    )
    for table in ("position_events", "position_statements"):
        op.drop_constraint(op.f(f"ck_{table}_cause"), table)
        op.create_check_constraint(op.f(f"ck_{table}_cause"), table, _one_of("cause", _CAUSES))
    op.add_column(
        "jobs",
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="of an import: what was asked for, and once it has ended its report",
        ),
    )
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.add_column(
        "instruments",
        sa.Column(
            "isin", sa.Text(), server_default="", nullable=False, comment="as the next three: from statements"
        ),
    )
    op.add_column("instruments", sa.Column("cusip", sa.Text(), server_default="", nullable=False))
    op.add_column("instruments", sa.Column("figi", sa.Text(), server_default="", nullable=False))
    op.add_column("instruments", sa.Column("underlying_conid", sa.BigInteger(), nullable=True))
