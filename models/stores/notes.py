"""Notes and tags of positions."""

from datetime import datetime

from models.noted import NOTE, OF, NoteRow, PositionOf, about
from models.session import Writer

_write = about(
    "INSERT INTO position_notes AS n (position_id, account, conid, held_at, body, author, written_at) "  # noqa: S608 - no input in it
    f"VALUES (:position_id, :account, :conid, :held_at, :body, :author, :now) RETURNING {NOTE}"
)
_rewrite = about(
    "UPDATE position_notes n SET body = :body, changed_at = :now, changed_by = :by "  # noqa: S608 - no input in it
    f"WHERE n.id = :id AND {OF.format('n')} RETURNING {NOTE}"
)
_remove = about(
    f"DELETE FROM position_notes n WHERE n.id = :id AND {OF.format('n')} RETURNING n.id"  # noqa: S608 - no input in it
)
_untag = about(
    f"DELETE FROM position_tags t WHERE {OF.format('t')} AND t.tag = :tag"  # noqa: S608 - no input in it
)
_tag = about(
    "INSERT INTO position_tags (position_id, tag, account, conid, held_at, tagged_at) "  # noqa: S608 - no input in it
    "SELECT :position_id, :tag, :account, :conid, :held_at, :now "
    f"WHERE NOT EXISTS (SELECT FROM position_tags t WHERE {OF.format('t')} AND t.tag = :tag) "
    "ON CONFLICT DO NOTHING"
)


async def write_note(
    writer: Writer, of: PositionOf, *, held_at: datetime, body: str, author: str, now: datetime
) -> NoteRow:
    """Keep a note about the position that was opened at ``held_at``."""
    told = {**of._asdict(), "held_at": held_at, "body": body, "author": author, "now": now}
    return NoteRow(*(await writer.execute(_write, told)).one())


async def rewrite_note(
    writer: Writer, of: PositionOf, number: int, *, body: str, by: str, now: datetime
) -> NoteRow | None:
    """Change a note; ``None`` where the position has no such note."""
    told = {**of._asdict(), "id": number, "body": body, "by": by, "now": now}
    row = (await writer.execute(_rewrite, told)).one_or_none()
    return None if row is None else NoteRow(*row)


async def remove_note(writer: Writer, of: PositionOf, number: int) -> bool:
    """Remove a note; false where the position has no such note."""
    return (await writer.execute(_remove, {**of._asdict(), "id": number})).one_or_none() is not None


async def add_tag(writer: Writer, of: PositionOf, tag: str, *, held_at: datetime, now: datetime) -> None:
    """Give a position a tag, once."""
    await writer.execute(_tag, {**of._asdict(), "tag": tag, "held_at": held_at, "now": now})


async def take_tag(writer: Writer, of: PositionOf, tag: str) -> None:
    """Take a tag away from a position, if it has it."""
    await writer.execute(_untag, {**of._asdict(), "tag": tag})
