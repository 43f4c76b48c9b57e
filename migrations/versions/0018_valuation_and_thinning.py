"""valuation and thinning

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _find_what_is_nearest()
    _let_snapshots_be_thinned()


def _find_what_is_nearest() -> None:
    op.create_index(
        "ix_snapshot_positions_mark",
        "snapshot_positions",
        ["conid", "mark_as_of"],
        unique=False,
        postgresql_where=sa.text("mark_price IS NOT NULL"),
    )
    op.create_index(
        "ix_position_events_splits",
        "position_events",
        ["position_id", "executed_at"],
        unique=False,
        postgresql_where=sa.text("cause = 'split'"),
    )


def _let_snapshots_be_thinned() -> None:
    op.add_column(
        "snapshots",
        sa.Column(
            "thinned_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when its positions, rates, cash and payload were dropped; null: they are kept",
        ),
    )
    op.alter_column("snapshots", "payload_sha256", existing_type=sa.TEXT(), nullable=True)
    op.create_check_constraint(
        op.f("ck_snapshots_thinned"), "snapshots", "(thinned_at IS NULL) = (payload_sha256 IS NOT NULL)"
    )
    op.create_index(
        "ix_snapshots_payload_sha256",
        "snapshots",
        ["payload_sha256"],
        unique=False,
        postgresql_where=sa.text("payload_sha256 IS NOT NULL"),
    )
