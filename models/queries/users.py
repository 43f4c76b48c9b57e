"""Users, API tokens and sessions, as their owners see them."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Row,
    and_,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
)

from core.domain.access import Accounts, Scope, accounts_of
from models.session import Reader, Writer
from models.tables import (
    api_token_accounts,
    api_tokens,
    broker_accounts,
    second_factors,
    user_accounts,
    user_sessions,
    users,
)


class UserRow(NamedTuple):
    """A user, without the password."""

    id: int
    name: str
    scope: Scope
    accounts: Accounts
    created_at: datetime
    password_changed_at: datetime
    disabled_at: datetime | None
    second_factor: bool


class TokenRow(NamedTuple):
    """An API token. ``user``: who made it; ``None``: the instance's owner."""

    id: int
    name: str
    prefix: str
    scope: Scope
    accounts: Accounts
    user: str | None
    user_id: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class OpenSession(NamedTuple):
    """A session. ``user`` and ``token``: who signed in, or by which token; neither: by the instance's own."""

    number: int
    user: str | None
    token: str | None
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class Reach(NamedTuple):
    """Whose tokens and sessions somebody may see: a user's, a token's, of all who see no other accounts."""

    user_id: int | None = None
    token_id: int | None = None
    accounts: Accounts = None


class Password(NamedTuple):
    """What signing in by name needs. ``changed_at`` says which of the user's passwords it is."""

    id: int
    password_hash: str
    disabled: bool
    changed_at: datetime


_users = select(
    users,
    func.array(
        select(user_accounts.c.account)
        .where(user_accounts.c.user_id == users.c.id)
        .order_by(user_accounts.c.account)
        .scalar_subquery()
    ).label("accounts"),
    exists()
    .where(second_factors.c.user_id == users.c.id, second_factors.c.proved_at.is_not(None))
    .label("second_factor"),
)
_tokens = select(
    api_tokens,
    users.c.name.label("user"),
    func.array(
        select(api_token_accounts.c.account)
        .where(api_token_accounts.c.token_id == api_tokens.c.id)
        .order_by(api_token_accounts.c.account)
        .scalar_subquery()
    ).label("accounts"),
).join(users, users.c.id == api_tokens.c.user_id, isouter=True)
_sessions = (
    select(
        user_sessions.c.number,
        users.c.name.label("user"),
        api_tokens.c.name.label("token"),
        user_sessions.c.address,
        user_sessions.c.created_at,
        user_sessions.c.last_seen_at,
        user_sessions.c.expires_at,
    )
    .join(users, users.c.id == user_sessions.c.user_id, isouter=True)
    .join(api_tokens, api_tokens.c.id == user_sessions.c.token_id, isouter=True)
)
_of_users = text("SELECT EXISTS (SELECT FROM users)")


def _user(row: Row[Any]) -> UserRow:
    accounts = accounts_of(row.all_accounts, row.accounts)
    return UserRow(
        row.id,
        row.name,
        Scope.of(row.scope),
        accounts,
        row.created_at,
        row.password_changed_at,
        row.disabled_at,
        row.second_factor,
    )


def _token(row: Row[Any]) -> TokenRow:
    return TokenRow(
        row.id,
        row.name,
        row.prefix,
        Scope.of(row.scope),
        accounts_of(row.all_accounts, row.accounts),
        row.user,
        row.user_id,
        row.created_at,
        row.expires_at,
        row.last_used_at,
    )


async def has_users(connection: Reader | Writer) -> bool:
    """Whether there is any."""
    return bool((await connection.execute(_of_users)).scalar_one())


async def user_named(connection: Reader | Writer, name: str) -> UserRow | None:
    """The user of that name."""
    row = (await connection.execute(_users.where(users.c.name == name))).one_or_none()
    return None if row is None else _user(row)


async def users_page(
    reader: Reader, *, within: Accounts = None, after: int | None = None, limit: int
) -> list[UserRow]:
    """Users, newest first: the latest, or those before one; ``within``: who see no other accounts."""
    query = _users.order_by(users.c.id.desc()).limit(limit)
    if within is not None:
        query = query.where(_user_within(within))
    if after is not None:
        query = query.where(users.c.id < after)
    return [_user(row) for row in await reader.execute(query)]


async def password_of(reader: Reader, name: str) -> Password | None:
    """What the password of a user of that name is checked by."""
    query = select(
        users.c.id, users.c.password_hash, users.c.disabled_at.is_not(None), users.c.password_changed_at
    )
    row = (await reader.execute(query.where(users.c.name == name))).one_or_none()
    return None if row is None else Password(*row)


async def tokens_page(
    reader: Reader, *, reach: Reach | None = None, after: int | None = None, limit: int
) -> list[TokenRow]:
    """Tokens, newest first: all of them, or those within reach."""
    query = _tokens.where(_token_in(reach)).order_by(api_tokens.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(api_tokens.c.id < after)
    return [_token(row) for row in await reader.execute(query)]


async def token_by_id(
    connection: Reader | Writer, token_id: int, *, reach: Reach | None = None
) -> TokenRow | None:
    """The token with this number, if it is within reach."""
    query = _tokens.where(api_tokens.c.id == token_id, _token_in(reach))
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _token(row)


async def sessions_page(
    reader: Reader,
    *,
    now: datetime,
    idle_since: datetime,
    reach: Reach | None = None,
    after: int | None = None,
    limit: int,
) -> list[OpenSession]:
    """Sessions that stand, newest first: all of them, or those within reach."""
    table = user_sessions.c
    query = _sessions.where(table.expires_at > now, table.last_seen_at > idle_since, _session_in(reach))
    if after is not None:
        query = query.where(table.number < after)
    rows = await reader.execute(query.order_by(table.number.desc()).limit(limit))
    return [OpenSession(*row) for row in rows]


async def has_session(connection: Reader | Writer, number: int, *, reach: Reach | None = None) -> bool:
    """Whether there is a session with this number within reach."""
    query = _sessions.where(user_sessions.c.number == number, _session_in(reach))
    return (await connection.execute(query)).first() is not None


def _user_within(accounts: frozenset[str], user: FromClause = users) -> ColumnElement[bool]:
    listed = user_accounts.c.user_id == user.c.id
    return and_(user.c.all_accounts.is_(False), ~_are_others(user_accounts.c.account, listed, accounts))


def _are_others(
    account: Column[str], listed: ColumnElement[bool], accounts: frozenset[str]
) -> ColumnElement[bool]:
    # With an offset the few of each row are looked up, and never the lists of all.
    return (
        select(account).where(listed, account.not_in(sorted(accounts))).offset(literal_column("0")).exists()
    )


def _token_in(reach: Reach | None) -> ColumnElement[bool]:
    if reach is None:
        return true()
    ways = _own(reach, api_tokens.c.user_id, api_tokens.c.id)
    if reach.accounts is not None:
        listed = api_token_accounts.c.token_id == api_tokens.c.id
        # One without a list of its own sees what its maker sees.
        bounded = or_(api_tokens.c.all_accounts.is_(False), _user_within(reach.accounts))
        ways.append(and_(bounded, ~_are_others(api_token_accounts.c.account, listed, reach.accounts)))
    return or_(false(), *ways)


def _session_in(reach: Reach | None) -> ColumnElement[bool]:
    if reach is None:
        return true()
    ways = _own(reach, user_sessions.c.user_id, user_sessions.c.token_id)
    if reach.accounts is not None:
        whose = users.alias("whose")
        theirs = select(whose.c.id).where(
            whose.c.id == user_sessions.c.user_id, _user_within(reach.accounts, whose)
        )
        ways.append(theirs.offset(literal_column("0")).exists())
    return or_(false(), *ways)


def _own(reach: Reach, user: Column[Any], token: Column[Any]) -> list[ColumnElement[bool]]:
    told = ((user, reach.user_id), (token, reach.token_id))
    return [column == value for column, value in told if value is not None]


async def unknown_accounts(connection: Reader | Writer, accounts: Accounts) -> list[str]:
    """Those of the accounts that there are none of."""
    if not accounts:
        return []
    wanted = sorted(accounts)
    query = select(broker_accounts.c.account).where(broker_accounts.c.account.in_(wanted))
    found = {row.account for row in await connection.execute(query)}
    return [account for account in wanted if account not in found]
