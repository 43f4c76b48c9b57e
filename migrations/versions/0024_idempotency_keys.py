"""idempotency keys

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text(), nullable=False, comment="SHA-256 of who sent it, hexadecimal"),
        sa.Column("key_hash", sa.Text(), nullable=False, comment="SHA-256 of the key, hexadecimal"),
        sa.Column("attempt", sa.Uuid(), nullable=False, comment="the request that is at it, or was"),
        sa.Column("job_id", sa.Uuid(), nullable=False, comment="for a job that it begins, at every attempt"),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=True,
            comment="of method, address and body, keyed with the key; null: the body has not come whole",
        ),
        sa.Column("status", sa.Integer(), nullable=True, comment="of the answer; null: there is none yet"),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column(
            "body", sa.LargeBinary(), nullable=True, comment="the answer; null: it showed what is shown once"
        ),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "heard_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when who is at it last said so",
        ),
        sa.PrimaryKeyConstraint("owner", "key_hash", name=op.f("pk_idempotency_keys")),
        comment="requests that may be repeated without beginning anything twice, for a day",
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
