"""What books hand on to others, as their folds say."""

from collections.abc import Collection

from sqlalchemy import text

from core.domain.books import BookKey
from models.book_keys import BOOKS, book_arrays
from models.queries.carried import Handed, handed_on_by
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import carried_lots

_delete = text(
    f"DELETE FROM carried_lots c USING {BOOKS} "  # noqa: S608 - no input in it
    "WHERE c.account = k.account AND c.conid = k.conid"
)
_insert = BulkInsert(
    carried_lots,
    ("account", "conid", "event_key", "seq", "opened_at", "quantity", "cost", "provisional"),
)


async def store_handed(connection: Writer, keys: Collection[BookKey], handed: Handed) -> set[BookKey]:
    """Store all that these locked books hand on; returns those that hand on something else than before."""
    stored = await handed_on_by(connection, keys)
    changed = {key for key in keys if stored.get(key, {}) != handed.get(key, {})}
    if not changed:
        return changed
    await connection.execute(_delete, book_arrays(changed & stored.keys()))
    rows = [
        (*key, event, number, *lot)
        for key in sorted(changed)
        for event, lots in sorted(handed.get(key, {}).items())
        for number, lot in enumerate(lots, 1)
    ]
    await _insert(connection, rows)
    return changed
