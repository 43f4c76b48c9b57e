"""the link of each login: its state, its accounts, and the installation that serves it

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# Until now there was one login at a time, and the newest session is of it.
_ACCOUNTS = (
    "UPDATE broker_accounts SET login = "
    "(SELECT login FROM broker_sessions ORDER BY epoch DESC LIMIT 1) WHERE listed"
)
_LINKS = (
    "UPDATE broker_links SET login = coalesce("
    "(SELECT s.login FROM broker_sessions s WHERE s.epoch = broker_links.epoch), "
    "(SELECT login FROM broker_sessions ORDER BY epoch DESC LIMIT 1), '')"
)


def upgrade() -> None:
    op.add_column(
        "broker_sessions",
        sa.Column(
            "place",
            sa.Text(),
            nullable=True,
            comment="the installation of the link; it serves one login at a time",
        ),
    )
    op.add_column(
        "broker_accounts",
        sa.Column("login", sa.Text(), nullable=True, comment="of the gateway that lists it, or did last"),
    )
    op.execute(_ACCOUNTS)
    op.add_column(
        "broker_links",
        sa.Column(
            "login", sa.Text(), nullable=True, comment="host:port of the gateway, as in broker_sessions"
        ),
    )
    op.execute(_LINKS)
    op.drop_constraint(op.f("pk_broker_links"), "broker_links", type_="primary")
    op.drop_column("broker_links", "id")
    op.alter_column("broker_links", "login", existing_type=sa.Text(), nullable=False)
    op.create_primary_key(op.f("pk_broker_links"), "broker_links", ["login"])
    op.create_table_comment(
        "broker_links",
        "the last known state of the link of each login",
        existing_comment="the last known state of the links (one row)",
    )
