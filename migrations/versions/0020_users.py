"""users, API tokens, whose sessions are, and the log of what was done

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    _add_users()
    _add_tokens()
    _tell_whose_sessions_are()
    _add_audit_log()


def _add_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="in lower case"),
        sa.Column("password_hash", sa.Text(), nullable=False, comment="Argon2id, with its parameters"),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column(
            "all_accounts",
            sa.Boolean(),
            nullable=False,
            comment="also those to come; else those of user_accounts",
        ),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("password_changed_at", _INSTANT, nullable=False),
        sa.Column("disabled_at", _INSTANT, nullable=True),
        sa.CheckConstraint("scope IN ('read', 'sync', 'admin')", name=op.f("ck_users_scope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "user_accounts",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["broker_accounts.account"], name=op.f("fk_user_accounts_account_broker_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_accounts_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "account", name=op.f("pk_user_accounts")),
        comment="which accounts a user may see",
    )
    op.create_index("ix_user_accounts_account", "user_accounts", ["account"], unique=False)


def _add_tokens() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False, comment="how it begins, to find it by"),
        sa.Column("secret_hash", sa.Text(), nullable=False, comment="SHA-256 of all of it, hexadecimal"),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column(
            "all_accounts",
            sa.Boolean(),
            nullable=False,
            comment="that its maker may see; else api_token_accounts",
        ),
        sa.Column(
            "user_id",
            sa.BigInteger(),
            nullable=True,
            comment="who made it, and bounds what it may; null: the instance's owner",
        ),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=True, comment="null: never"),
        sa.Column("last_used_at", _INSTANT, nullable=True, comment="to the hour"),
        sa.CheckConstraint("scope IN ('read', 'sync', 'admin')", name=op.f("ck_api_tokens_scope")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_tokens_secret_hash")),
    )
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id", "id"], unique=False)
    op.create_table(
        "api_token_accounts",
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"],
            ["broker_accounts.account"],
            name=op.f("fk_api_token_accounts_account_broker_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["api_tokens.id"],
            name=op.f("fk_api_token_accounts_token_id_api_tokens"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_id", "account", name=op.f("pk_api_token_accounts")),
        comment="which accounts a token may see",
    )
    op.create_index("ix_api_token_accounts_account", "api_token_accounts", ["account"], unique=False)


def _tell_whose_sessions_are() -> None:
    op.alter_column(
        "user_sessions",
        "token_hash",
        existing_type=sa.Text(),
        nullable=True,
        comment="of the instance's own token, where it was traded for that",
        existing_comment="SHA-256 of the token it was traded for",
    )
    for column in (
        sa.Column(
            "number",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="to speak of it without its secret",
        ),
        sa.Column("user_id", sa.BigInteger(), nullable=True, comment="who signed in by name"),
        sa.Column("token_id", sa.BigInteger(), nullable=True, comment="the API token that it was traded for"),
        sa.Column(
            "address", sa.Text(), server_default="", nullable=False, comment="where it was opened from"
        ),
        sa.Column(
            "last_seen_at",
            _INSTANT,
            server_default=sa.func.now(),
            nullable=False,
            comment="to some minutes",
        ),
    ):
        op.add_column("user_sessions", column)
    for column, table in (("user_id", "users"), ("token_id", "api_tokens")):
        op.create_foreign_key(
            op.f(f"fk_user_sessions_{column}_{table}"),
            "user_sessions",
            table,
            [column],
            ["id"],
            ondelete="CASCADE",
        )
        op.create_index(
            f"ix_user_sessions_{column}",
            "user_sessions",
            [column, "number"],
            unique=False,
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index("uq_user_sessions_number", "user_sessions", ["number"], unique=True)
    op.create_check_constraint(
        op.f("ck_user_sessions_whose"), "user_sessions", "num_nonnulls(token_hash, user_id, token_id) = 1"
    )


def _add_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column(
            "actor",
            sa.Text(),
            nullable=False,
            comment="who; of a sign-in that failed the name that was given",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="of actor"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), server_default="", nullable=False, comment="to what it was done"),
        sa.Column("address", sa.Text(), server_default="", nullable=False, comment="from where"),
        sa.Column("outcome", sa.Text(), nullable=False, comment="ok, or the code of what went wrong"),
        sa.Column("request_id", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "kind IN ('owner', 'user', 'token', 'cli', 'nobody')", name=op.f("ck_audit_log_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        comment="append-only: a trigger refuses changes, and removing what is younger than 90 days",
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"], unique=False)
    op.create_index("ix_audit_log_actor", "audit_log", ["actor", "id"], unique=False)
    op.create_index("ix_audit_log_action", "audit_log", ["action", "id"], unique=False)
    op.execute(
        "CREATE OR REPLACE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'DELETE' AND OLD.at < now() - interval '90 days' THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'audit_log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log "
        "FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER audit_log_never_truncated BEFORE TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only()"
    )
