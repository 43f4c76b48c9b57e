"""attribution

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "stated_values",
        sa.Column(
            "dividend_accruals",
            sa.Numeric(),
            nullable=True,
            comment="of accruals those of dividends; null: not stated",
        ),
    )
    op.create_index(
        "ix_fx_rates_at",
        "fx_rates",
        ["currency", "into_currency", "at"],
        unique=False,
        postgresql_where=sa.text("snapshot_id IS NOT NULL"),
    )
    op.create_index(
        "ix_position_events_adjusted",
        "position_events",
        ["executed_at", "position_id"],
        unique=False,
        postgresql_where=sa.text("type = 'adjusted'"),
    )
    op.create_index(
        "ix_cash_balances_starts_on",
        "cash_balances",
        ["account", "starts_on"],
        unique=False,
        postgresql_where=sa.text("starting_cash IS NOT NULL"),
    )
