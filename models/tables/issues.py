"""What rules found, and when each rule was last looked at."""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, ForeignKey, Identity, Index, Table, text

from core.domain.rules import AcknowledgementEnd, Severity
from models.types import BigInt, Bool, Instant, Int, Json, Money, String, metadata, one_of

issues = Table(
    "issues",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("rule", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("account", String, ForeignKey("broker_accounts.account"), comment="null: of none"),
    Column("subject", String, nullable=False, comment="what it is about: the same each time it is found"),
    Column("summary", String, nullable=False, comment="in one sentence, as it was last found"),
    Column("details", Json, nullable=False, comment="as it was last found"),
    Column("about_at", Instant, comment="the moment it is about; null: about none"),
    Column("first_seen", Instant, nullable=False),
    Column("opened_at", Instant, nullable=False, comment="when it was new, came again or became worse"),
    Column("last_seen", Instant, nullable=False),
    Column("times_seen", BigInt, nullable=False, server_default="1"),
    Column("reopened", Int, nullable=False, server_default="0", comment="how often it did the latter"),
    Column("resolved_at", Instant, comment="when it was found no more"),
    Column("magnitude", Money, comment="how bad it is, in what its rule says; null: it is so or is not"),
    Column("acknowledged_at", Instant, comment="somebody knows of it; gone when it comes again or is worse"),
    Column("acknowledged_by", String),
    Column("acknowledged_magnitude", Money, comment="how bad that is which somebody knows of"),
    Column("note", String),
    CheckConstraint(one_of("severity", *get_args(Severity)), name="severity"),
    CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged"),
    Index("uq_issues_found", "rule", text("coalesce(account, '')"), "subject", unique=True),
    Index("ix_issues_unresolved", "opened_at", "id", postgresql_where=text("resolved_at IS NULL")),
    Index("ix_issues_opened", "opened_at", "id"),
    comment="what rules found, one row however often it is found: the owner's inbox",
)

issue_acknowledgements = Table(
    "issue_acknowledgements",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("issue_id", BigInt, ForeignKey("issues.id", ondelete="CASCADE"), nullable=False),
    Column("acknowledged_at", Instant, nullable=False),
    Column("acknowledged_by", String, nullable=False),
    Column("magnitude", Money, comment="how bad it was that somebody knew of"),
    Column("note", String),
    Column("ended_at", Instant, nullable=False),
    Column("ended", String, nullable=False, comment="why it counts no more"),
    CheckConstraint(one_of("ended", *get_args(AcknowledgementEnd)), name="ended"),
    Index("ix_issue_acknowledgements_issue_id", "issue_id", "id"),
    comment="what somebody knew of issues before they came again or became worse",
)

rule_checks = Table(
    "rule_checks",
    metadata,
    Column("rule", String, primary_key=True),
    Column(
        "looked_at", Instant, nullable=False, comment="PostgreSQL's clock: what was recorded last is of then"
    ),
    Column(
        "whole_at",
        Instant,
        comment="the last time that all accounts were looked at, as far back as every night, well or not",
    ),
    Column("checked_at", Instant, comment="the last time that this was done to the end"),
    Column("since", Instant, comment="from when on was looked then"),
    Column("seconds", Money, comment="how long that took"),
    Column("found", Int, comment="how much was found then"),
    Column("is_cut", Bool, nullable=False, server_default="false", comment="there was more than is kept"),
    Column("error", String, comment="why the last look came to no end"),
    comment="when each rule was last looked at, one row a rule",
)
