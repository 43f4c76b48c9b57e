"""What accounts were worth at a moment, position by position, and the runs that took that down."""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, ForeignKey, Identity, Index, PrimaryKeyConstraint, Table, text

from core.domain.snapshot_runs import RunStatus, SnapshotTrigger
from core.domain.snapshots import SnapshotSource
from core.errors import ErrorCategory
from models.types import BigInt, Bool, Id, Instant, Int, Json, Money, String, metadata, one_of

SNAPSHOT_POSITIONS = "snapshot_positions"

snapshot_runs = Table(
    "snapshot_runs",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("trigger", String, nullable=False, comment="who asked for it"),
    Column("hour", Instant, comment="UTC: which hour it is for; null: it was asked for at a moment"),
    Column("account", String, ForeignKey("broker_accounts.account"), comment="only this one; null: all"),
    Column("job_id", Id, comment="the job that asked for it"),
    Column("status", String, nullable=False),
    Column("attempts", Int, nullable=False, server_default="0"),
    Column("taken", Int, nullable=False, server_default="0", comment="accounts that have their snapshot"),
    Column("failures", Json, nullable=False, server_default="{}", comment="by account: category, reason"),
    Column("error_category", String, comment="of the first failure"),
    Column("summary", String, nullable=False, server_default="", comment="what failed and why"),
    Column("schema_version", String, nullable=False),
    Column("app_version", String, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, comment="of the last attempt; null: under way, or its worker was killed"),
    CheckConstraint(one_of("trigger", *get_args(SnapshotTrigger)), name="trigger"),
    CheckConstraint(one_of("status", *get_args(RunStatus)), name="status"),
    CheckConstraint(one_of("error_category", *get_args(ErrorCategory)), name="error_category"),
    CheckConstraint("(trigger = 'hourly') = (hour IS NOT NULL)", name="hour"),
    CheckConstraint("(status = 'running') = (finished_at IS NULL)", name="finished"),
    CheckConstraint("(status IN ('partial', 'fail')) = (error_category IS NOT NULL)", name="failed"),
    Index("uq_snapshot_runs_hour", "hour", unique=True, postgresql_where=text("hour IS NOT NULL")),
    Index("uq_snapshot_runs_job_id", "job_id", unique=True, postgresql_where=text("job_id IS NOT NULL")),
    Index("ix_snapshot_runs_running", "id", postgresql_where=text("status = 'running'")),
    comment="attempts to take snapshots: one row an hour, and one each time somebody asks",
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("snapshot_key", String, nullable=False, comment="of the account and its hour, or its run"),
    Column("run_id", BigInt, ForeignKey("snapshot_runs.id"), nullable=False),
    Column("account", String, ForeignKey("broker_accounts.account"), nullable=False),
    Column("hour", Instant, comment="UTC: which hour it is of; null: it was asked for at a moment"),
    Column("asof_ts", Instant, nullable=False, comment="the broker's time of net_liquidation"),
    Column("taken_at", Instant, nullable=False, comment="our clock"),
    Column("net_liquidation", Money, nullable=False, comment="the broker's own, as the next two"),
    Column("total_cash", Money),
    Column("gross_position_value", Money),
    Column("base_currency", String, nullable=False, comment="of all amounts"),
    Column("coverage", Money, nullable=False, comment="which share of what is held had a fresh mark"),
    Column("source", String, nullable=False),
    Column("payload_sha256", String, ForeignKey("raw_payloads.sha256")),
    Column(
        "thinned_at",
        Instant,
        comment="when its positions, rates, cash and payload were dropped; null: they are kept",
    ),
    CheckConstraint(one_of("source", *get_args(SnapshotSource)), name="source"),
    CheckConstraint("coverage BETWEEN 0 AND 1", name="coverage"),
    CheckConstraint("(thinned_at IS NULL) = (payload_sha256 IS NOT NULL)", name="thinned"),
    Index("uq_snapshots_snapshot_key", "snapshot_key", unique=True),
    Index(
        "uq_snapshots_account_hour", "account", "hour", unique=True, postgresql_where=text("hour IS NOT NULL")
    ),
    Index("ix_snapshots_asof_ts", "asof_ts", "id"),
    Index("ix_snapshots_account", "account", "asof_ts", "id"),
    Index("ix_snapshots_run_id", "run_id"),
    # Whether a payload is still used, when it is to be dropped.
    Index(
        "ix_snapshots_payload_sha256", "payload_sha256", postgresql_where=text("payload_sha256 IS NOT NULL")
    ),
    comment="what an account was worth at a moment",
)

snapshot_positions = Table(
    SNAPSHOT_POSITIONS,
    metadata,
    Column("snapshot_id", BigInt, ForeignKey("snapshots.id", ondelete="CASCADE"), nullable=False),
    Column("asof_ts", Instant, nullable=False, comment="the snapshot's: names the month it is kept in"),
    Column("conid", BigInt, ForeignKey("instruments.conid"), nullable=False),
    Column("quantity", Money, nullable=False, comment="signed, as the broker tells it"),
    Column("average_cost", Money, comment="per unit, with multiplier and commission, as IBKR's"),
    Column("currency", String, nullable=False, comment="the instrument's"),
    Column("mark_price", Money, comment="as quoted; null: none, or none that can be believed"),
    Column("mark_as_of", Instant, comment="when it was last told what it is worth"),
    Column("fresh", Bool, nullable=False, comment="the mark was of then"),
    Column("market_value", Money, comment="in currency; null: not known"),
    Column(
        "fx_rate",
        Money,
        comment="into the base currency, as the snapshot's fx_rates have it; null: not known",
    ),
    Column("market_value_base", Money, comment="in the base currency; null: not known"),
    Column("unrealized_pnl", Money, comment="in currency, as the next"),
    Column("daily_pnl", Money),
    Column("market_open", Bool, comment="in regular trading hours; null: not known"),
    PrimaryKeyConstraint("snapshot_id", "asof_ts", "conid"),
    # The nearest mark of an instrument, by its own time.
    Index(
        "ix_snapshot_positions_mark",
        "conid",
        "mark_as_of",
        postgresql_where=text("mark_price IS NOT NULL"),
    ),
    postgresql_partition_by="RANGE (asof_ts)",
    comment="what was held at a snapshot, a partition a month (UTC)",
)
