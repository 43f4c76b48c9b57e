"""What books hand on to others, as their folds say."""

from sqlalchemy import text

from core.domain.carried import Handed
from models.book_keys import BOOKS, book_arrays
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


async def replace_handed(connection: Writer, handed: Handed) -> None:
    """Store all that these locked books hand on, in place of what they did."""
    await connection.execute(_delete, book_arrays(handed))
    rows = [
        (*key, event, number, *lot)
        for key, events in sorted(handed.items())
        for event, lots in sorted(events.items())
        for number, lot in enumerate(lots, 1)
    ]
    await _insert(connection, rows)
