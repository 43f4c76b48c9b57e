"""groups of accounts, and benchmarks

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_groups",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_account_groups")),
        comment="accounts that are looked at together, under a name of their owner's",
    )
    op.create_table(
        "account_group_members",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"],
            ["broker_accounts.account"],
            name=op.f("fk_account_group_members_account_broker_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["name"],
            ["account_groups.name"],
            name=op.f("fk_account_group_members_name_account_groups"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("name", "account", name=op.f("pk_account_group_members")),
        comment="which accounts a group has",
    )
    op.create_index("ix_account_group_members_account", "account_group_members", ["account"], unique=False)
    op.create_table(
        "benchmark_levels",
        sa.Column("benchmark", sa.Text(), nullable=False, comment="a name of its owner's"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("level", sa.Numeric(), nullable=False, comment="at the end of the day"),
        sa.Column("currency", sa.Text(), nullable=False, comment="of the level; empty: not told"),
        sa.Column(
            "source_sha256", sa.Text(), nullable=False, comment="of the file that told it, hexadecimal"
        ),
        sa.Column("imported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("level > 0", name=op.f("ck_benchmark_levels_level")),
        sa.PrimaryKeyConstraint("benchmark", "day", name=op.f("pk_benchmark_levels")),
        comment="daily levels of benchmarks, as their files tell them",
    )
