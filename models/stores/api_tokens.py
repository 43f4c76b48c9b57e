"""API tokens: made, used, revoked."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, insert, text

from core.domain.access import Accounts, Scope
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import api_token_accounts, api_tokens

_accounts = BulkInsert(api_token_accounts, ("token_id", "account"))
_use = text(
    "UPDATE api_tokens SET last_used_at = :hour WHERE id = :id AND "
    "(last_used_at IS NULL OR last_used_at < :hour)"
)

_hold = text("SELECT 1 FROM api_tokens WHERE id = :id FOR KEY SHARE")


async def create_api_token(
    writer: Writer,
    *,
    name: str,
    prefix: str,
    secret_hash: str,
    scope: Scope,
    accounts: Accounts,
    user_id: int | None,
    now: datetime,
    expires_at: datetime | None,
) -> int:
    """Keep a token: its hash only. Returns its number."""
    made = await writer.execute(
        insert(api_tokens)
        .values(
            name=name,
            prefix=prefix,
            secret_hash=secret_hash,
            scope=scope.word,
            all_accounts=accounts is None,
            user_id=user_id,
            created_at=now,
            expires_at=expires_at,
        )
        .returning(api_tokens.c.id)
    )
    number: int = made.scalar_one()
    await _accounts(writer, [(number, account) for account in sorted(accounts or ())])
    return number


async def use_api_token(writer: Writer, token_id: int, now: datetime) -> None:
    """Keep in which hour it was last used."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    await writer.execute(_use, {"id": token_id, "hour": hour})


async def hold_token(writer: Writer, token_id: int) -> bool:
    """Whether there is such a token; nobody revokes it before the transaction ends."""
    return (await writer.execute(_hold, {"id": token_id})).first() is not None


async def revoke_tokens_of(writer: Writer, user_id: int) -> int:
    """Have nobody let in by any token of a user; returns how many there were."""
    return (await writer.execute(delete(api_tokens).where(api_tokens.c.user_id == user_id))).rowcount


async def revoke_api_tokens(writer: Writer, ids: Collection[int]) -> None:
    """Have nobody let in by them, nor by the sessions that they were traded for."""
    await writer.execute(delete(api_tokens).where(api_tokens.c.id.in_(ids)))
