"""lists of jobs, of what was set aside, of statements, and what an instrument paid

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_jobs_created_at", "jobs", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_jobs_failed",
        "jobs",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index("ix_jobs_kind", "jobs", ["kind", "created_at", "id"], unique=False)
    op.create_index(
        "ix_dead_facts_open",
        "dead_facts",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "ix_stated_periods_ends_at",
        "stated_periods",
        ["ends_at", "import_id", "account", "starts_at"],
        unique=False,
    )
    op.create_index(
        "ix_stated_periods_account",
        "stated_periods",
        ["account", "ends_at", "import_id", "starts_at"],
        unique=False,
    )
    op.drop_index("ix_statement_differences_import_id", table_name="statement_differences")
    op.create_index(
        "ix_statement_differences_import_id", "statement_differences", ["import_id", "account"], unique=False
    )
    op.create_index(
        "ix_cash_flows_conid",
        "cash_flows",
        ["conid", "account"],
        unique=False,
        postgresql_where=sa.text("conid IS NOT NULL"),
    )
