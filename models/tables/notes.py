"""What the owner of an account writes beside a position."""

from sqlalchemy import Column, ForeignKey, Identity, Index, Table

from models.types import BigInt, Id, Instant, String, metadata


def _about() -> tuple[Column[object], ...]:
    """Which position it is about, and where it belongs once the book was folded into others."""
    return (
        Column("account", String, ForeignKey("broker_accounts.account"), nullable=False),
        Column("conid", BigInt, ForeignKey("instruments.conid"), nullable=False),
        Column(
            "held_at",
            Instant,
            nullable=False,
            comment="when that position was opened: where its id is gone, the one held then is meant",
        ),
    )


position_notes = Table(
    "position_notes",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("position_id", Id, nullable=False, comment="as it was called when it was written"),
    *_about(),
    Column("body", String, nullable=False),
    Column("author", String, nullable=False),
    Column("written_at", Instant, nullable=False),
    Column("changed_at", Instant, comment="null, as the next: it is as it was written"),
    Column("changed_by", String),
    Index("ix_position_notes_book", "account", "conid", "id"),
    comment="notes about positions; whatever the ledger makes of its books, none of them is lost",
)

position_tags = Table(
    "position_tags",
    metadata,
    Column("position_id", Id, primary_key=True),
    Column("tag", String, primary_key=True),
    *_about(),
    Column("tagged_at", Instant, nullable=False),
    Index("ix_position_tags_book", "account", "conid"),
    Index("ix_position_tags_tag", "tag"),
    comment="words by which positions are found again",
)
