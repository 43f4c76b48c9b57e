"""delivery guarantees

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATES = ("disconnected", "connecting", "syncing", "live", "degraded", "needs_login", "fenced")


def upgrade() -> None:
    op.create_table(
        "coalesced_jobs",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=False, comment="how often it was asked for"),
        sa.Column(
            "done",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="up to which of these it is done",
        ),
        sa.Column("trigger", sa.Text(), nullable=False, comment="what asked for it last"),
        sa.Column("wanted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "due_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="not before things have settled",
        ),
        sa.Column("done_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "attempts", sa.Integer(), server_default="0", nullable=False, comment="since it was last done"
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("done <= wanted", name=op.f("ck_coalesced_jobs_done")),
        sa.PrimaryKeyConstraint("kind", "account", name=op.f("pk_coalesced_jobs")),
        comment="work of which asking twice means doing once, one row a kind and account",
    )
    op.create_index(
        "ix_coalesced_jobs_due",
        "coalesced_jobs",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("done < wanted"),
    )
    op.create_table(
        "inbox",
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "first_seq", sa.BigInteger(), autoincrement=False, nullable=False, comment="names the entry"
        ),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.Column("applied_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "concluded",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="false: it ends a positions answer of which something has still to arrive",
        ),
        sa.PrimaryKeyConstraint("epoch", "first_seq", name=op.f("pk_inbox")),
        comment="stream entries whose effect is committed: the same again has none",
    )
    op.create_index("ix_inbox_applied_at", "inbox", ["applied_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "inbox_trials",
        sa.Column("entry", sa.Text(), nullable=False, comment="SHA-256 of the entry"),
        sa.Column(
            "seq",
            sa.BigInteger(),
            nullable=True,
            comment="the fact that is being tried; null: the entry as a whole",
        ),
        sa.Column("deaths", sa.Integer(), nullable=False, comment="workers that died while they tried that"),
        sa.Column(
            "deadly",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the facts that are to be kept aside for it",
        ),
        sa.Column("holder", sa.Text(), nullable=False, comment="the worker that tries"),
        sa.Column("tried_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_inbox_trials")),
        comment="entries delivered again and again: what stands here when one comes again, a worker died on",
    )
    op.create_table(
        "observation_gaps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="why nobody listened"),
        sa.Column("detected_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True, comment="what told of the executions of this time"),
        sa.CheckConstraint("started_at < ended_at", name=op.f("ck_observation_gaps_span")),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_observation_gaps_account_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observation_gaps")),
        sa.UniqueConstraint(
            "account", "started_at", "ended_at", name=op.f("uq_observation_gaps_account_started_at_ended_at")
        ),
        comment="times of which the gateway can tell the executions no more",
    )
    op.create_index(
        "ix_observation_gaps_open",
        "observation_gaps",
        ["account"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.add_column(
        "broker_links", sa.Column("state", sa.Text(), server_default="disconnected", nullable=False)
    )
    op.add_column("broker_sessions", sa.Column("client_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "broker_sessions",
        sa.Column(
            "holder",
            sa.Text(),
            nullable=True,
            comment="machine:process of the link that has, or had, this session",
        ),
    )
    op.add_column(
        "broker_sessions", sa.Column("state", sa.Text(), server_default="connecting", nullable=False)
    )
    op.add_column(
        "broker_sessions",
        sa.Column(
            "state_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="since when it is in this state",
        ),
    )
    op.add_column("broker_sessions", sa.Column("state_reason", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "broker_sessions",
        sa.Column(
            "state_seq", sa.BigInteger(), server_default="-1", nullable=False, comment="the fact that said so"
        ),
    )
    op.add_column(
        "broker_sessions",
        sa.Column(
            "first_entry_ms",
            sa.BigInteger(),
            nullable=True,
            comment="its first entry in the facts stream: what an older epoch",
        ),
    )
    op.add_column(
        "broker_sessions",
        sa.Column(
            "first_entry_seq",
            sa.BigInteger(),
            nullable=True,
            comment="brings behind that entry comes from a link that was replaced",
        ),
    )
    op.alter_column(
        "broker_sessions",
        "login",
        existing_type=sa.TEXT(),
        comment="host:port of the gateway: one login, one live link",
        existing_comment="host:port/client id",
        existing_nullable=False,
    )
    op.add_column(
        "dead_facts",
        sa.Column(
            "seq", sa.BigInteger(), nullable=True, comment="its place within the epoch, where it is one fact"
        ),
    )
    op.add_column("dead_facts", sa.Column("status", sa.Text(), server_default="open", nullable=False))
    op.add_column(
        "dead_facts",
        sa.Column(
            "resolved_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was retried well, or dropped",
        ),
    )
    op.add_column("dead_facts", sa.Column("retries", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_broker_links_state"), "broker_links", _one_of("state", *_STATES))
    op.create_check_constraint(
        op.f("ck_broker_sessions_state"), "broker_sessions", _one_of("state", *_STATES)
    )
    op.create_check_constraint(
        op.f("ck_dead_facts_status"), "dead_facts", _one_of("status", "open", "retried", "dropped")
    )
    # A client id does not make another login: two links with two of them would watch the same accounts.
    op.execute(
        "UPDATE broker_sessions SET login = split_part(login, '/', 1), "
        "client_id = CAST(nullif(split_part(login, '/', 2), '') AS bigint)"
    )
    op.execute("UPDATE broker_sessions SET state = 'disconnected' WHERE ended_at IS NOT NULL")


def _one_of(column: str, *values: str) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"
