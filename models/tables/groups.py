"""Accounts that are looked at together."""

from sqlalchemy import Column, ForeignKey, Index, Table

from models.types import Instant, String, metadata

account_groups = Table(
    "account_groups",
    metadata,
    Column("name", String, primary_key=True),
    Column("changed_at", Instant, nullable=False),
    comment="accounts that are looked at together, under a name of their owner's",
)

account_group_members = Table(
    "account_group_members",
    metadata,
    Column("name", String, ForeignKey("account_groups.name", ondelete="CASCADE"), primary_key=True),
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Index("ix_account_group_members_account", "account"),
    comment="which accounts a group has",
)
