"""Backups that were taken, and restores on trial: what tells how old the last good one is."""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, Identity, Index, Table

from core.domain.backups import BackupKind, BackupOutcome, BackupTrigger
from models.types import BigInt, Instant, Money, String, metadata, one_of

backup_runs = Table(
    "backup_runs",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column(
        "kind",
        String,
        nullable=False,
        comment="a backup, a restore of one on trial, a base backup, or putting WAL away",
    ),
    Column("trigger", String, nullable=False, comment="what asked for it"),
    Column("outcome", String, nullable=False),
    Column("archive", String, nullable=False, server_default="", comment="its file's name"),
    Column("taken_at", Instant, comment="the moment that the archive shows"),
    Column("bytes", BigInt, comment="of the archive"),
    Column("rows", BigInt, comment="of all tables in it"),
    Column("state", String, comment="the state hash of all tables, SHA-256, hexadecimal"),
    Column("seconds", Money, nullable=False),
    Column("error", String, comment="why it failed, as a sentence"),
    Column("finished_at", Instant, nullable=False),
    CheckConstraint(one_of("kind", *get_args(BackupKind)), name="kind"),
    CheckConstraint(one_of("trigger", *get_args(BackupTrigger)), name="trigger"),
    CheckConstraint(one_of("outcome", *get_args(BackupOutcome)), name="outcome"),
    CheckConstraint("(outcome = 'fail') = (error IS NOT NULL)", name="failed"),
    Index("ix_backup_runs_kind", "kind", "outcome", "finished_at"),
    comment="written when it is over: who is killed over one leaves nothing here, nor an archive",
)
