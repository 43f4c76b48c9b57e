"""Who may do what: users, API tokens, sessions, and the log of what was done."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Identity, Index, Table, func, text

from core.domain.access import SCOPES
from models.types import BigInt, Bool, Instant, Int, String, metadata, one_of

users = Table(
    "users",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("name", String, nullable=False, unique=True, comment="in lower case"),
    Column("password_hash", String, nullable=False, comment="Argon2id, with its parameters"),
    Column("scope", String, nullable=False),
    Column("all_accounts", Bool, nullable=False, comment="also those to come; else those of user_accounts"),
    Column("created_at", Instant, nullable=False),
    Column("password_changed_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    CheckConstraint(one_of("scope", *SCOPES), name="scope"),
)

user_accounts = Table(
    "user_accounts",
    metadata,
    Column("user_id", BigInt, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Index("ix_user_accounts_account", "account"),
    comment="which accounts a user may see",
)

second_factors = Table(
    "second_factors",
    metadata,
    Column(
        "user_id",
        BigInt,
        ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("secret", String, nullable=False, comment="of the user's app, sealed with a key kept elsewhere"),
    Column("begun_at", Instant, nullable=False),
    Column("proved_at", Instant, comment="null: no code of it was shown yet"),
    Column(
        "last_step",
        BigInt,
        nullable=False,
        server_default="0",
        comment="the newest step a code was used of",
    ),
    comment="what signing in by name asks for besides the password",
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", BigInt, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String, primary_key=True, comment="SHA-256, hexadecimal"),
    comment="what lets in once in the place of a second factor; a used one is gone",
)

sign_in_tries = Table(
    "sign_in_tries",
    metadata,
    Column("party", String, primary_key=True, comment="a network, a name, both, or whose codes"),
    Column("wrong", Int, nullable=False, comment="passwords, or codes, that were"),
    Column("tried_at", Instant, nullable=False, index=True),
    comment="what is told here is forgotten within an hour or two",
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("name", String, nullable=False),
    Column("prefix", String, nullable=False, comment="how it begins, to find it by"),
    Column("secret_hash", String, nullable=False, unique=True, comment="SHA-256 of all of it, hexadecimal"),
    Column("scope", String, nullable=False),
    Column("all_accounts", Bool, nullable=False, comment="that its maker may see; else api_token_accounts"),
    Column(
        "user_id",
        BigInt,
        ForeignKey("users.id", ondelete="CASCADE"),
        comment="who made it, and bounds what it may; null: the instance's owner",
    ),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, comment="null: never"),
    Column("last_used_at", Instant, comment="to the hour"),
    CheckConstraint(one_of("scope", *SCOPES), name="scope"),
    Index("ix_api_tokens_user_id", "user_id", "id"),
)

api_token_accounts = Table(
    "api_token_accounts",
    metadata,
    Column("token_id", BigInt, ForeignKey("api_tokens.id", ondelete="CASCADE"), primary_key=True),
    Column("account", String, ForeignKey("broker_accounts.account"), primary_key=True),
    Index("ix_api_token_accounts_account", "account"),
    comment="which accounts a token may see",
)

user_sessions = Table(
    "user_sessions",
    metadata,
    Column("id_hash", String, primary_key=True, comment="SHA-256 of the cookie, hexadecimal"),
    Column(
        "number", BigInt, Identity(always=True), nullable=False, comment="to speak of it without its secret"
    ),
    Column("token_hash", String, comment="of the instance's own token, where it was traded for that"),
    Column("user_id", BigInt, ForeignKey("users.id", ondelete="CASCADE"), comment="who signed in by name"),
    Column(
        "token_id",
        BigInt,
        ForeignKey("api_tokens.id", ondelete="CASCADE"),
        comment="the API token that it was traded for",
    ),
    Column("address", String, nullable=False, server_default="", comment="where it was opened from"),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False, server_default=func.now(), comment="to some minutes"),
    Column("expires_at", Instant, nullable=False, index=True),
    CheckConstraint("num_nonnulls(token_hash, user_id, token_id) = 1", name="whose"),
    Index("uq_user_sessions_number", "number", unique=True),
    Index("ix_user_sessions_user_id", "user_id", "number", postgresql_where=text("user_id IS NOT NULL")),
    Index("ix_user_sessions_token_id", "token_id", "number", postgresql_where=text("token_id IS NOT NULL")),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInt, Identity(always=True), primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("actor", String, nullable=False, comment="who; of a sign-in that failed the name that was given"),
    Column("kind", String, nullable=False, comment="of actor"),
    Column("action", String, nullable=False),
    Column("target", String, nullable=False, server_default="", comment="to what it was done"),
    Column("address", String, nullable=False, server_default="", comment="from where"),
    Column("outcome", String, nullable=False, comment="ok, or the code of what went wrong"),
    Column("request_id", String, nullable=False, server_default=""),
    CheckConstraint(one_of("kind", "owner", "user", "token", "cli", "nobody"), name="kind"),
    Index("ix_audit_log_actor", "actor", "id"),
    Index("ix_audit_log_action", "action", "id"),
    comment="append-only: a trigger refuses changes, and removing what is younger than 90 days",
)
