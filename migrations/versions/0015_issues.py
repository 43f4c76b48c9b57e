"""issues

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_issues()
    _add_rule_checks()
    op.create_index("ix_raw_payloads_stored_at", "raw_payloads", ["stored_at"], unique=False)


def _add_issues() -> None:
    op.create_table(
        "issues",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True, comment="null: of none"),
        sa.Column(
            "subject", sa.Text(), nullable=False, comment="what it is about: the same each time it is found"
        ),
        sa.Column("summary", sa.Text(), nullable=False, comment="in one sentence, as it was last found"),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="as it was last found",
        ),
        sa.Column(
            "about_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="the moment it is about; null: about none",
        ),
        sa.Column("first_seen", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "opened_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="since when it has been found each time",
        ),
        sa.Column("last_seen", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("times_seen", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "reopened", sa.Integer(), server_default="0", nullable=False, comment="how often it came again"
        ),
        sa.Column(
            "resolved_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was found no more",
        ),
        sa.Column(
            "acknowledged_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="somebody knows of it; gone when it comes again",
        ),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("severity IN ('error', 'warning', 'review')", name=op.f("ck_issues_severity")),
        sa.CheckConstraint(
            "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name=op.f("ck_issues_acknowledged")
        ),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_issues_account_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issues")),
        comment="what rules found, one row however often it is found: the owner's inbox",
    )
    op.create_index(
        "uq_issues_found",
        "issues",
        ["rule", sa.literal_column("coalesce(account, '')"), "subject"],
        unique=True,
    )
    op.create_index(
        "ix_issues_unresolved",
        "issues",
        ["id"],
        unique=False,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )


def _add_rule_checks() -> None:
    op.create_table(
        "rule_checks",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column(
            "looked_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="PostgreSQL's clock: what was recorded last is of then",
        ),
        sa.Column(
            "checked_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="the last time that all accounts were looked at, to the end",
        ),
        sa.Column(
            "since",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="from when on was looked then",
        ),
        sa.Column("seconds", sa.Numeric(), nullable=True, comment="how long that took"),
        sa.Column("found", sa.Integer(), nullable=True, comment="how much was found then"),
        sa.Column(
            "is_cut",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="there was more than is kept",
        ),
        sa.Column("error", sa.Text(), nullable=True, comment="why the last look came to no end"),
        sa.PrimaryKeyConstraint("rule", name=op.f("pk_rule_checks")),
        comment="when each rule was last looked at, one row a rule",
    )
