"""lot disposals

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lot_disposals",
        sa.Column("position_id", sa.Uuid(), nullable=False),
        sa.Column(
            "lot_seq", sa.Integer(), autoincrement=False, nullable=False, comment="the lot that was consumed"
        ),
        sa.Column(
            "seq",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="from 1 within the episode, in order of closing",
        ),
        sa.Column("exec_id", sa.Text(), nullable=True, comment="the fill that closed; null: an adjustment"),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="signed like the lot"),
        sa.Column("open_price", sa.Numeric(), nullable=True, comment="as traded; null for an adjustment"),
        sa.Column("close_price", sa.Numeric(), nullable=True, comment="as traded; null for an adjustment"),
        sa.Column(
            "cost",
            sa.Numeric(),
            nullable=True,
            comment="without commission, except an adjustment's; null: unknown",
        ),
        sa.Column("proceeds", sa.Numeric(), nullable=True, comment="without commission; null: unknown"),
        sa.Column("open_commission", sa.Numeric(), nullable=False),
        sa.Column("close_commission", sa.Numeric(), nullable=False),
        sa.Column(
            "realized_pnl", sa.Numeric(), nullable=True, comment="net of both commissions; null: unknown"
        ),
        sa.Column(
            "provisional", sa.Boolean(), nullable=False, comment="a commission or a cost is not known yet"
        ),
        sa.ForeignKeyConstraint(
            ["position_id"],
            ["positions.id"],
            name=op.f("fk_lot_disposals_position_id_positions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("position_id", "lot_seq", "seq", name=op.f("pk_lot_disposals")),
        comment="which lot was closed by which fill, and what that realized",
    )
    op.create_index("ix_lot_disposals_closed_at", "lot_disposals", ["closed_at"], unique=False)
    op.create_index("ix_lot_disposals_exec_id", "lot_disposals", ["exec_id"], unique=False)
    op.add_column(
        "lots",
        sa.Column(
            "provisional",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="its cost was concluded, or its commission is not known yet",
        ),
    )
    op.add_column("positions", sa.Column("disposal_count", sa.Integer(), server_default="0", nullable=False))
    # What was folded before has no disposals yet: the worker's next sweep folds it again.
    op.execute("UPDATE ledger_books SET dirty = true WHERE episodes > 0")
