"""What accounts were worth and earned, bucket by bucket, and where statements say something else."""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Index, Table, text

from core.domain.disputes import DisputeCause, DisputeKind
from core.domain.performance import Quality, Resolution, Source
from models.types import BigInt, Id, Instant, Int, Json, Money, String, metadata, one_of

performance_metrics = Table(
    "performance_metrics",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("resolution", String, primary_key=True),
    Column("ts", Instant, primary_key=True, comment="the end of the hour, or of the broker's day"),
    Column("source", String, primary_key=True, comment="who told what it was worth"),
    Column("day", Date, nullable=False, comment="the broker's day"),
    Column("currency", String, comment="of all amounts: the base currency; null: not stated"),
    Column("net_liquidation", Money, nullable=False),
    Column("total_cash", Money),
    Column("gross_position_value", Money, comment="of all holdings, shorts taken as positive"),
    Column(
        "daily_pnl",
        Money,
        comment="since the day before, less net_contribution; of an hour: by IBKR's account window",
    ),
    Column("unrealized_pnl", Money),
    Column("realized_pnl", Money),
    Column("net_contribution", Money, comment="what the owner brought less what he took"),
    Column("twr", Money, comment="time-weighted return since the first value, a fraction"),
    Column("drawdown", Money, comment="of that below its highest so far, a fraction, never above 0"),
    Column("data_quality", String, nullable=False),
    Column("linked_index", Money, comment="1 + twr, with all digits that the next row goes on from"),
    Column("peak_index", Money, comment="its highest so far"),
    Column("since", Instant, comment="of an hour: the end of the one that net_contribution counts from"),
    Column(
        "trades_until",
        Instant,
        comment="of an hour: up to when executions are in its cash; null: it waits for its cash",
    ),
    Column(
        "extreme",
        Int,
        nullable=False,
        server_default="0",
        comment="of an hour: 1 if lowest or highest of its day (UTC), in value or return, 2 if of its week",
    ),
    Column("import_id", BigInt, ForeignKey("imports.id"), comment="whose value it is; null: no statement's"),
    CheckConstraint(one_of("resolution", *get_args(Resolution)), name="resolution"),
    CheckConstraint(one_of("source", *get_args(Source)), name="source"),
    CheckConstraint(one_of("data_quality", *get_args(Quality)), name="data_quality"),
    CheckConstraint("(source = 'statement') = (import_id IS NOT NULL)", name="import_of_statement"),
    # The list's order, of all accounts; of one it is that of the key.
    Index("ix_performance_metrics_ts", "resolution", "ts", "account", "source"),
    # A long history is drawn by the extremes of its days, or of its weeks.
    Index("ix_performance_metrics_of_day", "account", "ts", postgresql_where=text("extreme > 0")),
    Index("ix_performance_metrics_of_week", "account", "ts", postgresql_where=text("extreme > 1")),
    Index("ix_performance_metrics_import_id", "import_id", postgresql_where=text("import_id IS NOT NULL")),
    comment="what an account was worth, earned and was given, hour by hour and day by day",
)

performance_renewals = Table(
    "performance_renewals",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("since", Instant, nullable=False, comment="hours that end after that are to be reckoned anew"),
    comment="accounts whose performance is to be reckoned anew, as something else is known of a time",
)

statement_differences = Table(
    "statement_differences",
    metadata,
    Column("id", Id, primary_key=True, comment="named by what it is about, the same each time it is found"),
    # No foreign keys, which would be looked up for each row: both are read from what has been stored of them.
    Column("account", String, nullable=False),
    Column("day", Date, nullable=False, comment="the broker's day that it is about"),
    Column("kind", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("conid", BigInt, comment="null: not about one instrument"),
    Column("currency", String, nullable=False, comment="of the amounts, empty for a return or a quantity"),
    Column("reference", String, nullable=False, comment="which trade or event, or which part of a sum"),
    Column("ours", Money, comment="null: not known here"),
    Column("stated", Money, nullable=False),
    Column("import_id", BigInt, nullable=False, comment="the statement that says so"),
    Column("line", Int, nullable=False, comment="where in its file"),
    Column("found_at", Instant, nullable=False),
    CheckConstraint(one_of("kind", *get_args(DisputeKind)), name="kind"),
    CheckConstraint(one_of("cause", *get_args(DisputeCause)), name="cause"),
    Index("ix_statement_differences_day", "day", "id"),
    Index("ix_statement_differences_account", "account", "day", "id"),
    Index("ix_statement_differences_import_id", "import_id", "account"),
    comment="where what a statement says is not what our ledger comes to, as of the last import",
)

statement_comparisons = Table(
    "statement_comparisons",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("compared_at", Instant, nullable=False),
    Column("compared", Json, nullable=False, comment="how many figures of each kind"),
    comment="when an account was last compared with its statements, one row an account",
)
