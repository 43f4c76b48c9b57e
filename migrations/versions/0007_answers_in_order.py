"""answers in order

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep where the newest positions answer that told of a book stands among the facts."""
    op.add_column(
        "ledger_books",
        sa.Column(
            "sweep_epoch",
            sa.BigInteger(),
            nullable=True,
            comment="with sweep_seq: where the newest positions answer told of it",
        ),
    )
    op.add_column("ledger_books", sa.Column("sweep_seq", sa.BigInteger(), nullable=True))
