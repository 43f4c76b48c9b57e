"""Statements of the broker: when they were fetched, and what came of it."""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, Identity, Index, Table, text

from core.errors import ErrorCategory
from models.types import BigInt, Bool, Instant, String, metadata, one_of

flex_fetches = Table(
    "flex_fetches",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("query_id", String, nullable=False, comment="the Flex query's number"),
    Column("asked", Bool, nullable=False, comment="somebody asked for it; false: the daily one"),
    Column("token_mark", String, nullable=False, comment="tells one token from the next"),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("outcome", String, nullable=False, server_default="running"),
    Column("error_category", String),
    Column("summary", String, nullable=False, server_default="", comment="why it failed"),
    Column("file_path", String),
    Column("sha256", String),
    Column("size_bytes", BigInt),
    CheckConstraint(one_of("outcome", "running", "succeeded", "failed"), name="outcome"),
    CheckConstraint(
        one_of("error_category", *get_args(ErrorCategory)),
        name="error_category",
    ),
    CheckConstraint("(outcome = 'failed') = (error_category IS NOT NULL)", name="failed"),
    Index("ix_flex_fetches_query_id_started_at", "query_id", "started_at"),
    Index("ix_flex_fetches_running", "query_id", postgresql_where=text("outcome = 'running'")),
    comment="fetches from the Flex Web Service, one row a try",
)
