"""Who may do what is found by an index, however many users, tokens, sessions and entries there are."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import text

from models.queries.access import grant_of_token, grant_of_user, standing_session
from models.queries.audit import audit_page
from models.queries.users import (
    Reach,
    has_session,
    has_users,
    password_of,
    sessions_page,
    token_by_id,
    tokens_page,
    user_named,
    users_page,
)
from models.session import Database, Reader
from tests.models.test_query_plans import Explaining

NOW = datetime(2026, 11, 20, tzinfo=UTC)
IDLE = NOW - timedelta(days=7)
ACCOUNTS = frozenset({"U1", "U2", "U3"})
GROWN = """
INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) SELECT 'U' || n, false, now(),
    now() FROM generate_series(1, 3) n;
INSERT INTO users (name, password_hash, scope, all_accounts, created_at, password_changed_at) SELECT
    'user' || n, '', 'read', false, now(), now() FROM generate_series(1, 5000) n;
INSERT INTO user_accounts (user_id, account) SELECT id, account FROM users, broker_accounts;
INSERT INTO api_tokens (name, prefix, secret_hash, scope, all_accounts, user_id, created_at) SELECT 'a', 'a',
    'hash' || n, 'read', false, CASE WHEN n % 3 > 0 THEN 1 + n % 5000 END, now() FROM
    generate_series(1, 12000) n;
INSERT INTO api_token_accounts (token_id, account) SELECT id, account FROM api_tokens, broker_accounts;
INSERT INTO user_sessions (id_hash, token_hash, user_id, token_id, created_at, last_seen_at, expires_at)
    SELECT 'hash' || n, CASE WHEN n % 3 = 0 THEN 'x' END, CASE WHEN n % 3 = 1 THEN 1 + n % 5000 END,
    CASE WHEN n % 3 = 2 THEN n END, now(), '2026-11-19Z', '2026-12-19Z' FROM generate_series(1, 12000) n;
INSERT INTO audit_log (at, actor, kind, action, outcome) SELECT now(), 'user' || n % 500, 'user', 'action' ||
    n % 500, 'ok' FROM generate_series(1, 30000) n;
ANALYZE;
"""
TABLES = "users|user_accounts|api_tokens|api_token_accounts|user_sessions|audit_log"
ASKED: dict[str, Callable[[Reader], Awaitable[object]]] = {
    "a session": lambda reader: standing_session(reader, id_hash="hash7", now=NOW, idle_since=IDLE),
    "a user": lambda reader: grant_of_user(reader, 7),
    "a token": lambda reader: grant_of_token(reader, "hash7", NOW),
    "a session's token": lambda reader: grant_of_token(reader, 7, NOW),
    "whether there are users": has_users,
    "a password": lambda reader: password_of(reader, "user7"),
    "a user by name": lambda reader: user_named(reader, "user7"),
    "users": lambda reader: users_page(reader, limit=101),
    "the next users": lambda reader: users_page(reader, after=900, limit=101),
    "tokens": lambda reader: tokens_page(reader, limit=101),
    "the next tokens of a user": lambda reader: tokens_page(
        reader, reach=Reach(user_id=8), after=11000, limit=101
    ),
    "a token by number": lambda reader: token_by_id(reader, 7),
    "sessions": lambda reader: sessions_page(reader, now=NOW, idle_since=IDLE, limit=101),
    "the next sessions of a user": lambda reader: sessions_page(
        reader, now=NOW, idle_since=IDLE, reach=Reach(user_id=8), after=11000, limit=101
    ),
    "sessions of a token": lambda reader: sessions_page(
        reader, now=NOW, idle_since=IDLE, reach=Reach(token_id=8), limit=101
    ),
    "users who see some accounts": lambda reader: users_page(reader, within=ACCOUNTS, limit=101),
    "tokens of whoever sees some accounts": lambda reader: tokens_page(
        reader, reach=Reach(user_id=8, accounts=ACCOUNTS), limit=101
    ),
    "sessions of whoever sees some accounts": lambda reader: sessions_page(
        reader, now=NOW, idle_since=IDLE, reach=Reach(user_id=8, accounts=ACCOUNTS), limit=101
    ),
    "whether somebody has a session": lambda reader: has_session(reader, 8, reach=Reach(token_id=8)),
    "entries": lambda reader: audit_page(reader, limit=101),
    "the next entries": lambda reader: audit_page(reader, after=20_000, limit=101),
    "entries of an actor": lambda reader: audit_page(reader, actor="user7", limit=101),
    "entries of an action": lambda reader: audit_page(reader, action="action7", after=20_000, limit=101),
}


async def test_no_question_about_access_reads_a_table_from_end_to_end(database: Database) -> None:
    async with database.write() as writer:
        for statement in GROWN.strip().rstrip(";").split(";\n"):
            await writer.execute(text(statement))
    for name, ask in ASKED.items():
        async with database.read() as reader:
            explaining = Explaining(reader)
            found = await ask(cast("Reader", explaining))
        assert found, name
        for plan in explaining.plans:
            # Whether there is any user the first row of them tells.
            if name != "whether there are users":
                assert not re.search(rf"Seq Scan on ({TABLES})\b", plan), f"{name}:\n{plan}"
