"""What a session, a user or an API token may do just now."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Row, text

from core.domain.access import Accounts, Scope, accounts_of, both
from models.session import Reader, Writer

_USER = (
    "u.id AS user_id, u.name AS user_name, u.scope AS user_scope, u.all_accounts AS user_all, "
    "ARRAY(SELECT account FROM user_accounts a WHERE a.user_id = u.id) AS user_accounts, "
    "EXISTS (SELECT FROM second_factors f WHERE f.user_id = u.id AND f.proved_at IS NOT NULL) AS user_factor"
)
_TOKEN = (
    "SELECT k.id, k.name, k.scope, k.all_accounts, k.expires_at, k.last_used_at, "  # noqa: S608 - no input
    f"ARRAY(SELECT account FROM api_token_accounts a WHERE a.token_id = k.id) AS accounts, {_USER} "
    "FROM api_tokens k LEFT JOIN users u ON u.id = k.user_id "
    "WHERE (k.expires_at IS NULL OR k.expires_at > :now) AND u.disabled_at IS NULL AND "
)
_token_by_hash = text(f"{_TOKEN} k.secret_hash = :key")
_token_by_id = text(f"{_TOKEN} k.id = :key")
_user_by_id = text(f"SELECT {_USER} FROM users u WHERE u.id = :key AND u.disabled_at IS NULL")  # noqa: S608
_session = text(
    "SELECT number, token_hash, user_id, token_id, last_seen_at, expires_at FROM user_sessions "
    "WHERE id_hash = :id_hash AND expires_at > :now AND last_seen_at > :idle_since"
)


class Grant(NamedTuple):
    """What a user or a token may. ``user_id`` is the user behind it; null: the instance's owner.

    ``second_factor`` is whether a user has one.
    """

    name: str
    scope: Scope
    accounts: Accounts
    user_id: int | None
    token_id: int | None
    expires_at: datetime | None
    last_used_at: datetime | None
    second_factor: bool = False


class SessionRow(NamedTuple):
    """A session that stands, and whose it is: one of the three."""

    number: int
    token_hash: str | None
    user_id: int | None
    token_id: int | None
    last_seen_at: datetime
    expires_at: datetime


async def standing_session(
    reader: Reader, *, id_hash: str, now: datetime, idle_since: datetime
) -> SessionRow | None:
    """The session, unless it has expired or was not used since."""
    parameters = {"id_hash": id_hash, "now": now, "idle_since": idle_since}
    row = (await reader.execute(_session, parameters)).one_or_none()
    return None if row is None else SessionRow(*row)


async def grant_of_user(connection: Reader | Writer, user_id: int) -> Grant | None:
    """What a user may; ``None`` for one that is disabled, or is none."""
    row = (await connection.execute(_user_by_id, {"key": user_id})).one_or_none()
    if row is None:
        return None
    accounts = accounts_of(row.user_all, row.user_accounts)
    return Grant(
        row.user_name, Scope.of(row.user_scope), accounts, row.user_id, None, None, None, row.user_factor
    )


async def grant_of_token(connection: Reader | Writer, key: str | int, now: datetime) -> Grant | None:
    """What a token may, by its hash or its number: never more than its maker may now.

    ``None`` for one that has expired, whose maker is disabled, or that there is none of.
    """
    query = _token_by_hash if isinstance(key, str) else _token_by_id
    row = (await connection.execute(query, {"key": key, "now": now})).one_or_none()
    return None if row is None else _bounded(row)


def _bounded(row: Row[tuple[object, ...]]) -> Grant:
    scope, accounts = Scope.of(row.scope), accounts_of(row.all_accounts, row.accounts)
    if row.user_id is not None:
        scope = min(scope, Scope.of(row.user_scope))
        accounts = both(accounts, accounts_of(row.user_all, row.user_accounts))
    return Grant(row.name, scope, accounts, row.user_id, row.id, row.expires_at, row.last_used_at)
