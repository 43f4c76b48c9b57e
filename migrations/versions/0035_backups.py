"""backups that were taken, and restores on trial

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "backup_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="a backup, or a restore of one into a database beside"
        ),
        sa.Column("trigger", sa.Text(), nullable=False, comment="what asked for it"),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("archive", sa.Text(), server_default="", nullable=False, comment="its file's name"),
        sa.Column("taken_at", instant, nullable=True, comment="the moment that the archive shows"),
        sa.Column("bytes", sa.BigInteger(), nullable=True, comment="of the archive"),
        sa.Column("rows", sa.BigInteger(), nullable=True, comment="of all tables in it"),
        sa.Column(
            "state", sa.Text(), nullable=True, comment="the state hash of all tables, SHA-256, hexadecimal"
        ),
        sa.Column("seconds", sa.Numeric(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True, comment="why it failed, as a sentence"),
        sa.Column("finished_at", instant, nullable=False),
        sa.CheckConstraint("kind IN ('backup', 'drill')", name=op.f("ck_backup_runs_kind")),
        sa.CheckConstraint(
            "trigger IN ('cli', 'schedule', 'migration', 'restore')", name=op.f("ck_backup_runs_trigger")
        ),
        sa.CheckConstraint("outcome IN ('success', 'fail')", name=op.f("ck_backup_runs_outcome")),
        sa.CheckConstraint("(outcome = 'fail') = (error IS NOT NULL)", name=op.f("ck_backup_runs_failed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_runs")),
        comment="written when it is over: who is killed over one leaves nothing here, nor an archive",
    )
    op.create_index("ix_backup_runs_kind", "backup_runs", ["kind", "outcome", "finished_at"], unique=False)
