from typing import get_args

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, func, text

from core.domain.lots import CostMethod
from models.tables.identity import IS_STALE
from models.types import BigInt, Bool, Instant, Int, Money, String, metadata, one_of

installation = Table(
    "installation",
    metadata,
    Column("id", Int, primary_key=True),
    Column("profile", String, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    CheckConstraint("id = 1", name="one_row"),
    CheckConstraint(one_of("profile", "demo", "main"), name="profile"),
    comment="which portfolio this database keeps: the demo's or a real one",
)

broker_accounts = Table(
    "broker_accounts",
    metadata,
    Column("account", String, primary_key=True),
    Column("alias", String, comment="as statements have it"),
    Column("called", String, comment="by its owner; null: as its alias has it"),
    Column("base_currency", String, comment="unknown until the first account values"),
    Column("paper", Bool, nullable=False),
    Column(
        "cost_method",
        String,
        nullable=False,
        server_default="fifo",
        comment="which lot a closing fill takes first",
    ),
    Column("listed", Bool, nullable=False, server_default="true", comment="in the login's last account list"),
    Column("login", String, comment="of the gateway that lists it, or did last"),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    CheckConstraint(one_of("cost_method", *get_args(CostMethod)), name="cost_method"),
)

instruments = Table(
    "instruments",
    metadata,
    Column("conid", BigInt, primary_key=True, autoincrement=False),
    Column("symbol", String, nullable=False),
    Column("local_symbol", String, nullable=False),
    Column("sec_type", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("multiplier", Money, nullable=False),
    Column("price_magnifier", Int, nullable=False, server_default="1"),
    Column("exchange", String, nullable=False),
    Column("trading_class", String, nullable=False),
    Column("expiry", String, nullable=False),
    Column("strike", Money),
    Column("option_right", String, nullable=False),
    Column("description", String, nullable=False, server_default=""),
    Column(
        "liquid_hours",
        String,
        nullable=False,
        server_default="",
        comment="regular trading hours of some days, as IBKR spells them; as of details_as_of",
    ),
    Column("time_zone", String, nullable=False, server_default="", comment="of liquid_hours"),
    Column(
        "isin",
        String,
        nullable=False,
        server_default="",
        comment="as the next two: from statements; the first two else from contract details",
    ),
    Column("cusip", String, nullable=False, server_default=""),
    Column("figi", String, nullable=False, server_default=""),
    Column("issuer", String, nullable=False, server_default="", comment="from statements"),
    Column(
        "broker_isin", String, nullable=False, server_default="", comment="as the next: from contract details"
    ),
    Column("broker_cusip", String, nullable=False, server_default=""),
    Column("underlying_conid", BigInt),
    Column("details_as_of", Instant, comment="when contract details were read; null: not yet"),
    Column("updated_at", Instant, nullable=False),
    Column("mapped_identity", String, comment="digest of what it was mapped by; null: it is not mapped yet"),
    CheckConstraint("multiplier > 0", name="multiplier_positive"),
    CheckConstraint("price_magnifier > 0", name="price_magnifier_positive"),
    Index("ix_instruments_symbol", "symbol", "conid"),
    Index("ix_instruments_isin", "isin", "conid", postgresql_where=text("isin <> ''")),
    # What is to be mapped: nothing, nearly always, and found without a look at any other.
    Index("ix_instruments_stale", "conid", postgresql_where=text(IS_STALE.format("instruments"))),
)

account_values = Table(
    "account_values",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("currency", String, primary_key=True),
    Column("value", String, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("epoch", BigInt, nullable=False),
    comment="the latest value per key; survives the loss of Redis and of every process",
)

account_pnl = Table(
    "account_pnl",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("daily_pnl", Money),
    Column("unrealized_pnl", Money),
    Column("realized_pnl", Money),
    Column("as_of", Instant, nullable=False),
    comment="IBKR's account window, in base currency; it resets daily and is never summed over time",
)

marks = Table(
    "marks",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("conid", BigInt, primary_key=True, autoincrement=False),
    Column("quantity", Money),
    Column("market_price", Money),
    Column("market_value", Money),
    Column("daily_pnl", Money),
    Column("unrealized_pnl", Money),
    Column("realized_pnl", Money),
    Column("priced_at", Instant, comment="when it was last told what it is worth; null: not known"),
    Column("as_of", Instant, nullable=False),
    comment="the latest mark per position, upserted at most every few seconds",
)
