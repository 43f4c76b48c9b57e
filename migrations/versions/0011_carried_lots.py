"""carried lots

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_CAUSES = (
    "cause IN ('opening_balance', 'expiry', 'exercise_or_assignment', 'split', 'transfer', 'merger', "
    "'spin_off', 'tender', 'symbol_change', 'corporate_action', 'missed_executions', 'unexplained')"
)


def upgrade() -> None:
    """Let lots go from one book to another, and have the books folded anew between which some do."""
    op.create_table(
        "carried_lots",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "conid",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="of the book that they left",
        ),
        sa.Column("event_key", sa.Text(), nullable=False, comment="of the corporate action that took them"),
        sa.Column(
            "seq", sa.Integer(), autoincrement=False, nullable=False, comment="from 1, the oldest first"
        ),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "quantity",
            sa.Numeric(),
            nullable=False,
            comment="in the units of the book that they left, signed",
        ),
        sa.Column(
            "cost",
            sa.Numeric(),
            nullable=True,
            comment="signed like the quantity, commissions in it; null: unknown",
        ),
        sa.Column("provisional", sa.Boolean(), nullable=False, comment="the cost may still change"),
        sa.PrimaryKeyConstraint("account", "conid", "event_key", "seq", name=op.f("pk_carried_lots")),
        comment="lots that a merger, a tender or another name takes from one book to another: what the fold "
        "of the old book says, and that of the new one goes on with",
    )
    op.add_column(
        "lots",
        sa.Column(
            "carried_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it came from another book, with its age and cost; null: it was opened in this one",
        ),
    )
    op.add_column(
        "corporate_actions",
        sa.Column(
            "kept_share",
            sa.Numeric(),
            nullable=True,
            comment="of its cost that went on to what came for it, the rest being sold; "
            "null: all, or not known",
        ),
    )
    op.create_index(
        "ix_corporate_actions_group",
        "corporate_actions",
        ["account", "event_group"],
        unique=False,
        postgresql_where=sa.text("event_group <> ''"),
    )
    for table in ("corporate_actions", "position_events", "position_statements"):
        op.drop_constraint(op.f(f"ck_{table}_cause"), table)
        op.create_check_constraint(op.f(f"ck_{table}_cause"), table, _CAUSES)
    op.execute(
        "UPDATE ledger_books b SET dirty = true WHERE EXISTS (SELECT FROM corporate_actions t "
        "WHERE t.account = b.account AND t.conid = b.conid AND t.event_group <> '' "
        "AND t.cause NOT IN ('transfer', 'exercise_or_assignment', 'expiry', 'split'))"
    )
