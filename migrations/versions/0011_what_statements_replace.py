"""what statements replace

Revision ID: 0011
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "commission_reports",
        sa.Column(
            "other_days_rate",
            sa.Numeric(),
            nullable=True,
            comment="the rate of another day that a statement's took the place of",
        ),
    )
    op.add_column(
        "commission_reports",
        sa.Column("other_days_rate_as_of", postgresql.TIMESTAMP(timezone=True), nullable=True),
    )
    op.create_index(
        "ix_commission_reports_other_days_rate",
        "commission_reports",
        ["exec_id"],
        postgresql_where=sa.text("rate_source = 'ExchangeRate of another day'"),
    )
