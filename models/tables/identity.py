"""Which instruments are the same one, wherever they are listed and whoever told of them."""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, text

from core.domain.identity.known import LOW_CONFIDENCE, MappingSource, Review
from models.types import BigInt, Bool, Instant, Money, String, metadata, one_of

RULES = 3
"""Counted up when the rules change by which instruments are mapped: then all are mapped anew. It is part of
an index, which a migration has to make anew."""

IS_LOW = f"confidence < {LOW_CONFIDENCE}"

_TOLD = (
    *("sec_type", "symbol", "local_symbol", "currency", "exchange", "trading_class", "expiry"),
    *("option_right", "description", "isin", "cusip", "figi", "issuer"),
)
_NUMBERS = ("trim_scale({0}.multiplier)", "trim_scale({0}.strike)", "{0}.underlying_conid")
IDENTITY = (
    f"md5('{RULES}/' || "
    + " || '/' || ".join(
        (*(f"{{0}}.{name}" for name in _TOLD), *(f"coalesce(CAST({one} AS text), '')" for one in _NUMBERS))
    )
    + ")"
)
"""SQL of what an instrument ``{0}`` is mapped by, in short: as long as it is the same, so is the mapping."""

IS_STALE = f"{{0}}.mapped_identity IS DISTINCT FROM {IDENTITY}"
"""SQL of whether an instrument ``{0}`` is not mapped yet, or has become known otherwise since it was."""

global_instruments = Table(
    "global_instruments",
    metadata,
    Column("id", String, primary_key=True, comment="made of what it is known by, so always the same"),
    Column("name", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("kind", String, nullable=False, comment="what kind of instrument, as sec_type"),
    Column("isin", String, comment="as what follows: null where it is not known, or not the same for all"),
    Column("cusip", String),
    Column("figi", String),
    Column("currency", String, comment="in which it is traded, if that is one"),
    Column("country", String, comment="that its ISIN begins with, if that is one"),
    Column("underlying_id", String, ForeignKey("global_instruments.id", ondelete="SET NULL")),
    Column(
        "merged_into",
        String,
        ForeignKey("global_instruments.id"),
        comment="what it is by a person's word; null: itself",
    ),
    Column("merged_by", String),
    Column("merged_at", Instant),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint("merged_into <> id", name="merged_elsewhere"),
    CheckConstraint(
        "(merged_into IS NULL) = (merged_by IS NULL) AND (merged_into IS NULL) = (merged_at IS NULL)",
        name="merged",
    ),
    Index("ix_global_instruments_underlying_id", "underlying_id"),
    Index(
        "ix_global_instruments_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")
    ),
    comment="instruments across brokers, exchanges and currencies",
)

instrument_mapping = Table(
    "instrument_mapping",
    metadata,
    Column(
        "conid",
        BigInt,
        ForeignKey("instruments.conid", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("global_instrument_id", String, ForeignKey("global_instruments.id"), nullable=False),
    Column("source", String, nullable=False, comment="by what it was found"),
    Column("confidence", Money, nullable=False, comment="from 0 to 1; see docs/how-it-works.md"),
    Column("review", String, comment="why a person should look at it; null: no reason"),
    Column("target", String, comment="what a person said that it is: an id, or conid:N for what that one is"),
    Column(
        "forced",
        Bool,
        nullable=False,
        server_default="false",
        comment="the person said so though identifiers contradict it",
    ),
    Column("mapped_by", String, comment="the person"),
    Column("mapped_at", Instant, nullable=False, comment="when it became what it is"),
    CheckConstraint(one_of("source", *get_args(MappingSource)), name="source"),
    CheckConstraint(one_of("review", *get_args(Review)), name="review"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    CheckConstraint(
        "(source = 'manual') = (target IS NOT NULL) AND (source = 'manual') = (mapped_by IS NOT NULL)",
        name="manual",
    ),
    Index("ix_instrument_mapping_global_instrument_id", "global_instrument_id", "conid"),
    Index("ix_instrument_mapping_low", "conid", postgresql_where=text(IS_LOW)),
    Index("ix_instrument_mapping_review", "conid", postgresql_where=text("review IS NOT NULL")),
    Index("ix_instrument_mapping_manual", "conid", postgresql_where=text("source = 'manual'")),
    comment="what each instrument is across brokers",
)
