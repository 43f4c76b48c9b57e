"""Imported statements: the files, what came of them, and what each states.

Whatever a statement states is kept under the import that brought it, and what holds is concluded from the
imports that stand: so an import can be taken back without a trace.
"""

from typing import get_args

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Identity, Index, Table, text
from sqlalchemy.dialects.postgresql import ARRAY

from core.domain.episodes import Cause
from core.domain.performance import Source
from core.domain.stated import CashKind
from models.types import BigInt, Bool, Bytes, Instant, Int, Json, Money, String, metadata, one_of

raw_payloads = Table(
    "raw_payloads",
    metadata,
    Column("sha256", String, primary_key=True, comment="of the content itself, hexadecimal"),
    Column("size_bytes", BigInt, nullable=False, comment="of the content itself"),
    Column("content", Bytes, nullable=False, comment="the file or JSON document, deflated (zlib)"),
    Column("stored_at", Instant, nullable=False),
    Index("ix_raw_payloads_stored_at", "stored_at"),
    comment="imported files as they came, and what snapshots were made of; each once",
)

imports = Table(
    "imports",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False, comment="the file's name, without its folder"),
    Column("sha256", String, ForeignKey("raw_payloads.sha256"), nullable=False),
    Column("status", String, nullable=False),
    Column("trigger", String, nullable=False, comment="who asked for it"),
    Column("stated_at", Instant, nullable=False, comment="when the file was written; the latest counts"),
    Column("imported_at", Instant, nullable=False),
    Column("undone_at", Instant),
    Column("report", Json, nullable=False, comment="per section: new, matched, corrected, disputed, ignored"),
    Column(
        "accounts",
        ARRAY(String),
        nullable=False,
        server_default="{}",
        comment="of which it tells, or whose books it changed",
    ),
    CheckConstraint(one_of("kind", "flex", "csv"), name="kind"),
    CheckConstraint(one_of("status", "done", "undone"), name="status"),
    CheckConstraint(one_of("trigger", "cli", "folder", "upload", "fetch", "demo"), name="trigger"),
    CheckConstraint("(status = 'undone') = (undone_at IS NOT NULL)", name="undone"),
    # One file stands once.
    Index("uq_imports_sha256", "sha256", unique=True, postgresql_where=text("status = 'done'")),
    comment="files that were imported, one row each time",
)


def _brought(name: str, *columns: Column[object] | CheckConstraint | Index, comment: str) -> Table:
    """A table whose rows belong to the import that brought them: ``import_id`` is in its key, or alone."""
    return Table(
        name,
        metadata,
        *columns,
        Column(
            "import_id",
            BigInt,
            ForeignKey("imports.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        Column("line", Int, nullable=False, comment="where in its file"),
        Index(f"ix_{name}_import_id", "import_id"),
        comment=comment,
    )


def _told(name: str, *columns: Column[object], keys: tuple[str, ...], comment: str) -> Table:
    """A table of what statements state of a day's end, and the broker tells at a moment for a snapshot.

    ``keys`` are what a row is about, besides its day. A statement's row goes with its import.
    """
    return Table(
        name,
        metadata,
        Column("id", BigInt, Identity(always=True), primary_key=True),
        *columns,
        Column("as_of", Date, nullable=False, comment="the broker's day"),
        Column("at", Instant, comment="when the broker told it; null: it was stated for the end of the day"),
        Column("source", String, nullable=False, server_default="statement"),
        Column("import_id", BigInt, ForeignKey("imports.id", ondelete="CASCADE")),
        Column("line", Int, comment="where in its file"),
        Column("snapshot_id", BigInt, ForeignKey("snapshots.id", ondelete="CASCADE")),
        CheckConstraint(one_of("source", *get_args(Source)), name="source"),
        CheckConstraint(
            "(source = 'statement') = (import_id IS NOT NULL AND line IS NOT NULL)", name="statement"
        ),
        CheckConstraint(
            "(source = 'snapshot') = (snapshot_id IS NOT NULL AND at IS NOT NULL)", name="snapshot"
        ),
        Index(
            f"uq_{name}_stated",
            *(*keys, "as_of", "import_id"),
            unique=True,
            postgresql_where=text("import_id IS NOT NULL"),
        ),
        Index(
            f"uq_{name}_snapshot",
            *("snapshot_id", *keys),
            unique=True,
            postgresql_where=text("snapshot_id IS NOT NULL"),
        ),
        Index(f"ix_{name}_import_id", "import_id"),
        # The list's order, of what statements state.
        Index(f"ix_{name}_as_of", *("as_of", *keys), postgresql_where=text("import_id IS NOT NULL")),
        comment=comment,
    )


stated_trades = Table(
    "stated_trades",
    metadata,
    # No foreign key, which would be looked up for each row: they are written by nothing but the transaction
    # that begins their import, and no import is ever deleted.
    Column("import_id", BigInt, primary_key=True, autoincrement=False),
    Column("number", Int, primary_key=True, autoincrement=False, comment="counts the trades of its file"),
    Column("line", Int, nullable=False, comment="where in its file"),
    Column("exec_id", String, nullable=False, comment="the execution it states, ours where it bears no id"),
    Column("account", String, nullable=False),
    Column("conid", BigInt, nullable=False),
    Column("executed_at", Instant, nullable=False),
    Column("quantity", Money, nullable=False, comment="signed"),
    Column("price", Money, nullable=False),
    Column("commission", Money, comment="null: not stated"),
    Column("commission_currency", String, nullable=False),
    Column("realized_pnl", Money, comment="the broker's own; null: it computed none"),
    Column("cost", Money, comment="signed, of what it opened or closed; null: not stated"),
    Column("opens", Bool, nullable=False, comment="it only opens: nothing was held that it would close"),
    Column("closes", Bool, nullable=False, comment="it only closes: something was held"),
    Column("trade_id", String, nullable=False, server_default=""),
    Column("transaction_id", String, nullable=False, server_default=""),
    Column("outcome", String, nullable=False),
    Column("aside", Json, comment="of a disputed one: what its execution would say besides"),
    Column("made_id", String, comment="the id that was made for it; null: the file states the broker's"),
    Column("reported_on", Date, comment="the broker's day in whose sums it is; null: not stated"),
    CheckConstraint(one_of("outcome", "new", "matched", "corrected", "disputed"), name="outcome"),
    Index("ix_stated_trades_exec_id", "exec_id"),
    Index("ix_stated_trades_book", "account", "conid", "executed_at"),
    Index("ix_stated_trades_disputed", "import_id", postgresql_where=text("outcome = 'disputed'")),
    comment="trades as statements state them; of a disputed one the execution says something else",
)

corporate_actions = _brought(
    "corporate_actions",
    Column("event_key", String, primary_key=True, comment="the same for the same event in whatever file"),
    Column("account", String, nullable=False),
    Column("conid", BigInt, ForeignKey("instruments.conid"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("cause", String, nullable=False),
    Column("kind", String, nullable=False, comment="the statement's own word for it"),
    Column("quantity", Money, nullable=False, comment="signed change of what is held"),
    Column("carried", Bool, nullable=False, comment="what left took its cost with it: nothing was realized"),
    Column("cost", Money, comment="of what came, signed like the quantity"),
    Column("price", Money, comment="what it was worth, as a quoted price"),
    Column("realized_pnl", Money, comment="the broker's own; null: it states none"),
    Column("event_id", String, nullable=False, comment="the broker's own number; empty: none"),
    Column("event_group", String, nullable=False, comment="ties the legs of one event"),
    Column("description", String, nullable=False),
    Column("cash", Money, comment="that came with it; null: not stated"),
    Column("market_value", Money, comment="of what was transferred, signed like the quantity"),
    Column("fx_rate_to_base", Money),
    Column("reported_on", Date, comment="the broker's day in whose sums it is; null: not stated"),
    Column(
        "kept_share",
        Money,
        comment="of its cost that went on to what came for it, the rest being sold; null: all, or not known",
    ),
    CheckConstraint(one_of("cause", *get_args(Cause)), name="cause"),
    Index("ix_corporate_actions_book", "account", "conid", "at"),
    Index(
        "ix_corporate_actions_group",
        "account",
        "event_group",
        postgresql_where=text("event_group <> ''"),
    ),
    comment="splits, mergers, exercises, expiries, transfers: holdings that changed without a trade",
)

stated_positions = _brought(
    "stated_positions",
    Column("account", String, primary_key=True),
    Column("conid", BigInt, primary_key=True, autoincrement=False),
    Column("as_of", Instant, primary_key=True, comment="the end of the day"),
    Column("quantity", Money, nullable=False),
    Column("cost", Money, comment="signed like the quantity, with multiplier and commission"),
    Column("mark_price", Money),
    Column("market_value", Money),
    Column("unrealized_pnl", Money),
    Column(
        "implied",
        Bool,
        nullable=False,
        server_default="false",
        comment="the statement leaves out what the ledger held: none was",
    ),
    Index("ix_stated_positions_day", "account", "as_of"),
    comment="what was held at the end of a day, as statements state it",
)

stated_inventories = _brought(
    "stated_inventories",
    Column("account", String, primary_key=True),
    Column("as_of", Date, primary_key=True),
    comment="days at whose end statements state all that an account held: what they leave out was not held",
)

cash_flows = _brought(
    "cash_flows",
    Column("flow_key", String, primary_key=True, comment="the same for the same flow in whatever file"),
    Column("account", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("external", Bool, nullable=False, comment="the owner brought or took it"),
    Column("at", Instant, nullable=False),
    Column("amount", Money, nullable=False, comment="signed: what comes in is positive"),
    Column("currency", String, nullable=False),
    Column("fx_rate_to_base", Money),
    Column("conid", BigInt),
    Column("symbol", String, nullable=False),
    Column("transaction_id", String, nullable=False),
    Column("description", String, nullable=False),
    Column("reported_on", Date, comment="the broker's day in whose sums it is; null: not stated"),
    CheckConstraint(one_of("kind", *get_args(CashKind)), name="kind"),
    Index("ix_cash_flows_account_at", "account", "at", "flow_key"),
    Index("ix_cash_flows_at", "at", "flow_key"),
    Index("ix_cash_flows_conid", "conid", "account", postgresql_where=text("conid IS NOT NULL")),
    comment="money that came or went, other than by trades",
)

cash_balances = _told(
    "cash_balances",
    Column("account", String, nullable=False),
    Column("currency", String, nullable=False, comment="BASE_SUMMARY: all of it, in the base currency"),
    Column("cash", Money, nullable=False),
    Column("settled_cash", Money),
    Column("starts_on", Date, comment="the first day of its statement"),
    Column("starting_cash", Money, comment="what was there before it; null: not stated"),
    Column("trades", Money, comment="what trades brought or cost since"),
    Column("commissions", Money),
    Column("futures", Money, comment="what futures settled day by day"),
    Column("flows", Money, comment="everything else that came or went since"),
    Column("accrued", Money, comment="of a snapshot: interest and dividends due and not paid yet"),
    Column("futures_pnl", Money, comment="of a snapshot: what futures gained since they were settled last"),
    keys=("account", "currency"),
    comment="cash at the end of a day, as statements state it, or as the broker told it for a snapshot",
)

# What there was before a statement's first day is what there was at the end of the day before.
Index(
    "ix_cash_balances_starts_on",
    *(cash_balances.c.account, cash_balances.c.starts_on),
    postgresql_where=text("starting_cash IS NOT NULL"),
)

fx_rates = _told(
    "fx_rates",
    Column("currency", String, nullable=False),
    Column("into_currency", String, nullable=False),
    Column("rate", Money, nullable=False, comment="what one unit of currency was worth in into_currency"),
    keys=("currency", "into_currency"),
    comment="rates at the end of a day, as statements state them, or as the broker told them for a snapshot",
)
# The nearest to a moment of those that snapshots took down.
Index(
    "ix_fx_rates_at",
    *(fx_rates.c.currency, fx_rates.c.into_currency, fx_rates.c.at),
    postgresql_where=text("snapshot_id IS NOT NULL"),
)

stated_values = _brought(
    "stated_values",
    Column("account", String, primary_key=True),
    Column("as_of", Date, primary_key=True),
    Column("currency", String, comment="the base currency; null: not stated"),
    Column("net_liquidation", Money, nullable=False),
    Column("cash", Money),
    Column("stock", Money),
    Column("options", Money),
    Column("bonds", Money),
    Column("funds", Money),
    Column("accruals", Money),
    Column("dividend_accruals", Money, comment="of accruals those of dividends; null: not stated"),
    Column("other", Money, comment="what is none of the parts before"),
    Column("gross", Money, comment="of all holdings, shorts taken as positive; null: not stated"),
    comment="what an account was worth at the end of a day, as statements state it",
)

stated_instruments = _brought(
    "stated_instruments",
    Column("name", String, primary_key=True, comment="what a file without conids calls it"),
    Column("conid", BigInt, nullable=False, comment="what it was taken for; negative: a number of ours"),
    comment="instruments that files name without a conid: one name means one instrument as long as it stands",
)

stated_identities = _brought(
    "stated_identities",
    Column("conid", BigInt, primary_key=True, autoincrement=False),
    Column("isin", String, nullable=False, comment="as the next two: empty where it is not stated"),
    Column("cusip", String, nullable=False),
    Column("figi", String, nullable=False),
    Column("issuer", String, nullable=False, server_default=""),
    Column("underlying_conid", BigInt),
    Index("ix_stated_identities_conid", "conid"),
    comment="what identifies instruments elsewhere, as statements state it",
)

stated_accounts = _brought(
    "stated_accounts",
    Column("account", String, primary_key=True),
    Column("base_currency", String),
    Column("alias", String),
    Column("closed_on", Date, comment="the broker's day; null: not stated"),
    comment="what statements state of accounts",
)

stated_changes = _brought(
    "stated_changes",
    Column("account", String, primary_key=True),
    Column("starts_on", Date, primary_key=True),
    Column("ends_on", Date, primary_key=True),
    Column("currency", String, comment="the base currency; null: not stated"),
    Column("starting", Money, nullable=False),
    Column("ending", Money, nullable=False),
    Column("contribution", Money, nullable=False, comment="what the owner brought less what he took"),
    Column("gain", Money, nullable=False, comment="all the rest, as the sum of what is stated"),
    Column("twr", Money, comment="the broker's time-weighted return, a fraction"),
    comment="how an account's value came about over whole days, as statements state it",
)

stated_periods = _brought(
    "stated_periods",
    Column("account", String, primary_key=True),
    Column("starts_at", Instant, primary_key=True),
    Column("ends_at", Instant, primary_key=True),
    Column("complete", Bool, nullable=False, comment="it tells of all executions of that time"),
    comment="times that statements cover, whole days of the broker",
)

# The list's order: of all accounts, and of one.
_periods = stated_periods.c
Index(
    "ix_stated_periods_ends_at",
    *(_periods.ends_at, _periods.import_id, _periods.account, _periods.starts_at),
)
Index(
    "ix_stated_periods_account",
    *(_periods.account, _periods.ends_at, _periods.import_id, _periods.starts_at),
)

stated_lots = _brought(
    "stated_lots",
    Column("number", Int, primary_key=True, autoincrement=False, comment="counts the lots of its file"),
    Column("account", String, nullable=False),
    Column("conid", BigInt, nullable=False),
    Column("opened_at", Instant, comment="null: not stated"),
    Column("closed_at", Instant, nullable=False),
    Column("quantity", Money, nullable=False, comment="signed like the lot"),
    Column("cost", Money, comment="signed alike, commission in it"),
    Column("realized_pnl", Money),
    Index("ix_stated_lots_book", "account", "conid", "closed_at"),
    comment="lots that were closed, as the broker chose them",
)

BROUGHT = (
    stated_trades,
    corporate_actions,
    stated_positions,
    stated_inventories,
    cash_flows,
    cash_balances,
    fx_rates,
    stated_values,
    stated_instruments,
    stated_identities,
    stated_accounts,
    stated_changes,
    stated_periods,
    stated_lots,
)
"""Tables whose rows go when their import is taken back."""
