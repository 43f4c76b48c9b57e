"""which accounts a session listed: an account may come under another name of its gateway

Revision ID: 0040
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "broker_sessions",
        sa.Column(
            "accounts",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="that it listed; null: it listed none yet, or began before this was kept",
        ),
    )
