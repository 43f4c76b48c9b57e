from sqlalchemy import CheckConstraint, Column, ForeignKey, Identity, Index, Table, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY

from core.domain.link import STATES
from models.types import BigInt, Bool, Instant, Int, Json, Money, String, metadata, one_of

DATASETS = ("positions", "executions", "account_values", "pnl")

RESYNC_FAILED = "resync_failed"
POSITIONS_INCOMPLETE = "positions_incomplete"
FAILURES = (RESYNC_FAILED, POSITIONS_INCOMPLETE)
"""The kinds of log entries that tell of a failure."""

CUT_OFF = "replaced by a newer session"
"""How a session ended that could not say so: its end was noted by the next one, later than it was."""

GIVEN_UP = "ended"
"""What the log says a link came to whose login was given up: from then on it is not away any more."""

SILENCE_SECONDS = 75
"""A link that was not heard of for so long does not run. Its beats are stored once a minute at least."""

broker_sessions = Table(
    "broker_sessions",
    metadata,
    Column("epoch", BigInt, Identity(always=True), primary_key=True),
    Column("login", String, nullable=False, comment="host:port of the gateway: one login, one live link"),
    Column("client_id", BigInt),
    Column("holder", String, comment="machine:process of the link that has, or had, this session"),
    Column("place", String, comment="the installation of the link; it serves one login at a time"),
    Column(
        "accounts",
        ARRAY(String),
        comment="that it listed; null: it listed none yet, or began before this was kept",
    ),
    Column("started_at", Instant, nullable=False),
    Column("connected_at", Instant),
    Column("ended_at", Instant),
    Column("end_reason", String),
    Column(
        "given_up_at",
        Instant,
        comment="when its login was: what it said before counts no more if it comes late",
    ),
    Column("server_version", Int),
    Column("time_zone", String),
    Column("state", String, nullable=False, server_default="connecting"),
    Column("state_at", Instant, comment="since when it is in this state"),
    Column("state_reason", String, nullable=False, server_default=""),
    Column("state_seq", BigInt, nullable=False, server_default="-1", comment="the fact that said so"),
    Column("first_entry_ms", BigInt, comment="its first entry in the facts stream: what an older epoch"),
    Column("first_entry_seq", BigInt, comment="brings behind that entry comes from a link that was replaced"),
    CheckConstraint(one_of("state", *STATES), name="state"),
    Index("ix_broker_sessions_login", "login", "epoch"),
    comment="one row a connection; its epoch orders what older and newer connections wrote",
)

broker_links = Table(
    "broker_links",
    metadata,
    Column("login", String, primary_key=True, comment="host:port of the gateway, as in broker_sessions"),
    Column("gateway", String, nullable=False),
    Column("ibkr", String, nullable=False),
    Column("state", String, nullable=False, server_default="disconnected"),
    Column("reason", String, nullable=False),
    Column("since", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("epoch", BigInt, nullable=False),
    Column("heard_at", Instant, comment="PostgreSQL's clock: when its last beat was written"),
    Column("clock_offset_seconds", Money, comment="the broker's clock minus ours, by its last beat"),
    CheckConstraint(one_of("gateway", "up", "down", "unknown"), name="gateway"),
    CheckConstraint(one_of("ibkr", "up", "down", "unknown"), name="ibkr"),
    CheckConstraint(one_of("state", *STATES), name="state"),
    comment="the last known state of the link of each login",
)

sync_datasets = Table(
    "sync_datasets",
    metadata,
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Column("dataset", String, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("complete", Bool, nullable=False),
    Column("error", String, nullable=False, server_default=""),
    Column("epoch", BigInt, nullable=False),
    CheckConstraint(one_of("dataset", *DATASETS), name="dataset"),
)

sync_log = Table(
    "sync_log",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("epoch", BigInt),
    Column("kind", String, nullable=False),
    Column("message", String, nullable=False),
    Column("details", Json),
    Index("ix_sync_log_at", "at", "id"),
    # Of years of comparisons few lines are about a link.
    Index("ix_sync_log_link", "at", "id", postgresql_where=text("kind IN ('link', 'login')")),
)

observation_gaps = Table(
    "observation_gaps",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("account", String, ForeignKey("broker_accounts.account"), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("reason", String, nullable=False, comment="why nobody listened"),
    Column("detected_at", Instant, nullable=False),
    Column("epoch", BigInt, nullable=False),
    Column("closed_at", Instant),
    Column("closed_by", String, comment="what told of the executions of this time"),
    CheckConstraint("started_at < ended_at", name="span"),
    UniqueConstraint("account", "started_at", "ended_at"),
    Index("ix_observation_gaps_open", "account", postgresql_where=text("closed_at IS NULL")),
    comment="times of which the gateway can tell the executions no more",
)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("account", String, ForeignKey("broker_accounts.account"), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("trigger", String, nullable=False),
    Column("checked", Int, nullable=False),
    Column("differences", Int, nullable=False),
    Column(
        "counts",
        Json,
        nullable=False,
        server_default="{}",
        comment="books by what comparing them came to: matched, quantity_mismatch, …",
    ),
    Index("ix_reconciliations_account", "account", "id"),
)

reconciliation_differences = Table(
    "reconciliation_differences",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("account", String, ForeignKey("broker_accounts.account"), nullable=False),
    Column("conid", BigInt, ForeignKey("instruments.conid"), nullable=False),
    Column("kind", String, nullable=False),
    Column("cause", String),
    Column("inferred", Bool, nullable=False, server_default="false", comment="the cause was concluded"),
    Column("ours", Money, comment="a quantity; of a cost_mismatch or provisional one the average cost"),
    Column("brokers", Money),
    Column("since", Instant, nullable=False),
    Column("resolved_at", Instant),
    Column("acknowledged_at", Instant, comment="somebody knows of it, and said why it may stand"),
    Column("acknowledged_by", String),
    Column("note", String, comment="why, in their words"),
    Column("acknowledged_ours", Money, comment="our figure as they knew it"),
    Column("acknowledged_brokers", Money, comment="the broker's as they knew it"),
    Column(
        "acknowledgement_ended_at",
        Instant,
        comment="when either figure was found to be another: what they said counts no more",
    ),
    CheckConstraint(
        one_of(
            "kind", "quantity_mismatch", "cost_mismatch", "missing_local", "missing_broker", "provisional"
        ),
        name="kind",
    ),
    CheckConstraint(
        "(acknowledged_at IS NULL) = (acknowledged_by IS NULL) "
        "AND (acknowledged_at IS NULL) = (note IS NULL) "
        "AND (acknowledged_at IS NOT NULL OR acknowledgement_ended_at IS NULL)",
        name="acknowledged",
    ),
    Index(
        "uq_reconciliation_differences_open",
        "account",
        "conid",
        "kind",
        unique=True,
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index("ix_reconciliation_differences_account", "account", "id"),
)
