"""second factors of users

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False, comment="Base32, as the user's app has it"),
        sa.Column("begun_at", instant, nullable=False),
        sa.Column("proved_at", instant, nullable=True, comment="null: no code of it was shown yet"),
        sa.Column(
            "last_step",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="the newest step a code was used of",
        ),
        sa.Column(
            "wrong",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="codes in a row that were",
        ),
        sa.Column("tried_at", instant, nullable=True, comment="when the last code was looked at"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_second_factors_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
        comment="what signing in by name asks for besides the password",
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False, comment="SHA-256, hexadecimal"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
        comment="what lets in once in the place of a second factor; a used one is gone",
    )
