from typing import get_args

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, UniqueConstraint, text

from core.domain.episodes import Cause, Event
from core.domain.lots import CostMethod, Disposal, Lot
from models.types import BigInt, Bool, Id, Instant, Int, Money, String, metadata, one_of

ledger_books = Table(
    "ledger_books",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("conid", BigInt, ForeignKey("instruments.conid"), primary_key=True, autoincrement=False),
    Column(
        "cost_method",
        String,
        nullable=False,
        server_default="fifo",
        comment="which lot a closing fill takes first; the account's, when the book was last folded",
    ),
    Column("quantity", Money, nullable=False, server_default="0", comment="the ledger's, signed"),
    Column("last_executed_at", Instant, comment="of the last execution folded"),
    Column("last_exec_base_id", String, comment="its id up to the last dot"),
    Column("first_anchor_at", Instant, comment="the statement that fixes the opening balance"),
    Column("last_anchor_at", Instant, comment="the newest statement the ledger is held to"),
    Column("episodes", Int, nullable=False, server_default="0"),
    Column(
        "version",
        BigInt,
        nullable=False,
        server_default="0",
        comment="counts what was written under this lock; its positions carry it",
    ),
    Column(
        "dirty", Bool, nullable=False, server_default="false", comment="must be folded again from the start"
    ),
    Column("broker_quantity", Money, comment="the broker's last word; null: it has not spoken"),
    Column("broker_average_cost", Money),
    Column("broker_as_of", Instant),
    Column("broker_epoch", BigInt),
    Column("broker_seq", BigInt),
    Column("broker_sweep", String, nullable=False, server_default=""),
    Column("sweep_epoch", BigInt, comment="with sweep_seq: where the newest positions answer told of it"),
    Column("sweep_seq", BigInt),
    Column("touched_at", Instant, comment="our clock: the last execution or changed word of the broker"),
    Column("reconciled_at", Instant, comment="when ledger and broker were last found equal"),
    CheckConstraint(one_of("cost_method", *get_args(CostMethod)), name="cost_method"),
    Index("ix_ledger_books_dirty", "account", "conid", postgresql_where=text("dirty")),
    # Written again with each fill: with room beside the row no index is touched.
    postgresql_with={"fillfactor": "60"},
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
    Column("prior_as_of", Instant, comment="when the broker last told what it told before; null: not known"),
    Column("received_at", Instant, nullable=False),
    Column("epoch", BigInt, nullable=False),
    Column("seq", BigInt, nullable=False),
    Column("anchor", String, comment="the ledger is held to this word; provisional: until it has settled"),
    Column("anchored_at", Instant, comment="our clock: when the ledger was first held to it"),
    Column("held_from", Instant, comment="when the ledger was held to it before it was released"),
    Column("held_until", Instant, comment="when it was last released; null: it never was"),
    Column(
        "cause", String, comment="why the ledger lacked what this word tells; null: unexplained or no anchor"
    ),
    Column(
        "price",
        Money,
        comment="what the unexplained units were worth, as a quoted price; zero: expired worthless",
    ),
    Column(
        "carried",
        Bool,
        nullable=False,
        server_default="false",
        comment="those units took their cost with them (exercise, transfer): nothing was realized",
    ),
    Column(
        "inferred",
        Bool,
        nullable=False,
        server_default="false",
        comment="cause and price were concluded from circumstances, no statement named them",
    ),
    CheckConstraint(one_of("anchor", "provisional", "settled"), name="anchor"),
    CheckConstraint(one_of("cause", *get_args(Cause)), name="cause"),
    UniqueConstraint("account", "conid", "epoch", "seq"),
    Index("ix_position_statements_book", "account", "conid", "as_of", "id"),
    Index(
        "ix_position_statements_anchor",
        "account",
        "conid",
        "as_of",
        postgresql_where=text("anchor IS NOT NULL"),
    ),
    Index("ix_position_statements_anchored_at", "anchored_at"),
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
    Column("max_quantity", Money, nullable=False, comment="the largest size it had, unsigned"),
    Column("average_cost", Money, comment="per unit, with multiplier and commission, as IBKR's"),
    Column("cost_basis", Money),
    Column("realized_pnl", Money, comment="in the instrument's currency, net of commissions"),
    Column("commission", Money, nullable=False),
    Column(
        "open_commission",
        Money,
        nullable=False,
        server_default="0",
        comment="the part of commission that belongs to what is still held",
    ),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("provisional", Bool, nullable=False, comment="a commission or an opening cost is not known yet"),
    Column("missing_commissions", Int, nullable=False, comment="fills whose commission is not known"),
    Column("estimated", Bool, nullable=False, comment="a cost or a price was concluded, not reported"),
    Column(
        "provisional_lots",
        Int,
        nullable=False,
        server_default="0",
        comment="lots, open or not, whose cost or commission is not final",
    ),
    Column("event_count", Int, nullable=False),
    Column("lot_count", Int, nullable=False),
    Column("disposal_count", Int, nullable=False, server_default="0"),
    Column("version", BigInt, nullable=False, comment="its book's when it was last written"),
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
    Index("ix_positions_opened", "opened_at", "id"),
    Index("ix_positions_closed", "closed_at", postgresql_where=text("status = 'closed'")),
    # What was held at a moment: few of many, however long the history.
    Index("ix_positions_held", text("tstzrange(opened_at, closed_at)"), postgresql_using="gist"),
    # As ledger_books.
    postgresql_with={"fillfactor": "60"},
)

position_events = Table(
    "position_events",
    metadata,
    Column("position_id", Id, primary_key=True),
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
    Column(
        "replaced_quantity",
        Money,
        comment="of a correction: what exec_id had reported, signed; price is what it had reported, too",
    ),
    CheckConstraint(
        one_of("type", "opened", "increased", "reduced", "closed", "flipped", "adjusted", "corrected"),
        name="type",
    ),
    CheckConstraint(one_of("cause", *get_args(Cause)), name="cause"),
    CheckConstraint("(type = 'corrected') = (replaced_quantity IS NOT NULL)", name="corrected"),
    Index("ix_position_events_exec_id", "exec_id"),
    # Few of many: what changed holdings without a trade.
    Index(
        "ix_position_events_untraded",
        *("executed_at", "position_id"),
        postgresql_where=text("exec_id IS NULL"),
    ),
    Index(
        "ix_position_events_uncertain",
        "position_id",
        postgresql_where=text("cause IN ('unexplained', 'missed_executions')"),
    ),
    Index(
        "ix_position_events_splits",
        "position_id",
        "executed_at",
        postgresql_where=text("cause = 'split'"),
    ),
)

lots = Table(
    "lots",
    metadata,
    Column("position_id", Id, primary_key=True),
    Column(
        "seq",
        Int,
        primary_key=True,
        autoincrement=False,
        comment="from 1 within the episode, in order of opening",
    ),
    Column("exec_id", String, comment="null: an opening balance or another adjustment"),
    Column("opened_at", Instant, nullable=False),
    Column("quantity", Money, nullable=False, comment="signed, when opened"),
    Column("remaining", Money, nullable=False),
    Column("price", Money, comment="as traded; null for an adjustment"),
    Column(
        "unit_cost",
        Money,
        comment="per unit with the multiplier; without commission, except an adjustment's; null: unknown",
    ),
    Column("commission", Money, nullable=False),
    Column("remaining_commission", Money, nullable=False),
    Column("cost", Money, comment="of all of it when opened, without commission as unit_cost; null: unknown"),
    Column("remaining_cost", Money, comment="what is left of cost; null: unknown"),
    Column(
        "provisional",
        Bool,
        nullable=False,
        server_default="false",
        comment="its cost was concluded, or its commission is not known yet",
    ),
    Column(
        "carried_at",
        Instant,
        comment="when it came from another book, with its age and cost; null: it was opened in this one",
    ),
    Index("ix_lots_open", "position_id", "seq", postgresql_where=text("remaining <> 0")),
)

lot_disposals = Table(
    "lot_disposals",
    metadata,
    Column("position_id", Id, primary_key=True),
    # Before the number of the disposal, so that a lot's disposals lie together.
    Column("lot_seq", Int, primary_key=True, autoincrement=False, comment="the lot that was consumed"),
    Column(
        "seq",
        Int,
        primary_key=True,
        autoincrement=False,
        comment="from 1 within the episode, in order of closing",
    ),
    Column("exec_id", String, comment="the fill that closed; null: an adjustment"),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant, nullable=False),
    Column("quantity", Money, nullable=False, comment="signed like the lot"),
    Column("open_price", Money, comment="as traded; null for an adjustment"),
    Column("close_price", Money, comment="as traded; null for an adjustment"),
    Column("cost", Money, comment="without commission, except an adjustment's; null: unknown"),
    Column("proceeds", Money, comment="without commission; null: unknown"),
    Column("open_commission", Money, nullable=False),
    Column("close_commission", Money, nullable=False),
    Column("realized_pnl", Money, comment="net of both commissions; null: unknown"),
    Column("provisional", Bool, nullable=False, comment="a commission or a cost is not known yet"),
    Index("ix_lot_disposals_exec_id", "exec_id"),
    Index("ix_lot_disposals_closed_at", "closed_at"),
    comment="which lot was closed by which fill, and what that realized",
)

carried_lots = Table(
    "carried_lots",
    metadata,
    Column("account", String, primary_key=True),
    Column("conid", BigInt, primary_key=True, autoincrement=False, comment="of the book that they left"),
    Column("event_key", String, primary_key=True, comment="of the corporate action that took them"),
    Column("seq", Int, primary_key=True, autoincrement=False, comment="from 1, the oldest first"),
    Column("opened_at", Instant, nullable=False),
    Column("quantity", Money, nullable=False, comment="in the units of the book that they left, signed"),
    Column("cost", Money, comment="signed like the quantity, commissions in it; null: unknown"),
    Column("provisional", Bool, nullable=False, comment="the cost may still change"),
    comment="lots that a merger, a tender or another name takes from one book to another: what the fold of "
    "the old book says, and that of the new one goes on with",
)

FOLDED_COLUMNS = {
    # All but what says when the row was written. SQLAlchemy's names are no plain `str`, which JSON needs.
    "positions": tuple(
        str(column.name) for column in positions.columns if column.name not in {"version", "updated_at"}
    ),
    "position_events": ("position_id", *Event.__struct_fields__),
    "lots": ("position_id", *(name for name in Lot.__struct_fields__ if name != "written")),
    "lot_disposals": ("position_id", *Disposal.__struct_fields__),
}
"""By table, the columns that a fold determines, in the order of the domain's fields."""
