"""what somebody said of a difference from the broker, and of which figures

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = postgresql.TIMESTAMP(timezone=True)
    for column in (
        sa.Column(
            "acknowledged_at",
            instant,
            nullable=True,
            comment="somebody knows of it, and said why it may stand",
        ),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True, comment="why, in their words"),
        sa.Column("acknowledged_ours", sa.Numeric(), nullable=True, comment="our figure as they knew it"),
        sa.Column(
            "acknowledged_brokers", sa.Numeric(), nullable=True, comment="the broker's as they knew it"
        ),
        sa.Column(
            "acknowledgement_ended_at",
            instant,
            nullable=True,
            comment="when either figure was found to be another: what they said counts no more",
        ),
    ):
        op.add_column("reconciliation_differences", column)
    op.create_check_constraint(
        op.f("ck_reconciliation_differences_acknowledged"),
        "reconciliation_differences",
        "(acknowledged_at IS NULL) = (acknowledged_by IS NULL) "
        "AND (acknowledged_at IS NULL) = (note IS NULL) "
        "AND (acknowledged_at IS NOT NULL OR acknowledgement_ended_at IS NULL)",
    )
