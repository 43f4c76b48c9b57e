"""issues that become worse, and what was acknowledged; instruments that are to be mapped; issuers

Revision ID: 0022
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _issues()
    _instruments()
    op.drop_index("ix_position_events_adjusted", table_name="position_events")
    op.drop_index("ix_position_events_untraded", table_name="position_events")
    op.create_index(
        "ix_position_events_untraded",
        "position_events",
        ["executed_at", "position_id"],
        unique=False,
        postgresql_where=sa.text("exec_id IS NULL"),
    )


def _issues() -> None:
    for name, comment in (
        ("magnitude", "how bad it is, in what its rule says; null: it is so or is not"),
        ("acknowledged_magnitude", "how bad that is which somebody knows of"),
    ):
        op.add_column("issues", sa.Column(name, sa.Numeric(), nullable=True, comment=comment))
    for name, comment in (
        ("opened_at", "when it was new, came again or became worse"),
        ("reopened", "how often it did the latter"),
        ("acknowledged_at", "somebody knows of it; gone when it comes again or is worse"),
    ):
        op.alter_column("issues", name, comment=comment)
    op.drop_index("ix_issues_unresolved", table_name="issues")
    op.create_index(
        "ix_issues_unresolved",
        "issues",
        ["opened_at", "id"],
        unique=False,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index("ix_issues_opened", "issues", ["opened_at", "id"], unique=False)
    op.create_table(
        "issue_acknowledgements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.Column("magnitude", sa.Numeric(), nullable=True, comment="how bad it was that somebody knew of"),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended", sa.Text(), nullable=False, comment="why it counts no more"),
        sa.CheckConstraint("ended IN ('again', 'worse')", name=op.f("ck_issue_acknowledgements_ended")),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_acknowledgements_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_acknowledgements")),
        comment="what somebody knew of issues before they came again or became worse",
    )
    op.create_index(
        "ix_issue_acknowledgements_issue_id", "issue_acknowledgements", ["issue_id", "id"], unique=False
    )
    op.add_column(
        "rule_checks",
        sa.Column(
            "whole_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="the last time that all accounts were looked at, as far back as every night, well or not",
        ),
    )
    op.execute("UPDATE rule_checks SET whole_at = checked_at")
    op.alter_column("rule_checks", "checked_at", comment="the last time that this was done to the end")


def _instruments() -> None:
    op.add_column(
        "instruments",
        sa.Column("issuer", sa.Text(), server_default="", nullable=False, comment="from statements"),
    )
    op.add_column(
        "instruments",
        sa.Column(
            "mapped_identity",
            sa.Text(),
            nullable=True,
            comment="digest of what it was mapped by; null: it is not mapped yet",
        ),
    )
    op.alter_column(
        "instruments",
        "isin",
        comment="as the next two: from statements; the first two else from contract details",
    )
    for name, comment in (("broker_isin", "as the next: from contract details"), ("broker_cusip", None)):
        op.add_column(
            "instruments", sa.Column(name, sa.Text(), server_default="", nullable=False, comment=comment)
        )
    op.add_column("stated_identities", sa.Column("issuer", sa.Text(), server_default="", nullable=False))
    told = (
        *("sec_type", "symbol", "local_symbol", "currency", "exchange", "trading_class", "expiry"),
        *("option_right", "description", "isin", "cusip", "figi", "issuer"),
    )
    numbers = ("trim_scale(instruments.multiplier)", "trim_scale(instruments.strike)")
    digested = " || '/' || ".join(
        (
            *(f"instruments.{name}" for name in told),
            *(f"coalesce(CAST({one} AS text), '')" for one in (*numbers, "instruments.underlying_conid")),
        )
    )
    op.create_index(
        "ix_instruments_stale",
        "instruments",
        ["conid"],
        unique=False,
        postgresql_where=sa.text(f"instruments.mapped_identity IS DISTINCT FROM md5('2/' || {digested})"),
    )
    op.drop_column("instrument_mapping", "identity")
