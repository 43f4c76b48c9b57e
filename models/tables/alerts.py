"""What people were told of what stands wrong, and whether it reached them."""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, ForeignKey, Identity, Index, PrimaryKeyConstraint, Table, text

from core.domain.rules import Severity
from models.types import BigInt, Bool, Instant, Int, Money, String, metadata, one_of

alert_conditions = Table(
    "alert_conditions",
    metadata,
    Column("id", String, primary_key=True, comment="the same as long as it is the same thing"),
    Column("kind", String, nullable=False, comment="where it comes from, and after a colon what exactly"),
    Column("severity", String, nullable=False),
    Column("account", String, comment="as it is told; null: of none"),
    Column("summary", String, nullable=False),
    Column("remedy", String, nullable=False),
    Column("since", Instant, comment="null: not known"),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("gone_at", Instant, comment="when it was seen no more; it is forgotten soon after"),
    Column("told_at", Instant, comment="when people were told last; null: not yet"),
    Column("told_kind", String),
    Column("told_severity", String),
    Column("held", Bool, nullable=False, server_default="false", comment="was due in quiet hours"),
    Column("muted_until", Instant, comment="somebody wants to hear nothing of it until then"),
    CheckConstraint(one_of("severity", *get_args(Severity)), name="severity"),
    CheckConstraint(one_of("told_severity", *get_args(Severity)), name="told_severity"),
    CheckConstraint(
        "(told_at IS NULL) = (told_kind IS NULL) AND (told_at IS NULL) = (told_severity IS NULL)",
        name="told",
    ),
    comment="what stands wrong, as far as people are told of it",
)

alert_messages = Table(
    "alert_messages",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("made_at", Instant, nullable=False),
    Column("severity", String, nullable=False),
    Column("title", String, nullable=False),
    Column("body", String, nullable=False),
    CheckConstraint(one_of("severity", *get_args(Severity)), name="severity"),
    Index("ix_alert_messages_made", "made_at", "id"),
    comment="what was to be told",
)

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("message_id", BigInt, ForeignKey("alert_messages.id", ondelete="CASCADE"), nullable=False),
    Column("channel", String, nullable=False, comment="its kind, and a few digits of its URL's sum"),
    Column("attempts", Int, nullable=False, server_default="0"),
    Column("next_try_at", Instant, comment="null: it is over, well or not"),
    Column("sent_at", Instant, comment="when the service took it"),
    Column("error", String, comment="why the last attempt failed"),
    PrimaryKeyConstraint("message_id", "channel"),
    CheckConstraint("sent_at IS NULL OR next_try_at IS NULL", name="over"),
    Index("ix_alert_deliveries_next", "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
    comment="how each message went to each channel",
)

price_limits = Table(
    "price_limits",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("conid", BigInt, ForeignKey("instruments.conid"), nullable=False),
    Column("direction", String, nullable=False),
    Column("price", Money, nullable=False, comment="in the instrument's currency, as it is quoted"),
    Column("note", String),
    Column("made_at", Instant, nullable=False),
    Column("met_at", Instant, comment="null: it has not been met, and is watched"),
    Column("met_price", Money),
    CheckConstraint(one_of("direction", "above", "below"), name="direction"),
    CheckConstraint("(met_at IS NULL) = (met_price IS NULL)", name="met"),
    Index("ix_price_limits_conid", "conid"),
    comment="prices that somebody wants to be told of, once each",
)
