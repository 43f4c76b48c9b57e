"""base backups and the putting away of WAL, among backups

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_backup_runs_kind"), "backup_runs", type_="check")
    op.create_check_constraint(
        op.f("ck_backup_runs_kind"), "backup_runs", "kind IN ('backup', 'drill', 'base', 'wal')"
    )
    op.alter_column(
        "backup_runs",
        "kind",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="a backup, a restore of one on trial, a base backup, or putting WAL away",
        existing_comment="a backup, or a restore of one into a database beside",
    )
