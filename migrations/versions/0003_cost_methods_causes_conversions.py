"""cost methods causes conversions

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "broker_accounts",
        sa.Column(
            "cost_method",
            sa.Text(),
            server_default="fifo",
            nullable=False,
            comment="which lot a closing fill takes first",
        ),
    )
    op.add_column(
        "commission_reports",
        sa.Column(
            "rate",
            sa.Numeric(),
            nullable=True,
            comment="one unit of currency in the instrument's, recorded when it was converted; null: not needed or not known",
        ),
    )
    op.add_column(
        "commission_reports",
        sa.Column(
            "rate_as_of",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the broker said so",
        ),
    )
    op.add_column(
        "commission_reports",
        sa.Column("rate_source", sa.Text(), nullable=True, comment="where the rate came from"),
    )
    op.add_column(
        "commission_reports",
        sa.Column(
            "repeated_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was last told again; null: it was not",
        ),
    )
    op.alter_column(
        "commission_reports",
        "received_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when this amount was first told",
        existing_nullable=False,
    )
    op.alter_column(
        "commission_reports",
        "epoch",
        existing_type=sa.BigInteger(),
        comment="of the last time",
        existing_nullable=False,
    )
    op.alter_column(
        "executions",
        "commission_folded",
        existing_type=sa.Boolean(),
        comment="the fold knows its commission, in the instrument's currency",
        existing_nullable=False,
    )
    op.add_column(
        "ledger_books",
        sa.Column(
            "cost_method",
            sa.Text(),
            server_default="fifo",
            nullable=False,
            comment="which lot a closing fill takes first; the account's, when the book was last folded",
        ),
    )
    op.add_column(
        "lots",
        sa.Column(
            "cost",
            sa.Numeric(),
            nullable=True,
            comment="of all of it when opened, without commission as unit_cost; null: unknown",
        ),
    )
    op.add_column(
        "lots",
        sa.Column(
            "remaining_cost", sa.Numeric(), nullable=True, comment="what is left of cost; null: unknown"
        ),
    )
    op.add_column(
        "position_events",
        sa.Column(
            "replaced_quantity",
            sa.Numeric(),
            nullable=True,
            comment="of a correction: what exec_id had reported, signed; price is what it had reported, too",
        ),
    )
    op.add_column(
        "position_statements",
        sa.Column(
            "anchored_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="our clock: when the ledger was first held to it",
        ),
    )
    op.add_column(
        "position_statements",
        sa.Column(
            "prior_as_of",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the broker last told what it told before; null: not known",
        ),
    )
    op.create_index(
        "ix_position_events_uncertain",
        "position_events",
        ["position_id"],
        unique=False,
        postgresql_where=sa.text("cause IN ('unexplained', 'missed_executions')"),
    )
    op.add_column(
        "position_statements",
        sa.Column(
            "held_from",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the ledger was held to it before it was released",
        ),
    )
    op.add_column(
        "position_statements",
        sa.Column(
            "held_until",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was last released; null: it never was",
        ),
    )
    op.add_column(
        "position_statements",
        sa.Column(
            "cause",
            sa.Text(),
            nullable=True,
            comment="why the ledger lacked what this word tells; null: unexplained or no anchor",
        ),
    )
    op.add_column(
        "position_statements",
        sa.Column(
            "price",
            sa.Numeric(),
            nullable=True,
            comment="what the unexplained units were worth, as a quoted price; zero: expired worthless",
        ),
    )
    op.add_column(
        "position_statements",
        sa.Column(
            "carried",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="those units took their cost with them (exercise, transfer): nothing was realized",
        ),
    )
    op.add_column(
        "position_statements",
        sa.Column(
            "inferred",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="cause and price were concluded from circumstances, no statement named them",
        ),
    )
    op.add_column(
        "positions",
        sa.Column(
            "open_commission",
            sa.Numeric(),
            server_default="0",
            nullable=False,
            comment="the part of commission that belongs to what is still held",
        ),
    )
    op.add_column(
        "positions",
        sa.Column(
            "provisional_lots",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="lots, open or not, whose cost or commission is not final",
        ),
    )
    op.add_column(
        "reconciliation_differences",
        sa.Column(
            "inferred",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="the cause was concluded",
        ),
    )
    op.alter_column(
        "reconciliation_differences",
        "ours",
        existing_type=sa.NUMERIC(),
        comment="a quantity; of a cost_mismatch or provisional one the average cost",
        existing_nullable=True,
    )
    op.add_column(
        "reconciliations",
        sa.Column(
            "counts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="books by what comparing them came to: matched, quantity_mismatch, …",
        ),
    )
    # What was held at a moment, and what was known by one.
    op.create_index("ix_positions_opened", "positions", ["opened_at", "id"])
    op.create_index(
        "ix_positions_held",
        "positions",
        [sa.literal_column("tstzrange(opened_at, closed_at)")],
        postgresql_using="gist",
    )
    op.create_index(
        "ix_positions_closed",
        "positions",
        ["closed_at"],
        postgresql_where=sa.text("status = 'closed'"),
    )
    op.create_index("ix_reconciliation_differences_account", "reconciliation_differences", ["account", "id"])
    op.create_index("ix_executions_received_at", "executions", ["received_at"])
    op.create_index("ix_commission_reports_received_at", "commission_reports", ["received_at"])
    op.create_index(
        "ix_commission_reports_rate_as_of",
        "commission_reports",
        ["rate_as_of"],
        postgresql_where=sa.text("rate_as_of IS NOT NULL"),
    )
    op.create_index("ix_position_statements_anchored_at", "position_statements", ["anchored_at"])
    methods = "'fifo', 'lifo', 'hifo', 'average'"
    causes = (
        "'opening_balance', 'expiry', 'exercise_or_assignment', 'split', 'transfer', 'missed_executions', "
        "'unexplained'"
    )
    for table, name, condition in (
        ("broker_accounts", "cost_method", f"cost_method IN ({methods})"),
        ("ledger_books", "cost_method", f"cost_method IN ({methods})"),
        ("position_statements", "cause", f"cause IN ({causes})"),
        ("position_events", "corrected", "(type = 'corrected') = (replaced_quantity IS NOT NULL)"),
    ):
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    # A correction to zero cancels a trade.
    op.drop_constraint(op.f("ck_executions_quantity_positive"), "executions", type_="check")
    op.create_check_constraint(
        op.f("ck_executions_quantity_positive"),
        "executions",
        "quantity > 0 OR (quantity = 0 AND revision > 1)",
    )
    # The fold writes its figures into rows that are there: with room beside them no index is touched. Nothing
    # is looked up by an execution's position.
    op.drop_index("ix_executions_position_id", table_name="executions")
    for table, percent in (("executions", 85), ("ledger_books", 60), ("positions", 60)):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")
    # What these columns hold is computed: the next sweep folds every book anew.
    op.execute("UPDATE ledger_books SET dirty = true")
    op.execute("UPDATE position_statements SET anchored_at = received_at WHERE anchor IS NOT NULL")
