"""Work that was asked for. These rows are the truth; a queue only says when to look at them."""

from sqlalchemy import CheckConstraint, Column, Index, Table, text

from models.types import BigInt, Id, Instant, Int, Json, Money, String, metadata, one_of

RESYNC = "resync"
"""Comparing everything with the broker, for someone who waits for it."""

SNAPSHOT = "snapshot"
"""Saving a snapshot now, for someone who asked for it."""

THINNING = "thinning"
"""Keeping of long ago one snapshot a day in full, where that is wanted."""

TRADING_HOURS = "trading_hours"
"""Asking for the trading hours of what is held, before those that were told are over."""

IMPORT = "import"
"""Importing a statement that was handed in."""

UNDO = "undo"
"""Taking an import back."""

DEAD_RETRY = "dead_retry"
"""Trying once more what was set aside, for someone who asked for it."""

RECONCILE = "reconcile"
"""Comparing one account's books with the broker's last word."""

STATEMENTS = "statements"
"""Comparing one account with its statements."""

SWEEP = "sweep"
"""Going through everything; this and what follows is no account's: theirs is empty."""

INSTRUMENTS = "instruments"
"""Finding out what instruments are across brokers, where one has become known, or known better."""

SAY_AGAIN = "say_again"
"""Asking the broker link again for what it has not answered."""

TIDY = "tidy"
"""Forgetting what has expired."""

RULES = "rules"
"""Holding what is kept to the rules: every night, and for someone who waits for it."""

POSITIONS = "positions"
"""What makes it so: an answer about all that the account holds has ended."""

CHANGE = "change"
"""The least of what makes a comparison worth while: it does not take the place of another that waits."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String, nullable=False),
    Column("status", String, nullable=False),
    Column("progress", Money),
    Column("error", String),
    Column("details", Json, comment="of an import: what was asked for, and once it has ended its report"),
    Column("requested_by", String, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    CheckConstraint(one_of("status", "queued", "running", "succeeded", "failed"), name="status"),
    Index("ix_jobs_unfinished", "created_at", "id", postgresql_where=text("status IN ('queued', 'running')")),
    # The list's order: of all, of what failed, of a kind.
    Index("ix_jobs_created_at", "created_at", "id"),
    Index("ix_jobs_failed", "created_at", "id", postgresql_where=text("status = 'failed'")),
    Index("ix_jobs_kind", "kind", "created_at", "id"),
)

coalesced_jobs = Table(
    "coalesced_jobs",
    metadata,
    Column("kind", String, primary_key=True),
    Column("account", String, primary_key=True),
    Column("wanted", BigInt, nullable=False, comment="how often it was asked for"),
    Column("done", BigInt, nullable=False, server_default="0", comment="up to which of these it is done"),
    Column("trigger", String, nullable=False, comment="what asked for it last"),
    Column("wanted_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False, comment="not before things have settled"),
    Column("done_at", Instant),
    Column("attempts", Int, nullable=False, server_default="0", comment="since it was last done"),
    Column("error", String),
    CheckConstraint("done <= wanted", name="done"),
    Index("ix_coalesced_jobs_due", "due_at", postgresql_where=text("done < wanted")),
    comment="work of which asking twice means doing once, one row a kind and account",
)
