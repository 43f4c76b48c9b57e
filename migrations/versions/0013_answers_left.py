"""answers left

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep what a positions answer that is not whole waits for where any worker finds it.

    Answers that are waited for while this is done are not concluded: the next resync asks again.
    """
    op.add_column(
        "inbox",
        sa.Column(
            "unfinished",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="the ends of positions answers in it of which something has still to arrive; null: none",
        ),
    )
    op.drop_column("inbox", "concluded")
    op.create_index(
        "ix_inbox_unfinished",
        "inbox",
        ["applied_at"],
        unique=False,
        postgresql_where=sa.text("unfinished IS NOT NULL"),
    )
