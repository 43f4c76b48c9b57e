"""Which position notes and tags are about.

They are about a position by its id. A fold that begins a position with another fill gives it another id, and
one may join two or part them: then they are with the position of the same book that was held at that time.
"""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, bindparam, text

from models.types import Id

# The one that was held then; where none was, the first that follows, and of those before it the last. What
# closes one may open the next, at the same second: then the later is meant, which was opened then.
HOME: Final = (
    "coalesce((SELECT p.id FROM positions p WHERE p.id = {0}.position_id), "
    "(SELECT p.id FROM positions p WHERE p.account = {0}.account AND p.conid = {0}.conid ORDER BY CASE "
    "WHEN p.opened_at > {0}.held_at THEN 1 WHEN p.closed_at < {0}.held_at THEN 2 ELSE 0 END, "
    "abs(extract(epoch FROM p.opened_at - {0}.held_at)), p.ordinal DESC LIMIT 1))"
)
"""SQL of the id of the position that a row ``{0}`` is about."""

OF: Final = "{0}.account = :account AND {0}.conid = :conid AND " + HOME + " = :position_id"
"""SQL of what makes a row ``{0}`` one of a ``PositionOf``."""


class PositionOf(NamedTuple):
    """Which position is meant: its id, and its book."""

    position_id: UUID
    account: str
    conid: int


NOTE: Final = "n.id, n.body, n.author, n.written_at, n.changed_at, n.changed_by"
"""SQL of the columns of a ``NoteRow``."""


class NoteRow(NamedTuple):
    """One note."""

    id: int
    body: str
    author: str
    written_at: datetime
    changed_at: datetime | None
    changed_by: str | None


def about(statement: str) -> TextClause:
    """SQL with the fields of a ``PositionOf`` as parameters."""
    return text(statement).bindparams(bindparam("position_id", type_=Id))
