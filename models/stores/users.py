"""Users: made, changed, removed."""

from datetime import datetime

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from core.domain.access import Accounts, Scope
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import user_accounts, users

_accounts = BulkInsert(user_accounts, ("user_id", "account"))
# So that of several who want to be the first, one is.
_lock = text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
_rehash = text("UPDATE users SET password_hash = :fresh WHERE id = :id AND password_hash = :stale")

_hold = text("SELECT 1 FROM users WHERE name = :name FOR NO KEY UPDATE")
_hold_password = text(
    "SELECT 1 FROM users WHERE id = :id AND password_changed_at = :changed_at AND disabled_at IS NULL "
    "FOR SHARE"
)


class UserExistsError(Exception):
    """There is a user of that name."""


async def create_user(
    writer: Writer, *, name: str, password_hash: str, scope: Scope, accounts: Accounts, now: datetime
) -> int:
    """Make a user; returns the number.

    Raises:
        UserExistsError: there is one of that name.
    """
    try:
        made = await writer.execute(
            insert(users)
            .values(
                name=name,
                password_hash=password_hash,
                scope=scope.word,
                all_accounts=accounts is None,
                created_at=now,
                password_changed_at=now,
            )
            .returning(users.c.id)
        )
    except IntegrityError as error:
        raise UserExistsError(name) from error
    number: int = made.scalar_one()
    await _list_accounts(writer, number, accounts)
    return number


async def create_first_user(writer: Writer, *, name: str, password_hash: str, now: datetime) -> int | None:
    """Make the first user, an admin who sees everything; ``None`` where there is one already."""
    await writer.execute(_lock)
    if (await writer.execute(select(users.c.id).limit(1))).first() is not None:
        return None
    return await create_user(
        writer, name=name, password_hash=password_hash, scope=Scope.ADMIN, accounts=None, now=now
    )


async def hold_user(writer: Writer, name: str) -> None:
    """Nobody else changes the user of that name before the transaction ends: what is read now stays so."""
    await writer.execute(_hold, {"name": name})


async def hold_password(writer: Writer, user_id: int, changed_at: datetime) -> bool:
    """Whether the user may sign in, by the password of that time; it stays so until the transaction ends."""
    held = await writer.execute(_hold_password, {"id": user_id, "changed_at": changed_at})
    return held.first() is not None


async def set_access(writer: Writer, user_id: int, scope: Scope, accounts: Accounts) -> None:
    """Say anew what a user may."""
    changed = update(users).where(users.c.id == user_id)
    await writer.execute(changed.values(scope=scope.word, all_accounts=accounts is None))
    await writer.execute(delete(user_accounts).where(user_accounts.c.user_id == user_id))
    await _list_accounts(writer, user_id, accounts)


async def set_disabled(writer: Writer, user_id: int, at: datetime | None) -> None:
    """Let a user in no more, nor by tokens of theirs; ``None``: again."""
    await writer.execute(update(users).where(users.c.id == user_id).values(disabled_at=at))


async def set_password(writer: Writer, user_id: int, password_hash: str, now: datetime) -> None:
    """Change a password."""
    changed = update(users).where(users.c.id == user_id)
    await writer.execute(changed.values(password_hash=password_hash, password_changed_at=now))


async def renew_hash(writer: Writer, user_id: int, *, stale: str, fresh: str) -> None:
    """Keep the same password by today's parameters, unless it has been changed meanwhile."""
    await writer.execute(_rehash, {"id": user_id, "stale": stale, "fresh": fresh})


async def remove_user(writer: Writer, user_id: int) -> None:
    """Forget a user, and with them their sessions and tokens."""
    await writer.execute(delete(users).where(users.c.id == user_id))


async def _list_accounts(writer: Writer, user_id: int, accounts: Accounts) -> None:
    await _accounts(writer, [(user_id, account) for account in sorted(accounts or ())])
