"""performance of hours

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, comment in (
        ("linked_index", "1 + twr, with all digits that the next row goes on from"),
        ("peak_index", "its highest so far"),
    ):
        op.add_column("performance_metrics", sa.Column(name, sa.Numeric(), nullable=True, comment=comment))
    for name, comment in (
        ("since", "of an hour: the end of the one that net_contribution counts from"),
        ("trades_until", "of an hour: up to when executions are in its cash; null: it waits for its cash"),
    ):
        op.add_column(
            "performance_metrics",
            sa.Column(name, postgresql.TIMESTAMP(timezone=True), nullable=True, comment=comment),
        )
    op.add_column(
        "performance_metrics",
        sa.Column(
            "extreme",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="of an hour: 1 if lowest or highest of its day (UTC), in value or return, 2 if of its week",
        ),
    )
    for name, least in (("of_day", 0), ("of_week", 1)):
        op.create_index(
            f"ix_performance_metrics_{name}",
            "performance_metrics",
            ["account", "ts"],
            unique=False,
            postgresql_where=sa.text(f"extreme > {least}"),
        )
    for name, comment in (
        ("accrued", "of a snapshot: interest and dividends due and not paid yet"),
        ("futures_pnl", "of a snapshot: what futures gained since they were settled last"),
    ):
        op.add_column("cash_balances", sa.Column(name, sa.Numeric(), nullable=True, comment=comment))
    op.create_index(
        "ix_position_events_untraded",
        "position_events",
        ["executed_at"],
        unique=False,
        postgresql_where=sa.text("exec_id IS NULL"),
    )
    op.create_table(
        "performance_renewals",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "since",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="hours that end after that are to be reckoned anew",
        ),
        sa.ForeignKeyConstraint(
            ["account"],
            ["broker_accounts.account"],
            name=op.f("fk_performance_renewals_account_broker_accounts"),
        ),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_performance_renewals")),
        comment="accounts whose performance is to be reckoned anew, as something else is known of a time",
    )
    # Hours were kept without any return so far.
    op.execute(
        "INSERT INTO performance_renewals (account, since) SELECT account, min(ts) - interval '1 hour' "
        "FROM performance_metrics WHERE resolution = 'hour' GROUP BY account"
    )
