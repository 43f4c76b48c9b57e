"""An account's cost method: the setting, and the books that are folded with it."""

from sqlalchemy import text

from core.domain.lots import CostMethod
from models.session import Writer

_set_account = text("UPDATE broker_accounts SET cost_method = :method WHERE account = :account")
_set_books = text(
    # Locked in key order, as everybody locks books.
    "WITH locked AS (SELECT account, conid FROM ledger_books WHERE account = :account "
    "AND cost_method <> :method ORDER BY account, conid FOR UPDATE) "
    "UPDATE ledger_books b SET cost_method = :method, dirty = true FROM locked "
    "WHERE b.account = locked.account AND b.conid = locked.conid"
)


async def set_cost_method(connection: Writer, account: str, method: CostMethod) -> int:
    """Set the method of an account and of its books, which are to be folded anew; returns how many those are.

    A book is folded with the old method or, wholly, with the new one, never with a mixture.
    """
    chosen = {"account": account, "method": method}
    await connection.execute(_set_account, chosen)
    return (await connection.execute(_set_books, chosen)).rowcount
