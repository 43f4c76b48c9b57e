"""Levels of what accounts are held against: indexes, funds, or whatever their owner brings."""

from sqlalchemy import CheckConstraint, Column, Date, Table

from models.types import Instant, Money, String, metadata

benchmark_levels = Table(
    "benchmark_levels",
    metadata,
    Column("benchmark", String, primary_key=True, comment="a name of its owner's"),
    Column("day", Date, primary_key=True),
    Column("level", Money, nullable=False, comment="at the end of the day"),
    Column("currency", String, nullable=False, comment="of the level; empty: not told"),
    Column("source_sha256", String, nullable=False, comment="of the file that told it, hexadecimal"),
    Column("imported_at", Instant, nullable=False),
    CheckConstraint("level > 0", name="level"),
    comment="daily levels of benchmarks, as their files tell them",
)
