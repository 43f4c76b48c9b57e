"""Groups of accounts: set whole, or dropped."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text

from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import account_group_members

_upsert = text(
    "INSERT INTO account_groups (name, changed_at) VALUES (:name, :now) "
    "ON CONFLICT (name) DO UPDATE SET changed_at = excluded.changed_at"
)
_forget = text("DELETE FROM account_group_members WHERE name = :name AND NOT account = ANY(:accounts)")
_members = BulkInsert(account_group_members, ("name", "account"), conflict="ON CONFLICT DO NOTHING")
_drop = text("DELETE FROM account_groups WHERE name = :name")


async def set_group(connection: Writer, name: str, accounts: Sequence[str], now: datetime) -> None:
    """Have a group be of just these accounts, which exist."""
    # The row of the group is locked first: whoever sets the same one at once waits for it.
    await connection.execute(_upsert, {"name": name, "now": now})
    await connection.execute(_forget, {"name": name, "accounts": list(accounts)})
    await _members(connection, [(name, account) for account in dict.fromkeys(accounts)])


async def drop_group(connection: Writer, name: str) -> bool:
    """Forget a group, not its accounts; whether there was one."""
    return (await connection.execute(_drop, {"name": name})).rowcount > 0
