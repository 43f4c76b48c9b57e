from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, UniqueConstraint, text

from models.types import BigInt, Bool, Id, Instant, Int, Money, String, metadata, one_of

ledger_books = Table(
    "ledger_books",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("conid", BigInt, ForeignKey("instruments.conid"), primary_key=True, autoincrement=False),
    Column("quantity", Money, nullable=False, server_default="0", comment="the ledger's, signed"),
    Column("last_executed_at", Instant, comment="of the last execution folded"),
    Column("last_exec_id", String),
    Column("episodes", Int, nullable=False, server_default="0"),
    Column(
        "dirty", Bool, nullable=False, server_default="false", comment="must be folded again from the start"
    ),
    Column("broker_quantity", Money, comment="the broker's last word; null: it has not spoken"),
    Column("broker_average_cost", Money),
    Column("broker_as_of", Instant),
    Column("broker_epoch", BigInt),
    Column("broker_seq", BigInt),
    Column("broker_sweep", String, nullable=False, server_default=""),
    Column("reconciled_at", Instant, comment="when ledger and broker were last found equal"),
    Index("ix_ledger_books_dirty", "account", "conid", postgresql_where=text("dirty")),
    comment="one row for each account and instrument: the fold's checkpoint and its lock",
)

position_statements = Table(
    "position_statements",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=True),
    Column("account", String, nullable=False),
    Column("conid", BigInt, nullable=False),
    Column("quantity", Money, nullable=False),
    Column("average_cost", Money),
    Column("as_of", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("epoch", BigInt, nullable=False),
    Column("seq", BigInt, nullable=False),
    Column(
        "anchored", Bool, nullable=False, server_default="false", comment="the ledger is held to this word"
    ),
    UniqueConstraint("account", "conid", "epoch", "seq"),
    Index("ix_position_statements_book", "account", "conid", "as_of", "id"),
    comment="what the broker said is held, each time it changed",
)

positions = Table(
    "positions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", String, ForeignKey("broker_accounts.account"), nullable=False),
    Column("conid", BigInt, ForeignKey("instruments.conid"), nullable=False),
    Column("ordinal", Int, nullable=False, comment="which episode of its book, from 1"),
    Column("status", String, nullable=False),
    Column("side", String, nullable=False),
    Column("quantity", Money, nullable=False, comment="signed; a short is negative"),
    Column("max_quantity", Money, nullable=False, comment="the largest size it had"),
    Column("average_cost", Money, comment="per unit, with multiplier and commission, as IBKR's"),
    Column("cost_basis", Money),
    Column("realized_pnl", Money, comment="in the instrument's currency, net of commissions"),
    Column("commission", Money, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("provisional", Bool, nullable=False, comment="a commission or an opening cost is not known yet"),
    Column("version", BigInt, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint(one_of("status", "open", "closed"), name="status"),
    CheckConstraint(one_of("side", "long", "short"), name="side"),
    CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed_has_time"),
    CheckConstraint("(status = 'closed') = (quantity = 0)", name="closed_is_flat"),
    UniqueConstraint("account", "conid", "ordinal"),
    Index(
        "uq_positions_open_book", "account", "conid", unique=True, postgresql_where=text("status = 'open'")
    ),
    Index("ix_positions_status_opened", "status", "opened_at", "id"),
    Index("ix_positions_account_status", "account", "status", "opened_at", "id"),
)

position_events = Table(
    "position_events",
    metadata,
    Column("position_id", Id, ForeignKey("positions.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Int, primary_key=True, autoincrement=False, comment="from 1 within the episode"),
    Column("type", String, nullable=False),
    Column("executed_at", Instant, nullable=False),
    Column("quantity", Money, nullable=False, comment="signed change"),
    Column("price", Money),
    Column("position_after", Money, nullable=False),
    Column("realized_pnl", Money),
    Column("commission", Money),
    Column("exec_id", String),
    Column("cause", String),
    Column("inferred", Bool, nullable=False, server_default="false"),
    CheckConstraint(
        one_of("type", "opened", "increased", "reduced", "closed", "flipped", "adjusted", "corrected"),
        name="type",
    ),
    CheckConstraint(
        one_of(
            "cause",
            "opening_balance",
            "expiry",
            "exercise_or_assignment",
            "split",
            "transfer",
            "missed_executions",
            "unexplained",
        ),
        name="cause",
    ),
    Index("ix_position_events_exec_id", "exec_id"),
)

lots = Table(
    "lots",
    metadata,
    Column("id", Id, primary_key=True),
    Column("position_id", Id, ForeignKey("positions.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Int, nullable=False, comment="from 1 within the episode, in order of opening"),
    Column("exec_id", String, comment="null: an opening balance or another adjustment"),
    Column("opened_at", Instant, nullable=False),
    Column("quantity", Money, nullable=False, comment="signed, when opened"),
    Column("remaining", Money, nullable=False),
    Column("price", Money, nullable=False),
    Column("commission", Money, nullable=False),
    Column("remaining_commission", Money, nullable=False),
    UniqueConstraint("position_id", "seq"),
    Index("ix_lots_open", "position_id", "seq", postgresql_where=text("remaining <> 0")),
)
