"""notes and tags of positions, and what accounts are called

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def _about(table: str) -> tuple[sa.Column[object] | sa.ForeignKeyConstraint, ...]:
    return (
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column(
            "held_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when that position was opened: where its id is gone, the one held then is meant",
        ),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f(f"fk_{table}_account_broker_accounts")
        ),
        sa.ForeignKeyConstraint(["conid"], ["instruments.conid"], name=op.f(f"fk_{table}_conid_instruments")),
    )


def upgrade() -> None:
    op.add_column(
        "broker_accounts",
        sa.Column("called", sa.Text(), nullable=True, comment="by its owner; null: as its alias has it"),
    )
    op.alter_column("broker_accounts", "alias", existing_type=sa.Text(), comment="as statements have it")
    op.create_table(
        "position_notes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("position_id", sa.Uuid(), nullable=False, comment="as it was called when it was written"),
        *_about("position_notes"),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("written_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "changed_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="null, as the next: it is as it was written",
        ),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_position_notes")),
        comment="notes about positions; whatever the ledger makes of its books, none of them is lost",
    )
    op.create_index("ix_position_notes_book", "position_notes", ["account", "conid", "id"])
    op.create_table(
        "position_tags",
        sa.Column("position_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        *_about("position_tags"),
        sa.Column("tagged_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position_id", "tag", name=op.f("pk_position_tags")),
        comment="words by which positions are found again",
    )
    op.create_index("ix_position_tags_book", "position_tags", ["account", "conid"])
    op.create_index("ix_position_tags_tag", "position_tags", ["tag"])
