from sqlalchemy import CheckConstraint, Column, Index, Table, text

from core.domain.rates import OTHER_DAYS_RATE
from models.types import BigInt, Bool, Id, Instant, Int, Money, String, metadata, one_of

executions = Table(
    "executions",
    metadata,
    Column("exec_id", String, primary_key=True),
    Column("exec_base_id", String, nullable=False, comment="exec_id up to its last dot"),
    Column("revision", Int, nullable=False, comment="the digits after it; the highest one counts"),
    # Triggers hold both to what there is, once a statement.
    Column("account", String, nullable=False),
    Column("conid", BigInt, nullable=False),
    Column("executed_at", Instant, nullable=False),
    Column("side", String, nullable=False),
    Column("quantity", Money, nullable=False),
    Column("price", Money, nullable=False),
    Column("order_id", BigInt, nullable=False),
    Column("perm_id", BigInt, nullable=False),
    Column("client_id", BigInt, nullable=False),
    Column("order_ref", String, nullable=False),
    Column("exchange", String, nullable=False),
    Column("cumulative_quantity", Money),
    Column("average_price", Money),
    Column("liquidity", Int, nullable=False),
    Column("model_code", String, nullable=False),
    Column("zone_assumed", Bool, nullable=False, comment="the broker's time carried no zone"),
    Column("source", String, nullable=False, comment="who told of it first"),
    Column("confirmed_by", BigInt, comment="the import whose statement states it; null: none does yet"),
    Column("corrected_by", String, comment="the revision that replaced this one"),
    Column("position_id", Id, comment="the episode it belongs to, a flip's closing one; set by the fold"),
    Column(
        "realized_pnl",
        Money,
        comment="ours, in the instrument's currency, net of commissions; set by the fold",
    ),
    Column(
        "commission_folded",
        Bool,
        nullable=False,
        server_default="false",
        comment="the fold knows its commission, in the instrument's currency",
    ),
    Column("received_at", Instant, nullable=False),
    Column("epoch", BigInt, nullable=False),
    CheckConstraint(one_of("side", "BOT", "SLD"), name="side"),
    CheckConstraint(
        "quantity > 0 OR (quantity = 0 AND (revision > 1 OR source <> 'live'))", name="quantity_positive"
    ),
    CheckConstraint(one_of("source", "live", "flex", "csv"), name="source"),
    Index("ix_executions_book", "account", "conid", "executed_at", "exec_id"),
    Index("ix_executions_time", "executed_at", "exec_id"),
    Index("ix_executions_account_time", "account", "executed_at", "exec_id"),
    # A statement cancels a trade under its own revision.
    Index(
        "uq_executions_exec_base_id_revision", "exec_base_id", "revision", text("(quantity = 0)"), unique=True
    ),
    Index("ix_executions_confirmed_by", "confirmed_by", postgresql_where=text("confirmed_by IS NOT NULL")),
    Index("ix_executions_received_at", "received_at"),
    Index("ix_executions_awaiting_commission", "exec_id", postgresql_where=text("NOT commission_folded")),
    # The fold writes its figures into rows that are there: with room beside them no index is touched.
    postgresql_with={"fillfactor": "85"},
)

RATE_COLUMNS = ("rate", "rate_as_of", "rate_source", "other_days_rate", "other_days_rate_as_of")
"""What a commission is converted with; another currency's means nothing."""

commission_reports = Table(
    "commission_reports",
    metadata,
    # No foreign key: a commission may come before its execution.
    Column("exec_id", String, primary_key=True),
    Column("commission", Money, nullable=False),
    Column("currency", String, nullable=False),
    Column("realized_pnl", Money, comment="the broker's own; null where it left the figure unset"),
    Column(
        "rate",
        Money,
        comment="one unit of currency in the instrument's, recorded when it was converted; null: not needed "
        "or not known",
    ),
    Column("rate_as_of", Instant, comment="when the broker said so"),
    Column("rate_source", String, comment="where the rate came from"),
    Column(
        "other_days_rate",
        Money,
        comment="the rate of another day that a statement's took the place of",
    ),
    Column("other_days_rate_as_of", Instant),
    Column("received_at", Instant, nullable=False, comment="when this amount was first told"),
    Column("repeated_at", Instant, comment="when it was last told again; null: it was not"),
    Column("epoch", BigInt, nullable=False, comment="of the last time"),
    Column("stated_by", BigInt, comment="the import whose statement the amount is from; null: told live"),
    Column("live_commission", Money, comment="what was told live, where a statement says otherwise"),
    Column("live_currency", String),
    Column("live_realized_pnl", Money),
    Index("ix_commission_reports_stated_by", "stated_by", postgresql_where=text("stated_by IS NOT NULL")),
    Index("ix_commission_reports_received_at", "received_at"),
    Index("ix_commission_reports_rate_as_of", "rate_as_of", postgresql_where=text("rate_as_of IS NOT NULL")),
    # What a statement may still bring the right rate of.
    Index(
        "ix_commission_reports_other_days_rate",
        "exec_id",
        postgresql_where=text(f"rate_source = '{OTHER_DAYS_RATE}'"),
    ),
)
