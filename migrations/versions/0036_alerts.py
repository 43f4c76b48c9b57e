"""what people are told of what stands wrong

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_conditions",
        sa.Column("id", sa.Text(), nullable=False, comment="the same as long as it is the same thing"),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="where it comes from, and after a colon what exactly"
        ),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True, comment="as it is told; null: of none"),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=True, comment="null: not known"),
        sa.Column("first_seen", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_seen", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "gone_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was seen no more; it is forgotten soon after",
        ),
        sa.Column(
            "told_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when people were told last; null: not yet",
        ),
        sa.Column("told_kind", sa.Text(), nullable=True),
        sa.Column("told_severity", sa.Text(), nullable=True),
        sa.Column(
            "held", sa.Boolean(), server_default="false", nullable=False, comment="was due in quiet hours"
        ),
        sa.Column(
            "muted_until",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="somebody wants to hear nothing of it until then",
        ),
        sa.CheckConstraint(
            "severity IN ('error', 'warning', 'review')", name=op.f("ck_alert_conditions_severity")
        ),
        sa.CheckConstraint(
            "told_severity IN ('error', 'warning', 'review')", name=op.f("ck_alert_conditions_told_severity")
        ),
        sa.CheckConstraint(
            "(told_at IS NULL) = (told_kind IS NULL) AND (told_at IS NULL) = (told_severity IS NULL)",
            name=op.f("ck_alert_conditions_told"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_conditions")),
        comment="what stands wrong, as far as people are told of it",
    )
    op.create_table(
        "alert_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "severity IN ('error', 'warning', 'review')", name=op.f("ck_alert_messages_severity")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_messages")),
        comment="what was to be told",
    )
    op.create_index("ix_alert_messages_made", "alert_messages", ["made_at", "id"], unique=False)
    op.create_table(
        "alert_deliveries",
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "channel", sa.Text(), nullable=False, comment="its kind, and a few digits of its URL's sum"
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "next_try_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="null: it is over, well or not",
        ),
        sa.Column(
            "sent_at", postgresql.TIMESTAMP(timezone=True), nullable=True, comment="when the service took it"
        ),
        sa.Column("error", sa.Text(), nullable=True, comment="why the last attempt failed"),
        sa.CheckConstraint("sent_at IS NULL OR next_try_at IS NULL", name=op.f("ck_alert_deliveries_over")),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["alert_messages.id"],
            name=op.f("fk_alert_deliveries_message_id_alert_messages"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", "channel", name=op.f("pk_alert_deliveries")),
        comment="how each message went to each channel",
    )
    op.create_index(
        "ix_alert_deliveries_next",
        "alert_deliveries",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_table(
        "price_limits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("conid", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column(
            "price", sa.Numeric(), nullable=False, comment="in the instrument's currency, as it is quoted"
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "met_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="null: it has not been met, and is watched",
        ),
        sa.Column("met_price", sa.Numeric(), nullable=True),
        sa.CheckConstraint("direction IN ('above', 'below')", name=op.f("ck_price_limits_direction")),
        sa.CheckConstraint("(met_at IS NULL) = (met_price IS NULL)", name=op.f("ck_price_limits_met")),
        sa.ForeignKeyConstraint(
            ["conid"], ["instruments.conid"], name=op.f("fk_price_limits_conid_instruments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_limits")),
        comment="prices that somebody wants to be told of, once each",
    )
    op.create_index("ix_price_limits_conid", "price_limits", ["conid"], unique=False)
