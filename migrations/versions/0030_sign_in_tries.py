"""wrong passwords, as all replicas count them

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_tries",
        sa.Column("party", sa.Text(), nullable=False, comment="a network, and the name that it tried"),
        sa.Column("wrong", sa.Integer(), nullable=False, comment="passwords in a row that were"),
        sa.Column("tried_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("party", name=op.f("pk_sign_in_tries")),
        comment="what is told here is forgotten within an hour or two",
    )
    op.create_index("ix_sign_in_tries_tried_at", "sign_in_tries", ["tried_at"], unique=False)
