"""which accounts a session listed, and an index of what was said of links

An account may come under another name of its gateway.

Revision ID: 0040
Revises: 0039
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0040"
down_revision = "0039"
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
    op.add_column(
        "broker_sessions",
        sa.Column(
            "given_up_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when its login was: what it said before counts no more if it comes late",
        ),
    )
    op.create_index(
        "ix_sync_log_link",
        "sync_log",
        ["at", "id"],
        postgresql_where=sa.text("kind IN ('link', 'login')"),
    )
