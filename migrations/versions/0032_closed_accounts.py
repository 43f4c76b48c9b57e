"""when accounts were closed

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "stated_accounts",
        sa.Column("closed_on", sa.Date(), nullable=True, comment="the broker's day; null: not stated"),
    )
