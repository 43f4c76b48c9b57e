"""What makes a fact count once: what was applied, what is still to be announced, what is kept aside."""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, Identity, Index, Table, func, text

from core.errors import ErrorCategory
from models.types import BigInt, Bytes, Id, Instant, Int, Json, String, metadata, one_of

inbox = Table(
    "inbox",
    metadata,
    Column("epoch", BigInt, primary_key=True, autoincrement=False),
    Column("first_seq", BigInt, primary_key=True, autoincrement=False, comment="names the entry"),
    Column("facts", Int, nullable=False),
    Column("applied_at", Instant, nullable=False),
    Column(
        "unfinished",
        Json,
        comment="the ends of positions answers in it of which something has still to arrive; null: none",
    ),
    Index("ix_inbox_applied_at", "applied_at", postgresql_using="brin"),
    Index("ix_inbox_unfinished", "applied_at", postgresql_where=text("unfinished IS NOT NULL")),
    comment="stream entries whose effect is committed: the same again has none",
)

inbox_trials = Table(
    "inbox_trials",
    metadata,
    Column("entry", String, primary_key=True, comment="SHA-256 of the entry"),
    Column("seq", BigInt, comment="the fact that is being tried; null: the entry as a whole"),
    Column("deaths", Int, nullable=False, comment="workers that died while they tried that"),
    Column("deadly", Json, nullable=False, comment="the facts that are to be kept aside for it"),
    Column("holder", String, nullable=False, comment="the worker that tries"),
    Column("tried_at", Instant, nullable=False),
    comment="entries delivered again and again: what stands here when one comes again, a worker died on",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("payload", Bytes, nullable=False, comment="one encoded ChangeBatch"),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    comment="changes committed and not yet published",
)

dead_facts = Table(
    "dead_facts",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("fingerprint", String, nullable=False, unique=True, comment="SHA-256 of category and payload"),
    Column("category", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("payload", String, nullable=False),
    Column("source", String, nullable=False, comment="gateway: a frame; facts: a stream entry"),
    Column("account", String),
    Column("epoch", BigInt),
    Column("seq", BigInt, comment="its place within the epoch, where it is one fact"),
    Column("occurrences", BigInt, nullable=False, server_default="1"),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("status", String, nullable=False, server_default="open"),
    Column("resolved_at", Instant, comment="when it was retried well, or dropped"),
    Column("retries", Int, nullable=False, server_default="0"),
    CheckConstraint(one_of("status", "open", "retried", "dropped"), name="status"),
    CheckConstraint(
        one_of("category", *get_args(ErrorCategory)),
        name="category",
    ),
    Index("ix_dead_facts_last_seen_at", "last_seen_at"),
    Index("ix_dead_facts_open", "id", postgresql_where=text("status = 'open'")),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String, primary_key=True, comment="SHA-256 of who sent it, hexadecimal"),
    Column("key_hash", String, primary_key=True, comment="SHA-256 of the key, hexadecimal"),
    Column("attempt", Id, nullable=False, comment="the request that is at it, or was"),
    Column("job_id", Id, nullable=False, comment="for a job that it begins, at every attempt"),
    Column(
        "fingerprint",
        String,
        comment="of method, address and body, keyed with the key; null: the body has not come whole",
    ),
    Column("status", Int, comment="of the answer; null: there is none yet"),
    Column("media_type", String),
    Column("body", Bytes, comment="the answer; null: it showed what is shown once"),
    Column("created_at", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False, comment="when who is at it last said so"),
    Index("ix_idempotency_keys_created_at", "created_at"),
    comment="requests that may be repeated without beginning anything twice, for a day",
)
