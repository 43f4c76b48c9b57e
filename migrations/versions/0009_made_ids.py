"""ids of our making

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep what a trade without the broker's id is called while nobody tells that."""
    op.add_column(
        "stated_trades",
        sa.Column(
            "made_id",
            sa.Text(),
            nullable=True,
            comment="the id that was made for it; null: the file states the broker's",
        ),
    )
    op.execute(
        "UPDATE stated_trades SET made_id = exec_id WHERE exec_id LIKE 'flex-%' OR exec_id LIKE 'csv-%'"
    )
