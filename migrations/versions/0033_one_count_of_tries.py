"""wrong codes are counted where wrong passwords are; old import jobs say of which accounts they were

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "INSERT INTO sign_in_tries (party, wrong, tried_at) SELECT 'code ' || user_id, wrong, tried_at "
        "FROM second_factors WHERE wrong > 0 AND tried_at IS NOT NULL ON CONFLICT DO NOTHING"
    )
    op.drop_column("second_factors", "wrong")
    op.drop_column("second_factors", "tried_at")
    op.alter_column(
        "second_factors",
        "secret",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="of the user's app, sealed with a key kept elsewhere",
        existing_comment="Base32, as the user's app has it",
    )
    op.alter_column(
        "sign_in_tries",
        "party",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="a network, a name, both, or whose codes",
        existing_comment="a network, and the name that it tried",
    )
    op.alter_column(
        "sign_in_tries",
        "wrong",
        existing_type=sa.Integer(),
        existing_nullable=False,
        comment="passwords, or codes, that were",
        existing_comment="passwords in a row that were",
    )
    op.execute(
        "UPDATE jobs j SET details = j.details || jsonb_build_object('accounts', i.accounts) FROM imports i "
        "WHERE j.kind = 'import' AND j.status = 'succeeded' "
        "AND i.id = CAST(j.details ->> 'import_id' AS bigint) AND i.accounts <> '{}'"
    )
