"""What statements say by leaving it out: of a day of which one states all that was held, the rest was not.

Of what the ledger held then, and only of that, a holding of none is noted beside what the statement states.
It goes with its import as all of that does.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from sqlalchemy import text

from core.domain.books import BookKey
from core.domain.days import BROKER_ZONE, FUTURES, HELD, HELD_OF_FUTURES, TRADED
from models.book_keys import BOOKS, book_arrays
from models.session import Writer
from models.standing import newest

_NOT_STATED: Final = ("CASH",)
"""What is no position by the broker's account of it."""

_DAYS: Final[dict[str, Any]] = {
    "zone": BROKER_ZONE.key,
    "held": HELD,
    "held_of_futures": HELD_OF_FUTURES,
    "traded": TRADED,
    "futures": sorted(FUTURES),
    "not_stated": list(_NOT_STATED),
}
# Days first: so that an index finds the few inventories of the time in which something was held.
_AT_ITS_END = (
    "JOIN instruments s ON s.conid = p.conid AND s.sec_type <> ALL(CAST(:not_stated AS text[])) "
    "CROSS JOIN LATERAL (SELECT (n.as_of + CASE WHEN s.sec_type = ANY(CAST(:futures AS text[])) "
    "THEN CAST(:held_of_futures AS time) ELSE CAST(:held AS time) END) "
    "AT TIME ZONE CAST(:zone AS text) AS at, (n.as_of + CASE WHEN s.sec_type = ANY(CAST(:futures AS text[])) "
    "THEN CAST(:held_of_futures AS time) ELSE CAST(:traded AS time) END) "
    "AT TIME ZONE CAST(:zone AS text) AS ended_at) d"
)
_OPEN_AND_LEFT_OUT = (
    # What was closed in the night had been there when the day ended.
    "WHERE p.opened_at <= d.at AND coalesce(p.closed_at, 'infinity') > d.ended_at "
    "AND NOT EXISTS (SELECT FROM stated_positions t WHERE t.account = p.account AND t.conid = p.conid "
    "AND t.as_of = d.at AND t.import_id = n.import_id)"
)
_WHILE_HELD = (
    "n.account = p.account AND n.as_of >= (p.opened_at AT TIME ZONE CAST(:zone AS text))::date "
    "AND n.as_of <= (coalesce(p.closed_at, 'infinity') AT TIME ZONE CAST(:zone AS text))::date"
)
_left_out = text(
    "SELECT DISTINCT p.account, p.conid FROM (SELECT * FROM stated_inventories WHERE import_id = :id) n "  # noqa: S608 - no input in it
    f"JOIN positions p ON {_WHILE_HELD} {_AT_ITS_END} {_OPEN_AND_LEFT_OUT}"
)
# What comes after a day at which nothing was held is left out at another: at the first one after it.
_BEFORE = (
    "CROSS JOIN LATERAL (SELECT max(v.executed_at) AS at FROM position_events v "
    "WHERE v.position_id = p.id AND v.executed_at <= d.at) b"
)
_COMPLETE = newest(
    "stated_inventories v",
    ("account", "as_of"),
    where="v.account = ANY(CAST(:accounts AS text[])) "
    "AND v.as_of >= coalesce(CAST(:since AS date), '-infinity')",
)
_note = text(
    "INSERT INTO stated_positions (account, conid, as_of, quantity, implied, import_id, line) "  # noqa: S608 - as above
    "SELECT DISTINCT ON (p.account, p.conid, b.at) p.account, p.conid, d.at, 0, true, n.import_id, n.line "
    f"FROM {BOOKS} JOIN positions p USING (account, conid) JOIN ({_COMPLETE}) n ON {_WHILE_HELD} "
    f"{_AT_ITS_END} {_BEFORE} {_OPEN_AND_LEFT_OUT} "
    "ORDER BY p.account, p.conid, b.at, d.at ON CONFLICT DO NOTHING RETURNING account, conid"
)
_forget = text(
    "DELETE FROM stated_positions t USING "  # noqa: S608 - no input in it
    f"{BOOKS} "
    "WHERE t.account = k.account AND t.conid = k.conid AND t.implied"
)
_begins_at = text(
    "SELECT (min(at) AT TIME ZONE CAST(:zone AS text))::date AS day FROM ("
    "SELECT min(executed_at) FROM stated_trades WHERE import_id = :id UNION ALL "
    "SELECT min(at) FROM corporate_actions WHERE import_id = :id UNION ALL "
    "SELECT min(as_of) FROM stated_positions WHERE import_id = :id UNION ALL "
    "SELECT (min(as_of) + time '12:00') AT TIME ZONE CAST(:zone AS text) FROM stated_inventories "
    "WHERE import_id = :id) b(at)"
)


async def books_left_out(connection: Writer, import_id: int) -> set[BookKey]:
    """Books open at the end of days of which an import states all that was held, without them."""
    rows = await connection.execute(_left_out, {**_DAYS, "id": import_id})
    return {(row.account, row.conid) for row in rows}


async def begins_at(connection: Writer, import_id: int) -> date | None:
    """The first day of which an import says anything about holdings."""
    row = (await connection.execute(_begins_at, {"zone": BROKER_ZONE.key, "id": import_id})).one()
    return row.day if isinstance(row.day, date) else None


async def note_absences(connection: Writer, keys: Iterable[BookKey], since: date | None) -> set[BookKey]:
    """Note of these books the days, from ``since`` on, at which they were open and left out.

    Of those between one change of what was held and the next the first is enough. Of several statements of
    one day the one counts that was written last. Returns the books that this changes: folded anew, they may
    turn out to be open and left out at days at which they were not before.
    """
    rows = await connection.execute(_note, {**_DAYS, **book_arrays(keys), "since": since})
    return {(row.account, row.conid) for row in rows}


async def forget_absences(connection: Writer, keys: Iterable[BookKey]) -> None:
    """Forget what was noted of these books: by what the ledger held then, and that is about to change."""
    await connection.execute(_forget, book_arrays(keys))
