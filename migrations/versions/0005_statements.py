"""statements

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "flex_fetches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("query_id", sa.Text(), nullable=False, comment="the Flex query's number"),
        sa.Column(
            "asked", sa.Boolean(), nullable=False, comment="somebody asked for it; false: the daily one"
        ),
        sa.Column("token_mark", sa.Text(), nullable=False, comment="tells one token from the next"),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), server_default="running", nullable=False),
        sa.Column("error_category", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), server_default="", nullable=False, comment="why it failed"),
        sa.Column("file_path", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('running', 'succeeded', 'failed')", name=op.f("ck_flex_fetches_outcome")
        ),
        sa.CheckConstraint(
            "error_category IN ('auth', 'network', 'rate_limit', 'parsing', 'validation', 'database')",
            name=op.f("ck_flex_fetches_error_category"),
        ),
        sa.CheckConstraint(
            "(outcome = 'failed') = (error_category IS NOT NULL)", name=op.f("ck_flex_fetches_failed")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flex_fetches")),
        comment="fetches from the Flex Web Service, one row a try",
    )
    op.create_index(
        "ix_flex_fetches_query_id_started_at", "flex_fetches", ["query_id", "started_at"], unique=False
    )
    op.create_index(
        "ix_flex_fetches_running",
        "flex_fetches",
        ["query_id"],
        unique=False,
        postgresql_where=sa.text("outcome = 'running'"),
    )
